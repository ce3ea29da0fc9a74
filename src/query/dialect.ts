/** What differs between the databases a query can run on (spec 06 §5.4). One object per database, chosen once. */
import type { PropertyType } from '../core/definition/model.ts'
import type { Column, ColumnType } from './column.ts'
import type { Fragment } from './fragment.ts'
import type { FunctionName } from './functions.ts'
import type { CallTerm, Scalar } from './term.ts'

/** SQL of one function call from the SQL of its arguments; `term` gives their types and plain values. */
export type FunctionSql = (args: readonly Fragment[], term: CallTerm) => Fragment

export interface Dialect {
  readonly name: string
  /** Whether HAVING of hand-written SQL may use names of the select list. */
  readonly havingTakesAliases: boolean
  readonly functions: Readonly<Record<Exclude<FunctionName, 'first' | 'last' | 'cast'>, FunctionSql>>
  quote(name: string): string
  placeholder(index: number): string
  /** A bound value in the form the driver and the column type need; of `unknown` type in hand-written SQL. */
  value(value: Scalar, type: ColumnType): Fragment
  /** `cast` for the pairs of `CASTS` (never both the same). */
  cast(arg: Fragment, from: ColumnType, to: PropertyType): Fragment
  /** The first value of a group in an order; null values count. */
  firstOf(value: Fragment, order: Fragment, type: ColumnType): Fragment
  /** One key of ORDER BY: nulls last, text by code points. */
  orderKey(key: Fragment, descending: boolean, type: ColumnType): Fragment
  limit(limit: number | null, offset: number): Fragment
  /** A SELECT of rows that come as one bound parameter, under the names and with the types of the columns. */
  unnested(rows: readonly (readonly unknown[])[], columns: readonly Column[]): Fragment
  /** Names equal under this key are the same name in hand-written SQL. */
  nameKey(name: string, quoted: boolean): string
}
