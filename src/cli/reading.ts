/** What commands that show rows share: the limit on a terminal, the line below the table. */
import type { Context } from './context.ts'
import type { Row } from './output.ts'
import { countText } from './summary.ts'
import type { TableOptions } from './table.ts'

/** Rows a terminal shows unless `--limit` says otherwise; files and pipes get all. */
const SCREEN_ROWS = 100

/** How rows are shown: of every command that has rows of a query. */
export const ROW_OPTIONS = [
  { flags: '--limit <n>', description: 'at most so many rows; 0: all (default: 100 on a terminal, else all)' },
  { flags: '-x, --records', description: 'a line for every value instead of a table' },
] as const

interface Streamable {
  readonly columns: readonly string[] | null
  limit(count: number): Streamable
  stream(options?: { batchSize?: number }): AsyncIterable<Row>
}

/** Streams the rows of a query to stdout. `limit` 0: all. */
export async function showRows(
  context: Context,
  query: unknown,
  limit: number | undefined,
  options: TableOptions = {},
): Promise<undefined> {
  const { output } = context
  const rows = query as Streamable
  const screen = output.format === 'text' && output.width !== null
  const most = limit ?? (screen ? SCREEN_ROWS : 0)
  // One row more tells whether there are others.
  const limited = most === 0 ? rows : rows.limit(screen ? most + 1 : most)
  let seen = 0
  const shown = async function* (): AsyncGenerator<Row> {
    for await (const row of limited.stream()) {
      seen += 1
      if (screen && most > 0 && seen > most) break
      yield row
    }
  }
  const footer = (count: number): string =>
    seen > count ? `first ${countText(count, 'row')}; there are more: --limit 0 shows all` : countText(count, 'row')
  await output.rows(context.stoppable(shown()), rows.columns ?? undefined, { footer, ...options })
  return undefined
}
