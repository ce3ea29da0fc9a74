/** Checks of rows and columns, and hand-written SQL (spec 10 §3.7). */
import { ConfigError } from '../../errors.ts'
import { and, col, count, not } from '../../query/expression.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { CheckDef } from '../model.ts'
import {
  assetName,
  assetOf,
  concerned,
  currentRows,
  type Evaluate,
  plural,
  read,
  SAMPLE,
  type Scope,
  single,
  type Verdict,
  verdict,
} from './scope.ts'

export const rowCount: Evaluate<'row_count'> = async (scope, check) => {
  const value = await rowsOf(scope, check.asset)
  const { min, max, maxChange } = check
  const problems: string[] = []
  if (min !== null && value < min) problems.push(`fewer than ${min}`)
  if (max !== null && value > max) problems.push(`more than ${max}`)
  const before = maxChange === null ? null : await lastValue(scope, check)
  if (maxChange !== null && before !== null && before > 0 && Math.abs(value - before) / before > maxChange) {
    problems.push(`${before} in the run before, a change by more than ${percent(maxChange)}`)
  }
  return verdict(problems.length === 0, value, `${plural(value, 'row', 'rows')}: ${problems.join('; ')}`)
}

async function rowsOf(scope: Scope, asset: string | null): Promise<number> {
  const { operations } = scope.context
  switch (assetOf(asset).kind) {
    case 'ledger':
      return (await operations.buildStatus()).totalEvents
    case 'cold':
      return (await operations.coldStatus())?.coldRows ?? 0
    case 'dead_letters': {
      const letters = await operations.log.letters.count('open')
      return letters.reduce((total, source) => total + source.letters, 0)
    }
    default:
      return single(scope, currentRows(scope, asset).query, count())
  }
}

/** What the check found in an earlier run; null: there is none. */
async function lastValue(scope: Scope, check: CheckDef): Promise<number | null> {
  const results = await scope.context.operations.log.checks.history(check.name, SAMPLE)
  const found = results.find(({ runId, asset, value }) => {
    return runId !== scope.run.runId && asset === assetName(check) && value !== null
  })
  return found?.value ?? null
}

export const notNull: Evaluate<'not_null'> = async (scope, check) => {
  const { query, id } = currentRows(scope, check.asset)
  const found = await concerned(scope, query.filter(col(check.column).isNull()), id)
  return verdict(found.count === 0, found.count, `'${check.column}' is null in ${rowsText(found.count)}`, found.ids)
}

export const unique: Evaluate<'unique'> = async (scope, check) => {
  const { query, id } = currentRows(scope, check.asset)
  const { column } = check
  const shared = query
    .filter(col(column).notNull())
    .select(id, column)
    .mutate({ same_values: count().over({ partitionBy: column }) })
    .filter(col<number>('same_values').gt(1))
  const found = await concerned(scope, shared, id)
  return verdict(found.count === 0, found.count, `'${column}' is the same in ${rowsText(found.count)}`, found.ids)
}

export const accepted: Evaluate<'accepted'> = async (scope, check) => {
  const { query, id } = currentRows(scope, check.asset)
  const column = col<string | number | boolean>(check.column)
  const odd = query.filter(and(column.notNull(), not(column.in([...check.values]))))
  const found = await concerned(scope, odd, id)
  const message = `'${check.column}' has another value than those accepted in ${rowsText(found.count)}`
  return verdict(found.count === 0, found.count, message, found.ids)
}

/** Passes without rows, or if the one value compares true. */
export const sql: Evaluate<'sql'> = async (scope, check) => {
  const query = scope.root.query(check.sql, [], { timeoutMs: scope.timeoutMs })
  return check.expect === null ? noRows(scope, query) : expected(scope, query, check.expect)
}

async function noRows(scope: Scope, query: TableQuery): Promise<Verdict> {
  const value = await single(scope, query, count())
  const ids = value === 0 ? [] : await idsIn(scope, query)
  return verdict(value === 0, value, `the query gives ${plural(value, 'row', 'rows')}`, ids)
}

/** Ids of entities in the rows: what a column of the name says and what such an entity has. */
async function idsIn(scope: Scope, query: TableQuery): Promise<string[]> {
  const types = Object.keys(scope.definitions.entities)
  const type = types.find((name) => query.columns?.includes(`${name}_id`))
  if (type === undefined) return []
  const id = `${type}_id`
  const rows = await read(scope, query.select(id).filter(col(id).notNull()).distinct().limit(SAMPLE))
  // A column may have the name and hold something else, which must not be kept.
  const found = rows.map((row) => row[id]).filter((value) => typeof value === 'string')
  const known = await read(scope, scope.root.table(type).filter(col<string>(id).in(found)).select(id).distinct())
  return known.map((row) => String(row[id])).sort()
}

type Expect = NonNullable<Extract<CheckDef, { kind: 'sql' }>['expect']>

async function expected(scope: Scope, query: TableQuery, { op, value: want }: Expect): Promise<Verdict> {
  const rows = await read(scope, query.limit(2))
  const [row, second] = rows
  const values = row === undefined ? [] : Object.values(row)
  if (second !== undefined || values.length !== 1) {
    throw new ConfigError('a check with `expect` needs SQL that gives one row with one column')
  }
  const got = values[0]
  const number = typeof got === 'bigint' || typeof got === 'number' ? Number(got) : null
  const passed = got !== null && got !== undefined && compares(number ?? String(got), op, want)
  return verdict(passed, number, `the value is not ${op} ${String(want)}`)
}

function compares(got: number | string, op: Expect['op'], want: number | string): boolean {
  const [a, b] = typeof want === 'number' ? [Number(got), want] : [String(got), want]
  switch (op) {
    case '=':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
  }
}

const rowsText = (count: number): string => plural(count, 'entity', 'entities')
const percent = (share: number): string => `${Math.round(share * 100)} %`
