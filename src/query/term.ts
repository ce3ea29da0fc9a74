/** Typed expressions of the relational tree, made from drafts by `resolve.ts`. Plain data. */
import type { PropertyType } from '../core/definition/model.ts'
import type { ColumnType } from './column.ts'
import type { Side } from './expression.ts'
import { type FunctionName, signatureOf } from './functions.ts'

/** A bound value; instants are canonical text already. */
export type Scalar = string | number | bigint | boolean | null

export interface OrderTerm {
  readonly key: Term
  readonly descending: boolean
}
export interface CallTerm {
  readonly op: 'call'
  readonly fn: FunctionName
  readonly args: readonly Term[]
  readonly type: ColumnType
  readonly to?: PropertyType
  readonly order?: readonly OrderTerm[]
  readonly over?: { readonly partitionBy: readonly Term[]; readonly orderBy: readonly OrderTerm[] }
}
export interface ColumnTerm {
  readonly op: 'column'
  readonly name: string
  readonly type: ColumnType
  readonly side?: Side
  /** While compiling: alias of the FROM item that holds the column. */
  readonly source?: string
}
export interface ValueTerm {
  readonly op: 'value'
  readonly value: Scalar
  readonly type: ColumnType
}
export interface SqlTerm {
  readonly op: 'sql'
  readonly parts: readonly string[]
  readonly args: readonly Term[]
  readonly type: ColumnType
}
export type Term = ColumnTerm | ValueTerm | CallTerm | SqlTerm

/** Every direct part of a term. */
export function partsOf(term: Term): readonly Term[] {
  if (term.op === 'column' || term.op === 'value') return []
  if (term.op === 'sql') return term.args
  const orders = [...(term.order ?? []), ...(term.over?.orderBy ?? [])].map((item) => item.key)
  return [...term.args, ...orders, ...(term.over?.partitionBy ?? [])]
}

export function someTerm(term: Term, test: (term: Term) => boolean): boolean {
  return test(term) || partsOf(term).some((part) => someTerm(part, test))
}

/** The term with every column replaced by `of(column)`. */
export function substitute(term: Term, of: (column: ColumnTerm) => Term): Term {
  if (term.op === 'column') return of(term)
  if (term.op === 'value') return term
  const args = term.args.map((arg) => substitute(arg, of))
  if (term.op === 'sql') return { ...term, args }
  const next: { -readonly [K in keyof CallTerm]: CallTerm[K] } = { ...term, args }
  const order = (item: OrderTerm): OrderTerm => ({ ...item, key: substitute(item.key, of) })
  if (term.order) next.order = term.order.map(order)
  if (term.over) {
    next.over = {
      partitionBy: term.over.partitionBy.map((part) => substitute(part, of)),
      orderBy: term.over.orderBy.map(order),
    }
  }
  return next
}

/** An aggregate over a group (not over a window). */
export function isAggregate(term: Term): boolean {
  return term.op === 'call' && term.over === undefined && signatureOf(term.fn).kind === 'aggregate'
}

export function hasAggregate(term: Term): boolean {
  return someTerm(term, isAggregate)
}

/** Windows and hand-written SQL keep their own SELECT: they must not move into WHERE, GROUP BY or another aggregate. */
export function isFixed(term: Term): boolean {
  return someTerm(term, (part) => part.op === 'sql' || (part.op === 'call' && part.over !== undefined))
}
