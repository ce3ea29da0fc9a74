/** `assertEntity` (spec 06 §8): one entity's current row against what a test expects. */
import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { compareTime } from '../core/instant.ts'
import { didYouMean } from '../core/spelling.ts'
import type { Column } from './column.ts'
import { col, lit } from './expression.ts'
import { instantOf } from './instants.ts'
import { originOf } from './relation.ts'
import type { QueryRoot } from './root.ts'
import type { AnyRow } from './row-types.ts'
import { TableQuery } from './table-query.ts'

/**
 * Throws Node's `AssertionError` (with `actual` and `expected`) if no type knows the id, the entity has no current row,
 * or `state` or a named property differs. Reads rows of this id only.
 */
export async function assertEntity(
  root: Pick<QueryRoot, 'tables'>,
  entityId: string,
  expected: { readonly state?: string } & Readonly<Record<string, unknown>>,
): Promise<void> {
  const collection = root.tables({ relationships: false })
  const found = await locate(collection, entityId)
  if (found === undefined) fail(`No entity has the id '${entityId}'`, undefined, expected)
  const { type, merged, open } = found
  if (merged !== null) fail(`Entity '${entityId}' (${type}) was merged into '${merged}'`, undefined, expected)
  if (!open) fail(`Entity '${entityId}' (${type}) has no current row: it was erased`, undefined, expected)
  const query = collection.get(type)
  const row = await query.filter({ [`${type}_id`]: entityId }).first()
  if (row === undefined) fail(`Entity '${entityId}' (${type}) has no current row`, undefined, expected)
  compare(type, entityId, row, expected, query.relation.columns ?? [])
}

interface Found {
  readonly type: string
  readonly merged: string | null
  readonly open: boolean
}

/** The type that has rows of the id, from one indexed look-up per type in a single statement. */
async function locate(collection: ReturnType<QueryRoot['tables']>, entityId: string): Promise<Found | undefined> {
  const parts = [...collection.history()].map(([type, query]) =>
    everyRow(query)
      .filter({ [`${type}_id`]: entityId })
      .select({ type: lit(type), merged: col('merged_into'), open: col('valid_to').isNull() }),
  )
  const [first, ...rest] = parts
  if (first === undefined) return undefined
  const rows = await rest.reduce((all, part) => all.union(part), first).rows()
  const [any] = rows
  if (any === undefined) return undefined
  const merged = rows.find((row) => row.merged !== null)?.merged
  return {
    type: String(any.type),
    merged: typeof merged === 'string' ? merged : null,
    open: rows.some((row) => row.open === true),
  }
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
  return isDeepStrictEqual(actual, expected)
}

/** With an actual value Node appends the difference to the message. */
function fail(message: string, actual: unknown, expected: unknown): never {
  const operator = actual === undefined ? 'fail' : 'deepStrictEqual'
  throw new AssertionError({ message, actual, expected, operator, stackStartFn: assertEntity })
}
