/**
 * Entity ids that the run log may name (spec 05 §4.2 no. 19): samples of checks, and texts that quote an error. Found in the
 * database, changed one by one: there are few.
 */
import type { CheckResult, Json, Notification, RunEvent, RunRow } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import { CHECK, type Columns, EVENT, NOTIFICATION, RUN } from './run-log-columns.ts'
import type { LogDatabase, LogParam } from './run-log-database.ts'

/** Ids that one statement looks for. */
const AT_ONCE = 50
/** Stands in texts where an id stood. */
const ERASED = '[ERASED]'

/** A table with the fields that may name entities, in the order of its key. */
interface Place<T extends object> {
  readonly table: string
  readonly columns: Columns<T>
  readonly key: readonly (keyof T & string)[]
  readonly fields: readonly (keyof T & string)[]
}

const CHECKS: Place<CheckResult> = {
  table: 'check_results',
  columns: CHECK,
  key: ['runId', 'check'],
  fields: ['sampleIds', 'message'],
}
const EVENTS: Place<RunEvent> = {
  table: 'run_events',
  columns: EVENT,
  key: ['runId', 'seq'],
  fields: ['message', 'data'],
}
const RUNS: Place<RunRow> = { table: 'runs', columns: RUN, key: ['runId'], fields: ['error', 'cancelReason', 'cursor'] }
const ALERTS: Place<Notification> = { table: 'notifications', columns: NOTIFICATION, key: ['id'], fields: ['payload'] }

/** Takes the ids out; how many rows changed. */
export async function forgetNamed(database: LogDatabase, tx: Tx, ids: readonly string[]): Promise<number> {
  return (
    (await change(database, tx, CHECKS, ids)) +
    (await change(database, tx, EVENTS, ids)) +
    (await change(database, tx, RUNS, ids)) +
    (await change(database, tx, ALERTS, ids))
  )
}

/** How many rows name one of them. */
export async function countNamed(database: LogDatabase, tx: Tx | null, ids: readonly string[]): Promise<number> {
  return (
    (await naming(database, tx, CHECKS, ids)).length +
    (await naming(database, tx, EVENTS, ids)).length +
    (await naming(database, tx, RUNS, ids)).length +
    (await naming(database, tx, ALERTS, ids)).length
  )
}

async function change<T extends object>(
  database: LogDatabase,
  tx: Tx,
  place: Place<T>,
  ids: readonly string[],
): Promise<number> {
  const { columns, key, fields } = place
  const named = anyOf(ids)
  const rows = await naming(database, tx, place, ids)
  for (const row of rows) {
    const params: LogParam[] = []
    const bind = (field: keyof T & string, value: T[keyof T & string]): string =>
      `${columns.column(field)} = $${params.push(columns.value(field, value))}`
    const sets = fields.map((field) => bind(field, without(row[field] as Json, named) as T[keyof T & string]))
    const where = key.map((field) => bind(field, row[field]))
    const sql = `update ${database.table(place.table)} set ${sets.join(', ')} where ${where.join(' and ')}`
    await database.execute(tx, 'log.forget', sql, params)
  }
  return rows.length
}

async function naming<T extends object>(
  database: LogDatabase,
  tx: Tx | null,
  place: Place<T>,
  ids: readonly string[],
): Promise<T[]> {
  const { columns, key, fields } = place
  const found = new Map<string, T>()
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE)
    const named = anyOf(some)
    // What stands in an id may be a wildcard: more is found, and looked at again.
    const texts = fields.map((field) => `cast(${columns.column(field)} as text)`)
    const conditions = some.flatMap((_, i) => texts.map((text) => `${text} like '%' || $${i + 1} || '%'`))
    const rows = await database.query(
      tx,
      'log.naming',
      `select ${columns.list} from ${database.table(place.table)} where ${conditions.join(' or ')}`,
      some.map((id) => id.replaceAll('\\', '_')),
    )
    for (const row of rows.map((values) => columns.of(values))) {
      const before = fields.map((field) => row[field]) as Json[]
      if (JSON.stringify(before) !== JSON.stringify(without(before, named))) {
        found.set(JSON.stringify(key.map((field) => row[field])), row)
      }
    }
  }
  return [...found.values()]
}

/** The ids, where they do not stand within a longer one. */
function anyOf(ids: readonly string[]): RegExp {
  return new RegExp(
    `(?<![\\p{L}\\p{N}_-])(?:${ids.map((id) => id.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|')})(?![\\p{L}\\p{N}_-])`,
    'gu',
  )
}

/** Ids that are values of their own leave lists, in texts something else stands in their place. */
function without(value: Json, named: RegExp): Json {
  if (typeof value === 'string') return value.replace(named, ERASED)
  if (Array.isArray(value)) {
    return value.map((item) => without(item as Json, named)).filter((item, i) => item !== ERASED || value[i] === ERASED)
  }
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, without(item, named)]))
}
