/** Types of rows and of what query steps make of them (spec 09 §7). Types only. */
import type { Expr, Expression, Known } from './expression.ts'
import type { JoinKind } from './relation.ts'

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
type Nullable<R> = { [K in keyof R]: R[K] | null }
type Suffixed<R, Other, Suffix extends string> = {
  [K in keyof R as K extends keyof Other ? `${K & string}${Suffix}` : K]: R[K]
}
/** What a shape makes of rows; of rows that nobody described: such rows. */
export type Selected<R, S> = string extends keyof R ? AnyRow : Computed<S>
/** Sides that a join may leave without a row have nulls there; names of both sides get their suffixes. */
export type Joined<L, R, H extends JoinKind = 'inner', S extends Suffixes = DefaultSuffixes> = string extends
  | keyof L
  | keyof R
  ? H extends 'semi' | 'anti'
    ? L
    : AnyRow
  : H extends 'semi' | 'anti'
    ? L
    : Flat<
        Suffixed<H extends 'right' | 'full' ? Nullable<L> : L, R, S[0]> &
          Suffixed<H extends 'left' | 'full' ? Nullable<R> : R, L, S[1]>
      >
export type Suffixes = readonly [string, string]
export type DefaultSuffixes = readonly ['', '_right']
type Flat<T> = { [K in keyof T]: T[K] }
/** `A` with the fields of `B` in place of its own. */
export type Replaced<A, B> = Omit<A, keyof B> & B
