/** The tables of a version: columns, keys, indexes (spec 06 §1, 04 §4.10). */
import type { HistoryLayout } from '../../core/history.ts'
import { SQL_TYPES } from './columns.ts'
import { edgeTable, historyTable, literal, qualified, quote, STATE_TABLE } from './names.ts'

export type EntityLayout = HistoryLayout['entities'][number]
export type RelationshipLayout = HistoryLayout['relationships'][number]

export interface TableColumn {
  readonly name: string
  /** As `format_type` writes it. */
  readonly type: string
}

export interface VersionTable {
  /** Without schema, not quoted. */
  readonly name: string
  readonly about: string
  readonly columns: readonly (TableColumn & { readonly rest?: string })[]
  readonly key: readonly string[]
  /** What follows `on {table}` in `create index`, by the end of the index's name. */
  readonly indexes: Readonly<Record<string, string>>
  /** Column with the id of the entity a row belongs to. */
  readonly owner: string
}

/** Comments of tables and views made here begin with this; whatever has none is somebody else's. */
export const OURS = 'defacto: '

const ID = 'collate "C" not null'
const INSTANT = SQL_TYPES.datetime
const WRITTEN = [
  { name: '_generation', type: 'bigint', rest: 'not null' },
  { name: '_revision', type: 'bigint', rest: 'not null' },
  { name: '_sequence', type: 'bigint' },
]

export function tablesOf(layout: HistoryLayout): VersionTable[] {
  return [...layout.entities.map(entityTable), ...layout.relationships.map(relationshipTable), STATES]
}

export function entityTable(entity: EntityLayout): VersionTable {
  const id = `${entity.type}_id`
  return {
    name: historyTable(entity.type),
    about: `state history of ${entity.type}`,
    columns: [
      { name: id, type: 'text', rest: ID },
      { name: `${entity.type}_state`, type: 'text', rest: 'not null' },
      ...properties(entity),
      { name: 'valid_from', type: INSTANT, rest: 'not null' },
      { name: 'valid_to', type: INSTANT },
      { name: 'merged_into', type: 'text', rest: 'collate "C"' },
      { name: 'last_event_time', type: INSTANT, rest: 'not null' },
      { name: 'state_entered_time', type: INSTANT, rest: 'not null' },
      { name: 'created_time', type: INSTANT, rest: 'not null' },
      ...WRITTEN,
    ],
    key: [id, 'valid_from'],
    indexes: {
      open: `(${quote(id)}) where valid_to is null`,
      from: '(valid_from)',
      into: '(merged_into) where merged_into is not null',
    },
    owner: id,
  }
}

export function relationshipTable(relationship: RelationshipLayout): VersionTable {
  return {
    name: edgeTable(relationship.type),
    about: `edges written as ${relationship.type}`,
    columns: [
      { name: 'source_id', type: 'text', rest: ID },
      { name: 'target_id', type: 'text', rest: ID },
      ...properties(relationship),
      { name: 'valid_from', type: INSTANT, rest: 'not null' },
      { name: 'valid_to', type: INSTANT },
      ...WRITTEN,
    ],
    key: ['source_id', 'target_id', 'valid_from'],
    indexes: { target: '(target_id)' },
    owner: 'source_id',
  }
}

const STATES: VersionTable = {
  name: STATE_TABLE,
  about: 'working states of entities',
  columns: [
    { name: 'id', type: 'text', rest: ID },
    { name: 'type', type: 'text', rest: 'collate "C" not null' },
    { name: 'body', type: 'text', rest: 'not null' },
    { name: 'generation', type: 'bigint', rest: 'not null' },
    { name: 'revision', type: 'bigint', rest: 'not null' },
    { name: 'applied_upto', type: 'bigint', rest: 'not null' },
    { name: 'next_due', type: INSTANT },
    { name: 'shard_hash', type: 'bigint', rest: 'not null' },
  ],
  key: ['id'],
  indexes: { due: '(next_due, id) where next_due is not null' },
  owner: 'id',
}

function properties({ columns }: EntityLayout | RelationshipLayout): TableColumn[] {
  return columns.map(({ name, type }) => ({ name, type: SQL_TYPES[type] }))
}

/** `create table`, without key and indexes: rows that are copied in first are indexed faster. */
export function createTable(schema: string, { name, about, columns }: VersionTable): string {
  const table = qualified(schema, name)
  return `create table ${table} (${columns.map(declaration).join(', ')});
    comment on table ${table} is ${literal(OURS + about)}`
}

export function declaration({ name, type, rest = '' }: VersionTable['columns'][number]): string {
  return `${quote(name)} ${type} ${rest}`
}

/** Primary key and indexes. */
export function createKeys(schema: string, { name, key, indexes }: VersionTable): string {
  const table = qualified(schema, name)
  return [
    `alter table ${table} add primary key (${key.map(quote).join(', ')})`,
    ...Object.entries(indexes).map(([end, on]) => `create index ${quote(indexName(name, end))} on ${table} ${on}`),
  ].join(';\n')
}

/** Pattern of index names made here; nobody else's have a `~`. */
export const INDEX_NAME = '~(open|from|into|target|due)$'

/** The longest table name of all, `rel_{48 letters}_history`, leaves no room for more. */
function indexName(table: string, end: string): string {
  return `${table.replace(/~edges$/, '')}~${end}`
}
