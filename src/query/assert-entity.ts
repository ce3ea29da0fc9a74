/** `assertEntity` (spec 06 §8): one entity's current row against what a test expects. */
import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { compareTime } from '../core/instant.ts'
import { didYouMean } from '../core/spelling.ts'
import type { Column } from './column.ts'
import { desc, lit } from './expression.ts'
import { instantOf } from './instants.ts'
import { originOf } from './relation.ts'
import type { QueryRoot } from './root.ts'
import type { AnyRow } from './row-types.ts'
import { TableQuery } from './table-query.ts'

/**
 * Throws Node's `AssertionError` (with `actual` and `expected`) if no type knows the id, the entity has no current row,
 * or `state` or a named property differs. Reads the entity's current row, and only without one a past row.
 */
export async function assertEntity(
  root: Pick<QueryRoot, 'tables'>,
  entityId: string,
  expected: { readonly state?: string } & Readonly<Record<string, unknown>>,
): Promise<void> {
  const collection = root.tables({ relationships: false })
  const type = await typeOf([...collection], (query) => query, entityId)
  const query = type === undefined ? undefined : collection.get(type)
  const row = await query?.filter({ [`${type}_id`]: entityId }).first()
  if (type === undefined || query === undefined || row === undefined)
    return noCurrentRow(collection, entityId, expected)
  compare(type, entityId, row, expected, query.relation.columns ?? [])
}

/** The type of which the entity has a row, from one indexed look-up per type in a single statement. */
async function typeOf(
  queries: readonly [type: string, query: TableQuery][],
  rowsOf: (query: TableQuery) => TableQuery,
  entityId: string,
): Promise<string | undefined> {
  const [first, ...rest] = queries.map(([type, query]) =>
    rowsOf(query)
      .filter({ [`${type}_id`]: entityId })
      .select({ type: lit(type) })
      .limit(1),
  )
  if (first === undefined) return undefined
  const row = await rest.reduce((all, part) => all.union(part), first).first()
  return row === undefined ? undefined : String(row.type)
}

/** Why there is none, from the newest of the past rows. */
async function noCurrentRow(
  collection: ReturnType<QueryRoot['tables']>,
  entityId: string,
  expected: Readonly<Record<string, unknown>>,
): Promise<never> {
  const type = await typeOf([...collection.history()], everyRow, entityId)
  if (type === undefined) fail(`No entity has the id '${entityId}'`, undefined, expected)
  const newest = await everyRow(collection.history().get(type))
    .filter({ [`${type}_id`]: entityId })
    .orderBy(desc('valid_from'))
    .select('merged_into')
    .first()
  const merged = newest?.merged_into ?? null
  if (merged !== null) fail(`Entity '${entityId}' (${type}) was merged into '${merged}'`, undefined, expected)
  fail(`Entity '${entityId}' (${type}) has no current row: it was erased`, undefined, expected)
}

/** The query's table without any condition: rows of merged-away entities included. */
function everyRow(query: TableQuery): TableQuery {
  return new TableQuery(originOf(query.relation) ?? query.relation, query.context)
}

function compare(
  type: string,
  entityId: string,
  row: AnyRow,
  expected: Readonly<Record<string, unknown>>,
  columns: readonly Column[],
): void {
  const actual: [string, unknown][] = []
  const differing: string[] = []
  for (const [key, wanted] of Object.entries(expected)) {
    const column = columns.find((candidate) => candidate.name === (key === 'state' ? `${type}_state` : key))
    if (column === undefined) {
      const names = columns.filter((candidate) => !candidate.hidden).map((candidate) => candidate.name)
      const list = `columns: ${names.join(', ')}`
      fail(
        `Entity '${entityId}' (${type}) has no property '${key}'${didYouMean(key, names)}; ${list}`,
        undefined,
        expected,
      )
    }
    const value = row[column.name]
    actual.push([key, value])
    if (!same(column, value, wanted)) differing.push(key)
  }
  if (differing.length === 0) return
  fail(`Entity '${entityId}' (${type}) differs in: ${differing.join(', ')}`, Object.fromEntries(actual), expected)
}

function same(column: Column, actual: unknown, expected: unknown): boolean {
  if (column.type === 'datetime' && typeof actual === 'string') {
    const [a, b] = [instantOf(actual), instantOf(expected)]
    return a !== null && b !== null && compareTime(a, b) === 0
  }
  // 5 and 5n are the same integer.
  const integers = typeof actual === 'bigint' || typeof expected === 'bigint'
  if (integers) return String(actual) === String(expected) && column.type === 'integer'
  // 0 and -0 are the same number.
  return actual === expected || isDeepStrictEqual(actual, expected)
}

/** With an actual value Node appends the difference to the message. */
function fail(message: string, actual: unknown, expected: unknown): never {
  const operator = actual === undefined ? 'fail' : 'deepStrictEqual'
  throw new AssertionError({ message, actual, expected, operator, stackStartFn: assertEntity })
}
