/** Records of an input in any format, with text and place; what cannot be read is a record with a problem. */

import type { RawRecord } from '../../core/event.ts'
import { parseJson } from '../../core/expression/json.ts'
import { UsageError } from '../errors.ts'
import { arrayElements, csvRecords, lines, type Piece } from './split.ts'

/** A record of an input; `broken`: the input cannot be read further. */
export interface InputRecord extends RawRecord {
  readonly broken?: true
}

export type InputFormat = 'ndjson' | 'json' | 'csv'

/** Format by the file's suffix; null for standard input and unknown ones (then the first byte decides). */
export function formatOf(file: string): InputFormat | null {
  const plain = file.replace(/\.(gz|zst)$/i, '')
  if (/\.(ndjson|jsonl)$/i.test(plain)) return 'ndjson'
  if (/\.json$/i.test(plain)) return 'json'
  if (/\.csv$/i.test(plain)) return 'csv'
  if (/\.parquet$/i.test(plain)) throw new UsageError('parquet files cannot be read; use ndjson, json or csv')
  return null
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** All records of the stream, `part` naming it in their origin. Memory holds one chunk and one record. */
export async function* readRecords(
  chunks: AsyncIterable<Buffer>,
  format: InputFormat | null,
  part: string,
): AsyncGenerator<InputRecord> {
  const [first, all] = await firstByte(chunks)
  // `.json` files often hold one object per line; an array begins with its bracket.
  const chosen = format ?? (first === 0x5b ? 'json' : 'ndjson')
  const pieces =
    chosen === 'json'
      ? first === 0x7b
        ? lines(all)
        : arrayElements(all)
      : chosen === 'csv'
        ? csvRecords(all)
        : lines(all)
  let last: Piece | null = null
  try {
    if (chosen === 'csv') yield* csvRows(pieces, part)
    else {
      for await (const piece of pieces) {
        last = piece
        yield jsonRecord(piece, part)
      }
    }
  } catch (error) {
    if (!isBrokenPacking(error)) throw error
    const after = last === null ? { line: 1, byte: 0 } : { line: last.line + 1, byte: last.byte + last.bytes.length }
    yield {
      value: undefined,
      text: '',
      origin: { part, ...after },
      problem: 'compressed data is broken; the rest is not read',
      broken: true,
    }
  }
}

function isBrokenPacking(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return typeof code === 'string' && /^(Z_|ZSTD_|ERR_ZSTD)/.test(code)
}

/** First byte that is neither blank nor byte-order mark. */
async function firstByte(chunks: AsyncIterable<Buffer>): Promise<[number | undefined, AsyncIterable<Buffer>]> {
  const iterator = chunks[Symbol.asyncIterator]()
  const seen: Buffer[] = []
  let found: number | undefined
  while (found === undefined) {
    const next = await iterator.next()
    if (next.done) break
    seen.push(next.value)
    found = next.value.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    yield* seen
    while (true) {
      const next = await iterator.next()
      if (next.done) return
      yield next.value
    }
  }
  return [found, all()]
}

function jsonRecord(piece: Piece, part: string): InputRecord {
  const origin = { part, line: piece.line, byte: piece.byte }
  const { text, problem } = decode(piece)
  if (problem !== undefined)
    return { value: undefined, text, origin, problem, ...(piece.broken ? { broken: true } : {}) }
  try {
    return { value: parseJson(text), text, origin }
  } catch {
    // The first line of a document laid out over several.
    const laidOut = /^\s*[[{]\s*$/.test(text) ? '; write one record a line, or all in one JSON array' : ''
    return { value: undefined, text, origin, problem: `record is not valid JSON${laidOut}` }
  }
}

function decode(piece: Piece): { text: string; problem?: string } {
  // A byte-order mark may stand at the very beginning only.
  const bytes =
    piece.byte === 0 && piece.bytes.length >= 3 && piece.bytes.readUIntBE(0, 3) === 0xefbbbf
      ? piece.bytes.subarray(3)
      : piece.bytes
  if (piece.problem !== undefined) return { text: bytes.toString('utf8'), problem: piece.problem }
  try {
    return { text: utf8.decode(bytes) }
  } catch {
    return { text: bytes.toString('utf8'), problem: 'record is not valid UTF-8' }
  }
}

/** RFC 4180 with a header line: every value is text, an empty one without quotes is null. */
async function* csvRows(pieces: AsyncIterable<Piece>, part: string): AsyncGenerator<InputRecord> {
  let names: string[] | null = null
  for await (const piece of pieces) {
    const origin = { part, line: piece.line, byte: piece.byte }
    const { text, problem } = decode(piece)
    const fields = problem === undefined ? csvFields(text) : null
    if (names === null) {
      if (fields === null) throw new UsageError(`${part}: the header line cannot be read`)
      names = fields.map((name) => (name ?? '').trim())
      const [only] = names
      if (names.length === 1 && /[;\t|]/.test(only ?? '')) {
        throw new UsageError(`${part}: the header is one column; separate columns by commas`)
      }
      const twice = names.find((name, index) => name === '' || names?.indexOf(name) !== index)
      if (twice !== undefined)
        throw new UsageError(`${part}: the header names ${twice === '' ? 'an empty column' : `'${twice}' twice`}`)
      continue
    }
    if (fields === null) yield { value: undefined, text, origin, problem: problem ?? 'record is not valid CSV' }
    else if (fields.length !== names.length) {
      yield {
        value: undefined,
        text,
        origin,
        problem: `record has ${fields.length} fields, the header ${names.length}`,
      }
    } else {
      const value: Record<string, unknown> = Object.create(null) as Record<string, unknown>
      for (const [index, name] of names.entries()) value[name] = fields[index]
      yield { value: { ...value }, origin }
    }
  }
}

/** Fields of one record; null if quotes do not match. */
function csvFields(text: string): (string | null)[] | null {
  const fields: (string | null)[] = []
  let at = 0
  while (true) {
    if (text[at] === '"') {
      let value = ''
      at += 1
      while (true) {
        const end = text.indexOf('"', at)
        if (end < 0) return null
        value += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
        at += 1
      }
      if (at < text.length && text[at] !== ',') return null
      fields.push(value)
    } else {
      const comma = text.indexOf(',', at)
      const value = text.slice(at, comma < 0 ? text.length : comma)
      fields.push(value === '' ? null : value)
      at = comma < 0 ? text.length : comma
    }
    if (at >= text.length) return fields
    at += 1
  }
}
