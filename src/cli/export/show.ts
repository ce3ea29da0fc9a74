/** How exports are shown while they are written and afterwards. */
import { relative } from 'node:path'
import type { ExportRecord, ExportRow, WriteOptions } from '../../ports/exports.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { Context } from '../context.ts'
import { snakeKeys } from '../json.ts'
import type { Output, Result } from '../output.ts'
import { bytesText, countText } from '../summary.ts'
import { tableText } from '../table.ts'

export interface ExportProgressBar {
  readonly options: WriteOptions
  stop(): void
}

/** A bar for every table on a terminal: rows written, of how many where that is quickly counted, and how fast. */
export async function exportProgress(
  context: Context,
  counted: Iterable<readonly [name: string, query: TableQuery]>,
): Promise<ExportProgressBar> {
  const { signal, output } = context
  if (!output.lively) return { options: { signal }, stop: () => {} }
  const bar = await context.progress()
  const totals = new Map<string, number>()
  for (const [name, query] of counted) {
    signal.throwIfAborted()
    totals.set(name, await query.count())
  }
  let current = ''
  let begun = 0
  return {
    options: {
      signal,
      onProgress: ({ table, rows }) => {
        if (table !== current) [current, begun] = [table, performance.now()]
        const elapsed = (performance.now() - begun) / 1000
        const rate = elapsed < 0.5 ? '' : `  ${Math.round(rows / elapsed).toLocaleString('en')} rows/s`
        bar.update(rows, totals.get(table) ?? null, `${table}${rate}`)
      },
    },
    stop: () => bar.stop(),
  }
}

/** What was written, a line for every file. */
export function exportResult(context: Context, records: readonly ExportRecord[], took: string): Result {
  const shown = records.map((record) => snakeKeys(record))
  const rows = records.reduce((sum, record) => sum + record.rows, 0)
  return {
    data: shown,
    receipt: true,
    text: (output) => {
      const table = tableText(
        output,
        records.map((record) => ({
          written: placeText(context, record.path),
          rows: record.rows,
          size: record.bytes === null ? null : bytesText(record.bytes),
        })),
      )
      return `${table}${output.paint.dim(`${countText(rows, 'row')} in ${took}`)}`
    },
  }
}

export function listResult(context: Context, rows: readonly ExportRow[]): Result {
  return {
    data: rows.map((row) => snakeKeys(row)),
    paged: true,
    text: (output: Output) =>
      rows.length === 0
        ? 'nothing was exported yet'
        : tableText(
            output,
            rows.map((row) => ({
              at: row.at,
              format: row.format,
              place: placeText(context, row.path),
              version: row.version,
              types: row.entityTypes.join(', '),
              rows: row.rows,
              size: row.bytes === null ? null : bytesText(row.bytes),
            })),
            undefined,
            { keep: ['at', 'format', 'place'] },
          ),
  }
}

/** Files below here by their way from here. */
function placeText({ cwd }: Context, path: string): string {
  const way = path.includes('://') ? path : relative(cwd, path)
  return way === '' || way.startsWith('..') ? path : way
}
