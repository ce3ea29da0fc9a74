/** Rows of persons taken out of CSV files (spec 05 §4.5); every byte of the other rows stays as it is. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { namesEntities, type Purge, type Purged, UNNAMED } from '../../ports/export-purge.ts'

const PIECE = 1 << 20

/** Copies the file without the rows; `to` null: only counts. The first record is the header. */
export async function purgeCsv(from: string, to: string | null, { ids, types, signal }: Purge): Promise<Purged> {
  const gone = new Set(ids)
  const rows = new Map<string, number>()
  let columns: readonly string[] | null = null
  let waiting = ''
  await using out = to === null ? null : await open(to, 'wx')
  for await (const record of recordsOf(from)) {
    signal?.throwIfAborted()
    if (columns === null) columns = cellsOf(record)
    else {
      const named = cellsOf(record).find((cell) => gone.has(cell))
      if (named !== undefined) {
        rows.set(named, (rows.get(named) ?? 0) + 1)
        continue
      }
    }
    if (out === null) continue
    waiting += record
    if (waiting.length < PIECE) continue
    await out.appendFile(waiting)
    waiting = ''
  }
  if (waiting !== '') await out?.appendFile(waiting)
  return { rows, problem: namesEntities(columns ?? [], types) ? null : UNNAMED }
}

/** Records with their line breaks, which may stand in quotes as well. */
async function* recordsOf(path: string): AsyncGenerator<string> {
  let rest = ''
  let quoted = false
  let seen = 0
  for await (const piece of createReadStream(path, { encoding: 'utf8', highWaterMark: PIECE })) {
    rest += piece as string
    let begin = 0
    for (; seen < rest.length; seen++) {
      const code = rest.charCodeAt(seen)
      if (code === 0x22) quoted = !quoted
      else if (code === 0x0a && !quoted) {
        yield rest.slice(begin, seen + 1)
        begin = seen + 1
      }
    }
    rest = rest.slice(begin)
    seen -= begin
  }
  if (rest !== '') yield rest
}

function cellsOf(record: string): string[] {
  const line = record.replace(/\r?\n$/, '')
  const cells: string[] = []
  for (let at = 0; at <= line.length; ) {
    if (line[at] === '"') {
      let text = ''
      let end = at + 1
      for (;;) {
        const quote = line.indexOf('"', end)
        if (quote < 0) return [...cells, text + line.slice(end)]
        text += line.slice(end, quote)
        end = quote + 1
        if (line[end] !== '"') break
        text += '"'
        end += 1
      }
      cells.push(text)
      at = end + 1
      continue
    }
    const comma = line.indexOf(',', at)
    const end = comma < 0 ? line.length : comma
    cells.push(line.slice(at, end))
    at = end + 1
  }
  return cells
}
