/** Tables, indexes and views of the versions: made, swapped, renamed (spec 06 §1, 04 §4.4). */
import type { HistoryLayout } from '../../core/history.ts'
import { createDueIndex, createStateTable } from './checkpoints.ts'
import { type Column, SQL_TYPES } from './columns.ts'
import type { Connection } from './connection.ts'
import { viewStatements } from './edge-views.ts'
import {
  edgeTable,
  historyTable,
  quote,
  relationshipsView,
  relationshipView,
  shadowHistoryTable,
  shadowSuffix,
  stateTable,
} from './names.ts'
import { meta, setMeta } from './open.ts'

type EntityLayout = HistoryLayout['entities'][number]
type RelationshipLayout = HistoryLayout['relationships'][number]

const PLAIN_KEY = 'plain_version'

/** The version whose tables have the plain names. */
export function plainVersion(connection: Connection): string | null {
  return meta(connection, PLAIN_KEY) ?? null
}

/** All columns of an entity's table in order (spec 06 §1). */
export function historyColumns(entity: EntityLayout): string[] {
  return [
    `${entity.type}_id`,
    `${entity.type}_state`,
    ...entity.columns.map((column) => column.name),
    'valid_from',
    'valid_to',
    'merged_into',
    'last_event_time',
    'state_entered_time',
    'created_time',
    '_generation',
    '_revision',
    '_sequence',
  ]
}

export function edgeColumns(relationship: RelationshipLayout): string[] {
  return [
    'source_id',
    'target_id',
    ...relationship.columns.map((column) => column.name),
    'valid_from',
    'valid_to',
    '_generation',
    '_revision',
    '_sequence',
  ]
}

/** Makes what is missing, and gives the first active version the plain names. */
export function ensureTables(connection: Connection, version: string, layout: HistoryLayout): void {
  if (plainVersion(connection) === null) {
    const active = connection.get('select version from definition_versions where active = 1')?.[0]
    if (active === version) takePlainNames(connection, version)
  }
  const text = JSON.stringify(layout)
  const stored = connection.get('select layout from history_layouts where version = ?', version)?.[0]
  if (stored === text) return
  const plain = plainVersion(connection) === version
  dropViews(connection, version, plain)
  for (const entity of layout.entities) {
    const table = historyTable(entity.type, version, plain)
    createHistory(connection, table, entity)
    addColumns(connection, table, entity.columns)
    createHistoryIndexes(connection, table, entity, version)
  }
  for (const relationship of layout.relationships) {
    const table = edgeTable(relationship.type, version)
    createEdges(connection, table, relationship)
    addColumns(connection, table, relationship.columns)
    createEdgeIndexes(connection, relationship, version)
  }
  createStateTable(connection, stateTable(version))
  createDueIndex(connection, version)
  connection.run('insert or replace into history_layouts (version, layout) values (?, ?)', version, text)
  createViews(connection, version, layout, plain)
}

/** Empty shadow tables without secondary indexes. */
export function createShadow(connection: Connection, version: string, layout: HistoryLayout): void {
  dropShadow(connection, version)
  for (const entity of layout.entities) createHistory(connection, shadowHistoryTable(entity.type, version), entity)
  for (const relationship of layout.relationships) {
    createEdges(connection, edgeTable(relationship.type, version, 'shadow'), relationship)
  }
  createStateTable(connection, stateTable(version, 'shadow'))
}

export function dropShadow(connection: Connection, version: string): void {
  const suffix = shadowSuffix(version)
  const tables = connection.all(`select name from sqlite_schema where type = 'table' and name like '%~shadow'`)
  for (const [name] of tables as [string][]) {
    if (name.toLowerCase().endsWith(suffix.toLowerCase())) connection.exec(`drop table ${quote(name)}`)
  }
}

/** Puts the shadow tables in the place of the live ones, indexes included. */
export function swapTables(connection: Connection, version: string, layout: HistoryLayout): void {
  const plain = plainVersion(connection) === version
  dropViews(connection, version, plain)
  for (const entity of layout.entities) {
    const live = historyTable(entity.type, version, plain)
    const shadow = shadowHistoryTable(entity.type, version)
    carryMerged(connection, live, shadow, entity)
    replaceTable(connection, live, shadow)
    createHistoryIndexes(connection, live, entity, version)
  }
  for (const relationship of layout.relationships) {
    const live = edgeTable(relationship.type, version)
    replaceTable(connection, live, edgeTable(relationship.type, version, 'shadow'))
    createEdgeIndexes(connection, relationship, version)
  }
  replaceTable(connection, stateTable(version), stateTable(version, 'shadow'))
  createDueIndex(connection, version)
  connection.run(
    'insert or replace into history_layouts (version, layout) values (?, ?)',
    version,
    JSON.stringify(layout),
  )
  createViews(connection, version, layout, plain)
}

/** Gives `version` the plain names; the version that has them gets its own name appended. */
export function takePlainNames(connection: Connection, version: string): void {
  const previous = plainVersion(connection)
  if (previous === version) return
  const old = previous === null ? null : layoutOf(connection, previous)
  const next = layoutOf(connection, version)
  if (previous !== null && old !== null) {
    dropViews(connection, previous, true)
    renameAll(connection, previous, old, false)
  }
  dropViews(connection, version, false)
  if (next !== null) renameAll(connection, version, next, true)
  setMeta(connection, PLAIN_KEY, version)
  if (previous !== null && old !== null) createViews(connection, previous, old, false)
  if (next !== null) createViews(connection, version, next, true)
}

export function layoutOf(connection: Connection, version: string): HistoryLayout | null {
  const text = connection.get('select layout from history_layouts where version = ?', version)?.[0]
  return text === undefined ? null : (JSON.parse(text as string) as HistoryLayout)
}

function renameAll(connection: Connection, version: string, layout: HistoryLayout, plain: boolean): void {
  for (const { type } of layout.entities) {
    connection.exec(
      `alter table ${quote(historyTable(type, version, !plain))} rename to ${quote(historyTable(type, version, plain))}`,
    )
  }
}

function replaceTable(connection: Connection, live: string, shadow: string): void {
  connection.exec(`drop table if exists ${quote(live)}`)
  connection.exec(`alter table ${quote(shadow)} rename to ${quote(live)}`)
}

function createHistory(connection: Connection, table: string, entity: EntityLayout): void {
  connection.exec(`create table if not exists ${quote(table)} (
    ${quote(`${entity.type}_id`)} TEXT not null,
    ${quote(`${entity.type}_state`)} TEXT not null,
    ${entity.columns.map((column) => `${declare(column)},`).join(' ')}
    valid_from TEXT not null,
    valid_to TEXT,
    merged_into TEXT,
    last_event_time TEXT not null,
    state_entered_time TEXT not null,
    created_time TEXT not null,
    _generation INTEGER not null,
    _revision INTEGER not null,
    _sequence INTEGER,
    primary key (${quote(`${entity.type}_id`)}, valid_from)
  ) without rowid`)
}

function createEdges(connection: Connection, table: string, relationship: RelationshipLayout): void {
  connection.exec(`create table if not exists ${quote(table)} (
    source_id TEXT not null,
    target_id TEXT not null,
    ${relationship.columns.map((column) => `${declare(column)},`).join(' ')}
    valid_from TEXT not null,
    valid_to TEXT,
    _generation INTEGER not null,
    _revision INTEGER not null,
    _sequence INTEGER,
    primary key (source_id, target_id, valid_from)
  ) without rowid`)
}

function declare(column: Column): string {
  return `${quote(column.name)} ${SQL_TYPES[column.type]}`
}

function addColumns(connection: Connection, table: string, columns: readonly Column[]): void {
  const present = new Set(columnTypes(connection, table).keys())
  for (const column of columns) {
    if (present.has(column.name.toLowerCase())) continue
    connection.exec(`alter table ${quote(table)} add column ${declare(column)}`)
  }
}

/** Declared types by lower-case column name; empty if there is no such table. */
function columnTypes(connection: Connection, table: string): Map<string, string> {
  const rows = connection.all('select lower(name), type from pragma_table_info(?)', table)
  return new Map(rows as [string, string][])
}

function createHistoryIndexes(connection: Connection, table: string, entity: EntityLayout, version: string): void {
  const index = (suffix: string): string => quote(`${entity.type}_history~${version} ${suffix}`)
  const id = quote(`${entity.type}_id`)
  connection.exec(`
    create index if not exists ${index('open')} on ${quote(table)} (${id}) where valid_to is null;
    create index if not exists ${index('valid_from')} on ${quote(table)} (valid_from);
    create index if not exists ${index('merged_into')} on ${quote(table)} (merged_into) where merged_into is not null`)
}

function createEdgeIndexes(connection: Connection, relationship: RelationshipLayout, version: string): void {
  const table = edgeTable(relationship.type, version)
  connection.exec(`create index if not exists ${quote(`${table} target`)} on ${quote(table)} (target_id)`)
}

/**
 * Rows of entities that were merged away, or retired by an identity reset: they have no events any more, so a replay
 * does not make them. The merge log says where each went.
 */
function carryMerged(connection: Connection, live: string, shadow: string, entity: EntityLayout): void {
  const stored = columnTypes(connection, live)
  if (stored.size === 0) return
  const declared = new Map<string, string>(entity.columns.map((c) => [c.name, SQL_TYPES[c.type]]))
  const columns = historyColumns(entity).filter((name) => {
    const type = declared.get(name)
    return type === undefined || stored.get(name.toLowerCase()) === type
  })
  const id = quote(`${entity.type}_id`)
  const values = columns.map((name) => {
    if (name === 'merged_into') return 'coalesce(m.into_entity_id, l.merged_into)'
    if (name === 'valid_to') return 'coalesce(l.valid_to, max(m.timestamp, l.valid_from), l.valid_from)'
    return `l.${quote(name)}`
  })
  // Of several rows of one loser in the merge log the newest counts. Who was erased is gone, merged away or not.
  connection.exec(`insert into ${quote(shadow)} (${columns.map(quote).join(', ')})
    select ${values.join(', ')} from ${quote(live)} l left join merge_log m on m.from_entity_id = l.${id}
      and m.change_seq = (select max(change_seq) from merge_log where from_entity_id = l.${id})
    where (m.from_entity_id is not null or l.merged_into is not null)
      and l.${id} not in (select entity_id from identity_changes where kind = 'erase' and entity_id is not null)
      and not exists (select 1 from ${quote(shadow)} s where s.${id} = l.${id})`)
}

function createViews(connection: Connection, version: string, layout: HistoryLayout, plain: boolean): void {
  for (const statement of viewStatements(layout, version, plain)) connection.exec(statement)
}

function dropViews(connection: Connection, version: string, plain: boolean): void {
  const layout = layoutOf(connection, version)
  if (layout === null) return
  for (const { type } of layout.relationships) {
    connection.exec(`drop view if exists ${quote(relationshipView(type, version, plain))}`)
  }
  connection.exec(`drop view if exists ${quote(relationshipsView(version, plain))}`)
}
