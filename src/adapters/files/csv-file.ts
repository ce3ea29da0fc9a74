/**
 * CSV as RFC 4180 has it (spec 06 §7): UTF-8 without byte order mark, a header, lines ending in CRLF, which pandas, DuckDB
 * and psql read as well as LF. Null is empty, an empty text `""`, so that readers that look at quotes tell them apart.
 */
import { open } from 'node:fs/promises'
import { instantFromDate } from '../../core/instant.ts'
import type { ExportTable, WriteOptions } from '../../ports/exports.ts'

/** Text is written in pieces of about this many letters. */
const PIECE = 1 << 20
const MUST_QUOTE = /[",\r\n]|^\s|\s$/

/** Writes the file, and returns how many rows there are. */
export async function writeCsv(
  path: string,
  table: ExportTable,
  { signal, onProgress }: WriteOptions = {},
): Promise<number> {
  let rows = 0
  const pieces = async function* (): AsyncGenerator<string> {
    yield lineOf(table.columns.map(({ name }) => name))
    for await (const chunk of table.chunks) {
      yield chunk.map(lineOf).join('')
      rows += chunk.length
      onProgress?.({ table: table.name, rows })
    }
  }
  await writeText(path, pieces(), { signal })
  return rows
}

/** Writes the pieces one after the other, and returns how many there were. */
export async function writeText(
  path: string,
  pieces: AsyncIterable<string>,
  { signal }: WriteOptions = {},
): Promise<number> {
  let count = 0
  let waiting = ''
  await using file = await open(path, 'wx')
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    count += 1
    waiting += piece
    if (waiting.length < PIECE) continue
    await file.appendFile(waiting)
    waiting = ''
  }
  signal?.throwIfAborted()
  if (waiting !== '') await file.appendFile(waiting)
  return count
}

function lineOf(row: readonly unknown[]): string {
  let line = cell(row[0])
  for (let i = 1; i < row.length; i++) line += `,${cell(row[i])}`
  return `${line}\r\n`
}

function cell(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      return ''
    default:
      if (value === null) return ''
      return text(value instanceof Date ? String(instantFromDate(value)) : JSON.stringify(value))
  }
}

/** `\.` alone on a line ends the data for older versions of psql. */
function text(value: string): string {
  if (value !== '' && value !== '\\.' && !MUST_QUOTE.test(value)) return value
  return `"${value.replaceAll('"', '""')}"`
}
