/** Grouping and its measures (spec 06 §5.1, 09 §7). */
import { QueryError } from '../errors.ts'
import { type Column, checkUnique, findColumn } from './column.ts'
import { columnProxy } from './column-proxy.ts'
import { Expression } from './expression.ts'
import type { AggregateRelation, Relation } from './relation.ts'
import { requireBoolean, resolveGroup } from './resolve.ts'
import type { Term } from './term.ts'

/** One row per group: the keys, then the measures. Without keys: one row over everything. */
export function aggregateRelation(
  input: Relation,
  keys: readonly string[],
  having: readonly Term[],
  measures: Readonly<Record<string, unknown>>,
): AggregateRelation {
  const scope = { columns: input.columns, where: 'agg' }
  const entries = Object.entries(measures).map(([name, value]): [string, Term] => {
    const expr: unknown = typeof value === 'function' ? value(columnProxy(input.columns, 'agg')) : value
    if (expr instanceof Expression) return [name, resolveGroup(expr.draft, scope, keys)]
    throw problem('agg', `"${name}" must be an aggregate such as count() or sum('x')`)
  })
  const columns = [
    ...keys.map((name): Column => ({ name, type: findColumn(input.columns, name, 'groupBy').type })),
    ...entries.map(([name, term]): Column => ({ name, type: term.type })),
  ]
  if (columns.length === 0) throw problem('agg', 'name at least one measure')
  checkUnique(
    columns.map((column) => column.name),
    'agg',
  )
  return { kind: 'aggregate', input, keys, measures: entries.map(([, term]) => term), having, columns }
}

/** The condition of `having`, over keys and aggregates. */
export function havingTerm(input: Relation, keys: readonly string[], condition: unknown): Term {
  const expr: unknown = typeof condition === 'function' ? condition(columnProxy(input.columns, 'having')) : condition
  if (!(expr instanceof Expression)) throw problem('having', 'takes an expression over aggregates')
  const scope = { columns: input.columns, where: 'having' }
  return requireBoolean(resolveGroup(expr.draft, scope, keys), scope)
}

function problem(step: string, message: string): QueryError {
  return new QueryError(`${step}: ${message}`, { code: 'E_QUERY_STEP', details: { step } })
}
