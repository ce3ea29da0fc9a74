import { NotFoundError } from '../../errors.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { count, flag, instant, jsonObject, list } from '../options.ts'
import { CONNECT, openReading, ROW_OPTIONS, showRows } from '../reading.ts'

export const READ_OPTIONS = [
  { flags: '--as-of <time>', description: 'as it was at this instant' },
  { flags: '--where <json>', description: `conditions, e.g. '{"plan": "pro", "mrr": {"gt": 50}}'` },
  { flags: '--columns <names>', description: 'only these columns, separated by commas' },
  { flags: '--order-by <columns>', description: 'sort by these columns' },
  ...ROW_OPTIONS,
  { flags: '--version <name>', description: 'version (default: the active one)' },
  CONNECT,
] as const

export const command: CommandSpec = {
  name: 'table',
  summary: 'current entities of a type',
  arguments: [['<type>', 'entity or relationship type']],
  options: READ_OPTIONS,
  examples: [
    'defacto table customer',
    `defacto table customer --where '{"plan": "pro"}' --columns email,plan -o csv`,
    'defacto table customer --as-of 2024-01-10 -o jsonl',
  ],
  run: (context, [type], options) => readType(context, 'table', type as string, options),
}

/** The rows of a type: now or at `--as-of` (`table`), or all of its history. */
export async function readType(
  context: Context,
  kind: 'table' | 'history',
  type: string,
  options: Options,
): Promise<undefined> {
  const columns = list(options, 'columns')
  const order = list(options, 'orderBy')
  const where = jsonObject(options, 'where')
  const asOf = instant(options, 'asOf')
  const limit = count(options, 'limit')
  const { root } = await openReading(context, options)
  // The state at an instant is read from the history.
  let query = relationOf(root, type, kind === 'history' || asOf !== undefined)
  if (asOf !== undefined) query = query.asOf(asOf)
  // Keys and values are checked against the definitions by the query itself.
  if (where !== undefined) query = query.filter(where as Parameters<typeof query.filter>[0])
  if (order.length > 0) query = query.orderBy(...order)
  if (columns.length > 0) query = query.select(...columns) as typeof query
  const periods = kind === 'history' && asOf === undefined ? ['valid_from', 'valid_to'] : []
  const keep = [`${type}_id`, `${type}_state`, ...periods]
  return showRows(context, query, limit, { keep, records: flag(options, 'records') })
}

interface Readable {
  table(type: string): TableQuery
  history(type: string): TableQuery
  relationship(type: string, options?: { history?: boolean }): TableQuery
  relationships(options?: { history?: boolean }): TableQuery
}

/** An entity type, a relationship type, or `relationships` for all of them. */
export function relationOf(root: Readable, type: string, history: boolean): TableQuery {
  if (type === 'relationships') return root.relationships({ history })
  try {
    return history ? root.history(type) : root.table(type)
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    try {
      return root.relationship(type, { history })
    } catch {
      throw error
    }
  }
}
