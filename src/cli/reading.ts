/** What `table`, `history` and `query` share: the open version, the rows of a query, the limit on a terminal. */
import type { Context } from './context.ts'
import type { Row } from './output.ts'

/** Rows a terminal shows unless `--limit` says otherwise; files and pipes get all. */
const SCREEN_ROWS = 100

interface Streamable {
  readonly columns: readonly string[] | null
  limit(count: number): Streamable
  stream(options?: { batchSize?: number }): AsyncIterable<Row>
}

/** Streams the rows of a query to stdout. `limit` 0: all. */
export async function showRows(context: Context, query: unknown, limit: number | undefined): Promise<undefined> {
  const { output } = context
  const rows = query as Streamable
  const screen = limit === undefined && output.format === 'text' && output.width !== null
  const most = limit === undefined ? (screen ? SCREEN_ROWS : 0) : limit
  // One row more tells whether there are others.
  const limited = most === 0 ? rows : rows.limit(screen ? most + 1 : most)
  let seen = 0
  const shown = async function* (): AsyncGenerator<Row> {
    for await (const row of limited.stream()) {
      seen += 1
      if (screen && seen > most) break
      yield row
    }
  }
  await output.rows(context.stoppable(shown()), rows.columns ?? undefined)
  if (screen && seen > most) output.note(`first ${most} rows; --limit 0 shows all`)
  return undefined
}
