/** Rows for programs: a document, lines, or CSV; streamed, so that memory stays flat and the first rows are out at once. */
import { setImmediate as turn } from 'node:timers/promises'
import { csvLine } from '../core/csv-text.ts'
import { jsonText } from './json.ts'
import type { Row } from './output.ts'

interface Target {
  /** Waits while the reader is slower. */
  write(text: string): Promise<void>
}

type Rows = AsyncIterable<Row> | Iterable<Row>

export async function writeLines(target: Target, rows: Rows): Promise<number> {
  return writeEach(target, rows, (row) => `${jsonText(row)}\n`)
}

/** The header comes before the first row; without any row it needs `columns`. */
export async function writeCsv(target: Target, rows: Rows, columns?: readonly string[]): Promise<number> {
  let names = columns
  if (names !== undefined) await target.write(csvLine(names))
  return writeEach(target, rows, (row) => {
    if (names !== undefined) return csvLine(cellsOf(row, names))
    names = Object.keys(row)
    return csvLine(names) + csvLine(cellsOf(row, names))
  })
}

function cellsOf(row: Row, names: readonly string[]): unknown[] {
  return names.map((name) => (Object.hasOwn(row, name) ? row[name] : null))
}

/** `{data, ok, error}`: whether it went well is known at the end. `report` says what goes into `error`. */
export async function writeJson(target: Target, rows: Rows, report: (error: unknown) => unknown): Promise<number> {
  await target.write('{"data":[')
  try {
    const written = await writeEach(target, rows, (row, index) => (index === 0 ? '\n' : ',\n') + jsonText(row))
    await target.write('\n],"ok":true,"error":null}\n')
    return written
  } catch (error) {
    await target.write(`\n],"ok":false,"error":${jsonText(report(error))}}\n`)
    throw error
  }
}

/** Characters that go out together. */
const BLOCK = 32_768

/** Many rows are one write; what there is goes out as soon as the next row lets wait for itself. */
async function writeEach(target: Target, rows: Rows, text: (row: Row, index: number) => string): Promise<number> {
  let waiting = ''
  let written = 0
  let idle: NodeJS.Immediate | undefined
  let going: Promise<void> = Promise.resolve()
  const flush = (): Promise<void> => {
    clearImmediate(idle)
    idle = undefined
    const block = waiting
    waiting = ''
    if (block !== '') going = going.then(() => target.write(block))
    return going
  }
  try {
    for await (const row of rows) {
      waiting += text(row, written)
      written += 1
      if (waiting.length >= BLOCK) {
        await flush()
        // Stores in this process answer at once: Ctrl-C is heard here.
        await turn()
      } else idle ??= setImmediate(() => void flush())
    }
  } finally {
    await flush()
  }
  return written
}
