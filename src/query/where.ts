/** The object form of `filter`: `{mrr: {gt: 100}, plan: 'pro', or: [{…}, {…}]}` (spec 06 §5.1). */
import { didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'
import { type Columns, findColumn } from './column.ts'
import { and, type BoolExpr, call, Expr, type Known, not, type Operand, or } from './expression.ts'

export interface WhereOperators<T> {
  eq?: Operand<T>
  ne?: Operand<T>
  gt?: Operand<T>
  gte?: Operand<T>
  lt?: Operand<T>
  lte?: Operand<T>
  in?: readonly Operand<T>[]
  notIn?: readonly Operand<T>[]
  between?: readonly [Operand<T>, Operand<T>]
  isNull?: boolean
  notNull?: boolean
  like?: string
  ilike?: string
  startsWith?: string
  contains?: string
}
/** A plain value means `eq`, an array `in`. All entries must hold. */
export type WhereObject<R> = {
  [K in keyof R]?: Operand<Known<R[K]>> | readonly Operand<Known<R[K]>>[] | WhereOperators<Known<R[K]>>
} & { and?: readonly WhereObject<R>[]; or?: readonly WhereObject<R>[]; not?: WhereObject<R> }

const OPERATORS = [
  'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'notIn', 'between', 'isNull', 'notNull', 'like', 'ilike', 'startsWith',
  'contains',
] as const // biome-ignore format: a table of names

/** The condition an object stands for. Keys may come from outside (JSON): they are looked up, never trusted. */
export function whereOf(where: unknown, columns: Columns): BoolExpr {
  if (!isRecord(where)) throw problem('a condition is an object of columns or a callback')
  const parts = Object.entries(where).map(([key, value]) => entry(key, value, columns))
  return parts.length === 0 ? call('and', true) : and(...parts)
}

function entry(key: string, value: unknown, columns: Columns): BoolExpr {
  // A column called `and`, `or` or `not` wins; those three are words of the language only where nothing else is meant.
  const isColumn = columns?.some((column) => column.name === key) ?? false
  if (!isColumn && (key === 'and' || key === 'or')) {
    if (!Array.isArray(value) || value.length === 0) throw problem(`"${key}" takes an array of conditions`)
    const parts = value.map((part) => whereOf(part, columns))
    return key === 'and' ? and(...parts) : or(...parts)
  }
  if (!isColumn && key === 'not') return not(whereOf(value, columns))
  const column = new Expr({ op: 'column', name: findColumn(columns, key, 'filter').name })
  if (Array.isArray(value)) return column.in(value)
  if (!isRecord(value)) return column.eq(value)
  const operators = Object.entries(value)
  if (operators.length === 0) throw problem(`no operator for column "${key}"`)
  return and(...operators.map(([operator, operand]) => apply(column, key, operator, operand)))
}

function apply(column: Expr, name: string, operator: string, operand: unknown): BoolExpr {
  if (!(OPERATORS as readonly string[]).includes(operator)) {
    const guess = didYouMean(operator, OPERATORS)
    throw problem(`no operator '${operator}' for column "${name}"${guess}; there are ${OPERATORS.join(', ')}`)
  }
  if (operand === undefined) throw problem(`the value of "${name}" ${operator} is undefined`)
  switch (operator as (typeof OPERATORS)[number]) {
    case 'in':
    case 'notIn':
      return operator === 'in' ? column.in(operand as unknown[]) : column.notIn(operand as unknown[])
    case 'between':
      if (!Array.isArray(operand) || operand.length !== 2) throw problem(`between of "${name}" takes [low, high]`)
      return column.between(operand[0], operand[1])
    case 'isNull':
    case 'notNull':
      if (typeof operand !== 'boolean') throw problem(`${operator} of "${name}" takes true or false`)
      return (operator === 'isNull') === operand ? column.isNull() : column.notNull()
    default:
      return call(operator as 'eq', column, operand)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function problem(message: string): QueryError {
  return new QueryError(`filter: ${message}`, { code: 'E_QUERY_FILTER' })
}
