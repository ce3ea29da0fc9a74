/** Queries whose rows come from elsewhere than a table: graph searches and analytics (spec 06 §9.2). */
import type { Column } from './column.ts'
import type { DeferredRelation } from './relation.ts'
import type { AnyRow } from './row-types.ts'
import { type QueryContext, TableQuery } from './table-query.ts'

/**
 * A query over the rows that `load` gives, cells in the order of `columns` and as spec 06 §1 writes values. `load` runs at
 * every terminal call, so that the result is as fresh as that of a table. All further steps work as on any query.
 */
export function deferredQuery<R = AnyRow>(
  context: QueryContext,
  columns: readonly Column[],
  load: DeferredRelation['load'],
): TableQuery<R> {
  return new TableQuery<R>({ kind: 'deferred', columns, load }, context)
}
