/**
 * What the statements of the run log need of a database (spec 10 §2). They are the same for every database: parameters
 * are written `$1`, `$2`, …, table names come from `table`, and what dialects say differently is asked for here.
 */
import type { Instant } from '../../core/instant.ts'
import type { Tx } from '../../ports/store.ts'

export type LogParam = string | number | boolean | null | readonly string[]
/** Columns in select order; JSON as text, flags as booleans or 0 and 1. */
export type LogRow = readonly unknown[]

export interface LogDatabase {
  /** Clause behind a select that takes the rows nobody else is taking. */
  readonly skipLocked: string
  /** Counters of the JSON expressions `a` and `b` added up by name. */
  added(a: string, b: string): string
  /** Condition: the JSON object `column` has the text of parameter `value` under the key of parameter `key`. */
  hasMember(column: string, key: string, value: string): string
  /** Condition: the column is one of the list that is bound to the parameter. */
  among(column: string, parameter: string): string
  table(name: string): string
  now(): Instant
  /** In the transaction, or on committed data without one. */
  query(tx: Tx | null, operation: string, sql: string, params?: readonly LogParam[]): Promise<readonly LogRow[]>
  /** Number of rows changed. */
  execute(tx: Tx, operation: string, sql: string, params?: readonly LogParam[]): Promise<number>
  /** Inserts rows with `suffix` (`on conflict …`) behind the values; in several statements if there are many. */
  insert(
    tx: Tx,
    operation: string,
    into: { readonly table: string; readonly columns: readonly string[]; readonly suffix?: string },
    rows: readonly (readonly LogParam[])[],
  ): Promise<void>
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** To the end of the transaction nobody else is exclusive on this key. */
  exclusive(tx: Tx, operation: string, key: string): Promise<void>
}
