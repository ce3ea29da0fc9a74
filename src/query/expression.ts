/**
 * Column expressions as the caller writes them (spec 06 §5.2): drafts without types. `resolve.ts` checks a draft against
 * the columns at hand and turns it into a typed `Term`.
 */
import type { PropertyType } from '../core/definition/model.ts'
import { QueryError } from '../errors.ts'
import { type FunctionName, type JSON_KINDS, signatureOf } from './functions.ts'
import type { InstantInput } from './instants.ts'

export interface DraftOrder {
  readonly key: Draft
  readonly descending: boolean
}
export interface DraftWindow {
  readonly partitionBy: readonly Draft[]
  readonly orderBy: readonly DraftOrder[]
}
export type Draft =
  | { readonly op: 'column'; readonly name: string; readonly side?: Side }
  | { readonly op: 'value'; readonly value: unknown }
  | {
      readonly op: 'call'
      readonly fn: FunctionName
      readonly args: readonly Draft[]
      /** Target of `cast`, kind of `jsonPath`. */
      readonly to?: PropertyType
      /** Order of the rows of `first`, `last`. */
      readonly order?: readonly DraftOrder[]
      readonly over?: DraftWindow
    }
  | { readonly op: 'sql'; readonly parts: readonly string[]; readonly args: readonly Draft[] }

/** Which input of a join a column belongs to. */
export type Side = 'left' | 'right'

/** What a value of type `T` can be compared with. */
export type Operand<T> = Expression | (unknown extends T ? unknown : Comparable<NonNullable<T>>)
type Comparable<T> = T extends string ? InstantInput : T extends number | bigint ? number | bigint : T
/** Without null; what is unknown stays so. */
export type Known<T> = unknown extends T ? unknown : NonNullable<T>
export type BoolExpr = Expr<boolean>
export type OrderKey = string | Expression | OrderExpr

/** A key of `orderBy` with its direction. Nulls come last in both directions. */
export class OrderExpr {
  readonly draft: DraftOrder
  constructor(draft: DraftOrder) {
    this.draft = draft
  }
}

/** Any expression, whatever its type. */
export class Expression {
  readonly draft: Draft
  constructor(draft: Draft) {
    this.draft = draft
  }

  /** `r.a > 1` and `${r.a}` would compute with the text of an object, and silently answer something else. */
  [Symbol.toPrimitive](): never {
    throw new QueryError(
      'an expression has no value before the query runs: write r.a.gt(1) for r.a > 1, r.a.add(r.b) for r.a + r.b',
      { code: 'E_QUERY_STEP' },
    )
  }
}

/** An expression over columns. Every method returns a new expression; nothing is evaluated here. */
export class Expr<T = unknown> extends Expression {
  eq(other: Operand<T>): BoolExpr {
    return call('eq', this, other)
  }
  ne(other: Operand<T>): BoolExpr {
    return call('ne', this, other)
  }
  gt(other: Operand<T>): BoolExpr {
    return call('gt', this, other)
  }
  gte(other: Operand<T>): BoolExpr {
    return call('gte', this, other)
  }
  lt(other: Operand<T>): BoolExpr {
    return call('lt', this, other)
  }
  lte(other: Operand<T>): BoolExpr {
    return call('lte', this, other)
  }
  in(list: readonly Operand<T>[]): BoolExpr {
    return call('in', this, ...requireList(list, 'in'))
  }
  notIn(list: readonly Operand<T>[]): BoolExpr {
    return call('notIn', this, ...requireList(list, 'notIn'))
  }
  /** Both ends included. */
  between(low: Operand<T>, high: Operand<T>): BoolExpr {
    return call('between', this, low, high)
  }
  isNull(): BoolExpr {
    return call('isNull', this)
  }
  notNull(): BoolExpr {
    return call('notNull', this)
  }
  /** `%` any text, `_` one character, `\` before either takes it literally; case matters on every database. */
  like(pattern: string): BoolExpr {
    return call('like', this, pattern)
  }
  /** As `like`, without regard to the case of ASCII letters. */
  ilike(pattern: string): BoolExpr {
    return call('ilike', this, pattern)
  }
  startsWith(text: Operand<string>): BoolExpr {
    return call('startsWith', this, text)
  }
  contains(text: Operand<string>): BoolExpr {
    return call('contains', this, text)
  }
  and(...others: BoolExpr[]): BoolExpr {
    return call('and', this, ...others)
  }
  or(...others: BoolExpr[]): BoolExpr {
    return call('or', this, ...others)
  }
  not(): BoolExpr {
    return call('not', this)
  }
  add(other: Operand<number>): Expr<number> {
    return call('add', this, other)
  }
  sub(other: Operand<number>): Expr<number> {
    return call('sub', this, other)
  }
  mul(other: Operand<number>): Expr<number> {
    return call('mul', this, other)
  }
  /** Always a floating division; by zero: null. */
  div(other: Operand<number>): Expr<number> {
    return call('div', this, other)
  }
  /** Remainder with the sign of the dividend; by zero: null. */
  mod(other: Operand<number>): Expr<number> {
    return call('mod', this, other)
  }
  neg(): Expr<number> {
    return call('neg', this)
  }
  abs(): Expr<number> {
    return call('abs', this)
  }
  /** Half away from zero, to 0–15 digits after the point. */
  round(digits = 0): Expr<number> {
    return call('round', this, digits)
  }
  /** ASCII letters only, on every database. */
  lower(): Expr<string> {
    return call('lower', this)
  }
  upper(): Expr<string> {
    return call('upper', this)
  }
  /** Number of characters (code points). */
  length(): Expr<number> {
    return call('length', this)
  }
  /** Null if any part is null. */
  concat(...others: Operand<string>[]): Expr<string> {
    return call('concat', this, ...others)
  }
  /** The first value that is not null. */
  coalesce(...others: Operand<T>[]): Expr<Known<T>> {
    return call('coalesce', this, ...others)
  }
  /** See `CASTS` in `functions.ts` for what can become what; text that is no number becomes null. */
  cast<K extends PropertyType>(to: K): Expr<CastResult<K>> {
    return new Expr({ op: 'call', fn: 'cast', args: [this.draft], to })
  }
  /** Parts of an instant, in UTC. */
  year(): Expr<number> {
    return call('year', this)
  }
  month(): Expr<number> {
    return call('month', this)
  }
  day(): Expr<number> {
    return call('day', this)
  }
  /** The calendar date in UTC, as text `YYYY-MM-DD`. */
  date(): Expr<string> {
    return call('date', this)
  }
  /** The beginning of the instant's year, quarter, month, week (Monday), day, hour, minute or second, in UTC. */
  dateTrunc(unit: DateUnit): Expr<string> {
    return call('dateTrunc', this, unit)
  }
  /**
   * The value at a path of a text column that holds JSON: `r.address.jsonPath('$.lines[0].street')`. Names with other
   * characters than letters, digits, `_` and `-` are quoted: `$."zip code"`. Null where the text is no JSON, the path leads
   * nowhere, or the value there is of another kind than `as`: text, a number, a whole number, true or false.
   */
  jsonPath<K extends JsonKind = 'string'>(path: string, as?: K): Expr<CastResult<K>> {
    return new Expr({ op: 'call', fn: 'jsonPath', args: [this.draft, draftOf(path)], to: as ?? 'string' })
  }
  /**
   * An aggregate or one of `rowNumber`, `rank`, `lag`, `lead` over a window of rows instead of a group. With `orderBy`
   * an aggregate covers the rows up to the current one and its equals, without it the whole partition.
   */
  over(
    window: {
      partitionBy?: string | Expression | readonly (string | Expression)[]
      orderBy?: OrderKey | readonly OrderKey[]
    } = {},
  ): Expr<T> {
    const { draft } = this
    const kind =
      draft.op === 'call' && draft.fn !== 'first' && draft.fn !== 'last' ? signatureOf(draft.fn).kind : 'scalar'
    if (draft.op !== 'call' || kind === 'scalar') {
      throw new QueryError('over() belongs to an aggregate (first and last excepted) or a window function', {
        code: 'E_QUERY_WINDOW',
      })
    }
    const partitionBy = [window.partitionBy ?? []].flat().map((part) => orderOf(part).key)
    return new Expr({ ...draft, over: { partitionBy, orderBy: [window.orderBy ?? []].flat().map(orderOf) } })
  }
  desc(): OrderExpr {
    return desc(this)
  }
  asc(): OrderExpr {
    return asc(this)
  }
}

export type JsonKind = (typeof JSON_KINDS)[number]
export type DateUnit = 'year' | 'quarter' | 'month' | 'week' | 'day' | 'hour' | 'minute' | 'second'
export type CastResult<K extends PropertyType> = K extends 'boolean'
  ? boolean
  : K extends 'number' | 'integer'
    ? number
    : string

/** Any value as a draft; expressions stay as they are. */
export function draftOf(value: unknown): Draft {
  return value instanceof Expression ? value.draft : { op: 'value', value }
}

export function call<T>(fn: FunctionName, ...args: readonly unknown[]): Expr<T> {
  return new Expr({ op: 'call', fn, args: args.map(draftOf) })
}

function requireList(list: unknown, fn: string): readonly unknown[] {
  if (Array.isArray(list)) return list
  throw new QueryError(`${fn}(…) takes an array of values`, { code: 'E_QUERY_ARGUMENT' })
}

export function orderOf(key: OrderKey): DraftOrder {
  if (key instanceof OrderExpr) return key.draft
  if (typeof key !== 'string' && !(key instanceof Expression)) {
    throw new QueryError('orderBy: a key is the name of a column or an expression, such as desc("mrr")', {
      code: 'E_QUERY_STEP',
    })
  }
  return { key: key instanceof Expression ? key.draft : { op: 'column', name: key }, descending: false }
}

// ── helpers for callers ──────────────────────────────────────────────────────────────────────────────────────────

/** The column of this name in whatever query the expression is used. */
export function col<T = unknown>(name: string): Expr<T> {
  return new Expr({ op: 'column', name })
}
/** A bound value; `lit(null)` is a null of any type. */
export function lit<T>(value: T): Expr<T> {
  return new Expr({ op: 'value', value })
}
export function asc(key: string | Expression): OrderExpr {
  return new OrderExpr({ ...orderOf(key), descending: false })
}
export function desc(key: string | Expression): OrderExpr {
  return new OrderExpr({ ...orderOf(key), descending: true })
}
export function and(...parts: BoolExpr[]): BoolExpr {
  return call('and', ...parts)
}
export function or(...parts: BoolExpr[]): BoolExpr {
  return call('or', ...parts)
}
export function not(part: BoolExpr): BoolExpr {
  return call('not', part)
}

type Measured = string | Expression
const measured = (value: Measured): Expression => (typeof value === 'string' ? col(value) : value)

/** Rows of the group; with a column: rows in which it is not null. */
export function count(value?: Measured): Expr<number> {
  return value === undefined ? call('count') : call('count', measured(value))
}
export function countDistinct(value: Measured): Expr<number> {
  return call('countDistinct', measured(value))
}
/** Null over no values, like `avg`, `min` and `max`. */
export function sum(value: Measured): Expr<number | null> {
  return call('sum', measured(value))
}
export function avg(value: Measured): Expr<number | null> {
  return call('avg', measured(value))
}
export function min<T = unknown>(value: string | Expr<T>): Expr<T | null> {
  return call('min', measured(value))
}
export function max<T = unknown>(value: string | Expr<T>): Expr<T | null> {
  return call('max', measured(value))
}
/** The value of the group's first row in the given order (default: by `valid_from`), null values included. */
export function first<T = unknown>(value: string | Expr<T>, options: { orderBy?: OrderKey } = {}): Expr<T | null> {
  return ordered('first', value, options.orderBy)
}
export function last<T = unknown>(value: string | Expr<T>, options: { orderBy?: OrderKey } = {}): Expr<T | null> {
  return ordered('last', value, options.orderBy)
}
function ordered<T>(fn: 'first' | 'last', value: string | Expr<T>, key: OrderKey = 'valid_from'): Expr<T | null> {
  return new Expr({ op: 'call', fn, args: [measured(value).draft], order: [orderOf(key)] })
}

/** Numbers the rows of the window from 1. */
export function rowNumber(): Expr<number> {
  return call('rowNumber')
}
/** As `rowNumber`, but equal rows share a number. */
export function rank(): Expr<number> {
  return call('rank')
}
/** The value `distance` rows before this one in the window; null where there is none. */
export function lag<T = unknown>(value: string | Expr<T>, distance = 1): Expr<T | null> {
  return call('lag', measured(value), distance)
}
/** The value `distance` rows after this one in the window. */
export function lead<T = unknown>(value: string | Expr<T>, distance = 1): Expr<T | null> {
  return call('lead', measured(value), distance)
}

/** `caseWhen([[condition, value], …], otherwise)`; without `otherwise`: null. */
export function caseWhen<T>(branches: readonly (readonly [BoolExpr, T | Expr<T>])[], otherwise?: T | Expr<T>): Expr<T> {
  return call('case', ...branches.flat(), otherwise ?? null)
}

/**
 * SQL of the database's own dialect: `` sql`strftime('%W', ${r.valid_from})` ``. Values are bound, expressions inserted;
 * only the template's literal text becomes SQL. The result's type is unknown: `cast` it where it matters.
 */
export function sql<T = unknown>(parts: TemplateStringsArray, ...args: readonly unknown[]): Expr<T> {
  if (!Array.isArray(parts) || !Object.hasOwn(parts, 'raw')) {
    throw new QueryError('sql is a template tag: write sql`…`, not sql(…)', { code: 'E_QUERY_ARGUMENT' })
  }
  return new Expr({ op: 'sql', parts: [...parts], args: args.map(draftOf) })
}
