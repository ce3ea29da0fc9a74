/** Files of text (spec 06 §7): UTF-8 without byte order mark; of CSV with a header. */
import { open } from 'node:fs/promises'
import { csvLine } from '../../core/csv-text.ts'
import type { ExportTable, WriteOptions } from '../../ports/exports.ts'

/** Text is written in pieces of about this many letters. */
const PIECE = 1 << 20

/** Writes the file, and returns how many rows there are. */
export async function writeCsv(
  path: string,
  table: ExportTable,
  { signal, onProgress }: WriteOptions = {},
): Promise<number> {
  let rows = 0
  const pieces = async function* (): AsyncGenerator<string> {
    yield csvLine(table.columns.map(({ name }) => name))
    for await (const chunk of table.chunks) {
      yield chunk.map(csvLine).join('')
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
