/** Takes entities out of the tables of a version (spec 05 §4.2 no. 9, 10). */
import type { HistoryLayout } from '../../core/history.ts'
import type { Connection } from './connection.ts'
import { plainVersion } from './history-tables.ts'
import { edgeTable, historyTable, quote, shadowHistoryTable, stateTable, type Target } from './names.ts'

/**
 * Rows and edges of these entities in both directions; of a full build in the making their checkpoints, too. An entity
 * whose type nobody knows any more is looked for under every one. Returns how many rows there were.
 */
export function removeEntities(
  connection: Connection,
  version: string,
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
  target: Target,
): number {
  const plain = plainVersion(connection) === version
  let removed = 0
  const remove = (table: string, column: string, of: (entity: { id: string; type: string }) => boolean): void => {
    if (!connection.hasTable(table)) return
    const statement = connection.statement(`delete from ${quote(table)} where ${quote(column)} = ?`)
    for (const entity of ids) if (of(entity)) removed += Number(statement.run(entity.id).changes)
  }
  for (const { type } of layout.entities) {
    const table = target === 'live' ? historyTable(type, version, plain) : shadowHistoryTable(type, version)
    remove(table, `${type}_id`, (entity) => entity.type === type || entity.type === '')
  }
  for (const { type } of layout.relationships) {
    const table = edgeTable(type, version, target)
    // By the primary key, then by the index over target_id, which a table in the making does not have yet.
    remove(table, 'source_id', () => true)
    remove(table, 'target_id', () => true)
  }
  if (target === 'shadow') remove(stateTable(version, 'shadow'), 'id', () => true)
  return removed
}
