/** Views over stored edges, as SQLite says it (spec 06 §1). */
import type { HistoryLayout } from '../../core/history.ts'
import { edgeSelects } from '../sql/edge-views.ts'
import { edgeTable, quote, relationshipsView, relationshipView } from './names.ts'

/** `create view` statements of a version. */
export function viewStatements(layout: HistoryLayout, version: string, plain: boolean): string[] {
  const { named, all } = edgeSelects(layout, {
    table: (relationship) => quote(edgeTable(relationship, version)),
    column: quote,
    // '~' sorts behind every instant.
    earliest: (instants) => `nullif(min(${instants.map((at) => `coalesce(${at}, '~')`).join(', ')}), '~')`,
    none: () => 'null',
    nothing: 'null as source_id, null as target_id, null as relationship_type, null as valid_from, null as valid_to',
  })
  return [
    ...[...named].map(([name, select]) => `create view ${quote(relationshipView(name, version, plain))} as ${select}`),
    `create view ${quote(relationshipsView(version, plain))} as ${all}`,
  ]
}
