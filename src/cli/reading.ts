/** What commands that read histories share: where they read, the limit on a terminal, the line below the table. */
import { holdsDefinitions } from '../config/file.ts'
import type { Defacto } from '../index.ts'
import type { Queries } from '../queries.ts'
import type { Options } from './command.ts'
import type { Context } from './context.ts'
import { text } from './options.ts'
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

/** Reading without a space: exports, and histories that somebody else fills. */
export const CONNECT = {
  flags: '--connect <url>',
  description: 'read this history store alone, e.g. duckdb:///analytics.duckdb, without the space',
} as const

export interface Reading {
  /** Queries of the version that is asked for. */
  readonly root: Queries
  /** Null: with `--connect` there is no space. */
  readonly space: Defacto | null
}

/** What `--connect` and `--version` say, opened for reading until the command ends. */
export async function openReading(context: Context, options: Options): Promise<Reading> {
  const url = text(options, 'connect')
  const version = text(options, 'version')
  if (url === undefined) {
    const space = await context.openToRead()
    return { root: version === undefined ? space : space.version(version), space }
  }
  const { DefactoQuery } = await import('../query-handle.ts')
  const { namespace } = context.globals
  const folder = (await context.project()).definitions
  // Without a project, the definitions that the store keeps have to do.
  const definitions = holdsDefinitions(folder) ? folder : NOTHING
  const handle = await DefactoQuery.connect(url, definitions, version, namespace === undefined ? {} : { namespace })
  context.onClose(() => handle.close())
  // Definitions that the store keeps tell what is in it; those of the project stand in for them.
  return { root: handle.version(handle.activeVersion), space: null }
}

const NOTHING = { entities: {}, sources: {}, schemas: {} } as const

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
