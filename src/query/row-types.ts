/** Types of rows and of what query steps make of them (spec 09 §7). Types only. */
import type { Expr, Expression, Known } from './expression.ts'

export type AnyRow = Record<string, unknown>

/** The expressions of a query's columns, as callbacks get them. */
export type Cols<R> = { readonly [K in keyof R]-?: Expr<Known<R[K]>> }
export type ColumnFn<R> = (columns: Cols<R>) => Expression
export type Aggregates<R> = Record<string, Expression | ColumnFn<R>>

type ValueOf<E> = E extends Expr<infer T> ? T : E extends (...args: never[]) => Expr<infer T> ? T : unknown
export type AggRow<A> = { [K in keyof A]: ValueOf<A[K]> }
export type Computed<S> = { [K in keyof S]: ValueOf<S[K]> | null }
export type Renamed<R, M> = {
  [K in keyof R as K extends keyof M ? (M[K] extends string ? M[K] : K) : K]: R[K]
}
export type Joined<L, R> = L & Omit<R, keyof L>
/** `A` with the fields of `B` in place of its own. */
export type Replaced<A, B> = Omit<A, keyof B> & B
