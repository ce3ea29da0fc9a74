/** Views over stored edges, as Postgres says it (spec 06 §1). */
import type { HistoryLayout } from '../../core/history.ts'
import { edgeSelects } from '../sql/edge-views.ts'
import { SQL_TYPES } from './columns.ts'
import { edgeTable, qualified, quote, RELATIONSHIPS_VIEW, relationshipView } from './names.ts'
import type { TableColumn } from './version-tables.ts'

export interface View {
  readonly name: string
  readonly columns: readonly TableColumn[]
  readonly select: string
}

const TEXT = SQL_TYPES.string
const INSTANT = SQL_TYPES.datetime
const BEGIN = [
  { name: 'source_id', type: TEXT },
  { name: 'target_id', type: TEXT },
  { name: 'relationship_type', type: TEXT },
]
const END = [
  { name: 'valid_from', type: INSTANT },
  { name: 'valid_to', type: INSTANT },
]
const HIDDEN = ['_generation', '_revision', '_sequence'].map((name) => ({ name, type: SQL_TYPES.integer }))

/** The views of a version whose tables are in `schema`. */
export function viewsOf(layout: HistoryLayout, schema: string): View[] {
  const { named, all } = edgeSelects(layout, {
    table: (relationship) => qualified(schema, edgeTable(relationship)),
    column: quote,
    // `least` passes over nulls.
    earliest: (instants) => `least(${instants.join(', ')})`,
    none: (type) => `null::${SQL_TYPES[type]}`,
    nothing: `null::text collate "C" as source_id, null::text collate "C" as target_id,
      null::text as relationship_type, null::timestamptz as valid_from, null::timestamptz as valid_to`,
  })
  const views = layout.relationships.map(({ type, columns }) => ({
    name: relationshipView(type),
    columns: [...BEGIN, ...columns.map((c) => ({ name: c.name, type: SQL_TYPES[c.type] })), ...END, ...HIDDEN],
    select: named.get(type) ?? '',
  }))
  return [...views, { name: RELATIONSHIPS_VIEW, columns: [...BEGIN, ...END], select: all }]
}
