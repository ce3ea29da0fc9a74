/** Records of an input in any text format, with text and place; what cannot be read is a record with a problem. */
import { parseJson } from '../../core/expression/json.ts'
import type { CsvOptions } from '../../core/pipeline/model.ts'
import { arrayElements } from './array.ts'
import { csvRows } from './csv.ts'
import { decode, type InputRecord, type TextPlace } from './record.ts'
import { lines, type Piece, START } from './split.ts'

export type TextFormat = 'ndjson' | 'json' | 'csv'

/** Format by the file's suffix; null for standard input and unknown ones (then the first byte decides). */
export function formatOf(file: string): TextFormat | 'parquet' | null {
  const plain = file.replace(/\.(gz|zst)$/i, '')
  if (/\.(ndjson|jsonl)$/i.test(plain)) return 'ndjson'
  if (/\.json$/i.test(plain)) return 'json'
  if (/\.csv$/i.test(plain)) return 'csv'
  if (/\.parquet$/i.test(plain)) return 'parquet'
  return null
}

export interface ReadOptions {
  /** Where the chunks begin (of CSV: `header` must be given then). Default: the start. */
  readonly from?: TextPlace | null
  /** Leave out what is behind the last line break, and what a packing lacks: it is still being written. */
  readonly append?: boolean
  /** Path of the array in a JSON document, `result.items`; null: the document is the array. */
  readonly records?: string | null
  readonly csv?: CsvOptions
  /** Names of CSV columns; null: the first record has them. */
  readonly header?: readonly string[] | null
}

/** As the command line reads CSV: an empty value without quotes is null. */
export const CSV: CsvOptions = { delimiter: ',', null: '', encoding: 'utf-8' }

/** All records of the stream, `part` naming it in their origin. Memory holds one chunk and one record (of CSV a few). */
export async function* readRecords(
  chunks: AsyncIterable<Buffer>,
  format: TextFormat | null,
  part: string,
  options: ReadOptions = {},
): AsyncGenerator<InputRecord> {
  const from = options.from ?? null
  let behind: TextPlace = from ?? START
  try {
    for await (const record of decoded(chunks, format, part, { ...options, from })) {
      behind = record.next
      yield record
    }
  } catch (error) {
    if (!isBrokenPacking(error)) throw error
    if (options.append && isCutOff(error)) return
    const problem = 'compressed data is broken; the rest is not read'
    const origin = { part, line: behind.line, byte: behind.byte }
    yield { value: undefined, text: '', origin, problem, broken: true, next: behind }
  }
}

async function* decoded(
  chunks: AsyncIterable<Buffer>,
  format: TextFormat | null,
  part: string,
  options: ReadOptions & { readonly from: TextPlace | null },
): AsyncGenerator<InputRecord> {
  const { from, append = false } = options
  const place = from ?? START
  if (format === 'csv') {
    yield* csvRows(chunks, part, { from: place, append, csv: options.csv ?? CSV, header: options.header ?? null })
    return
  }
  const path = options.records?.split('.') ?? []
  if (from !== null) {
    const pieces = 'at' in from ? arrayElements(chunks, path, from) : lines(chunks, { from, append })
    for await (const piece of pieces) yield jsonRecord(piece, part)
    return
  }
  const [first, all] = await firstByte(chunks)
  // `.json` files often hold one object per line; an array begins with its bracket.
  const chosen = format ?? (first === 0x5b ? 'json' : 'ndjson')
  const isArray = chosen === 'json' && (first !== 0x7b || path.length > 0)
  const pieces = isArray ? arrayElements(all, path) : lines(all, { append })
  for await (const piece of pieces) yield jsonRecord(piece, part)
}

function isBrokenPacking(error: unknown): boolean {
  return /^(Z_|ZSTD_|ERR_ZSTD)/.test(codeOf(error))
}

/** The packed data end where more should come. */
function isCutOff(error: unknown): boolean {
  return codeOf(error) === 'Z_BUF_ERROR' || /unexpected end/i.test(error instanceof Error ? error.message : '')
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return typeof code === 'string' ? code : ''
}

/** First byte that is neither blank nor byte-order mark. */
async function firstByte(chunks: AsyncIterable<Buffer>): Promise<[number | undefined, AsyncIterable<Buffer>]> {
  const iterator = chunks[Symbol.asyncIterator]()
  const seen: Buffer[] = []
  let found: number | undefined
  let failed: { readonly error: unknown } | null = null
  try {
    while (found === undefined) {
      const next = await iterator.next()
      if (next.done) break
      seen.push(next.value)
      found = next.value.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
    }
  } catch (error) {
    failed = { error }
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* seen
      if (failed !== null) throw failed.error
      while (true) {
        const next = await iterator.next()
        if (next.done) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return [found, all()]
}

function jsonRecord(piece: Piece, part: string): InputRecord {
  const { next } = piece
  const origin = { part, line: piece.line, byte: piece.byte }
  const { text, problem } = decode(piece, utf8)
  if (problem !== undefined)
    return { value: undefined, text, origin, next, problem, ...(piece.broken ? { broken: true } : {}) }
  try {
    return { value: parseJson(text), text, origin, next }
  } catch {
    // The first line of a document laid out over several.
    const laidOut = /^\s*[[{]\s*$/.test(text) ? '; write one record a line, or all in one JSON array' : ''
    return { value: undefined, text, origin, next, problem: `record is not valid JSON${laidOut}` }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
