/** The tables of one version in a file of histories (spec 06 §1), and the list of versions. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { PropertyType } from '../../core/definition/model.ts'
import type { HistoryLayout } from '../../core/history.ts'
import type { ExportColumn } from '../../ports/exports.ts'
import { edgeSelects } from '../sql/edge-views.ts'
import { literal, quote } from './instance.ts'
import {
  edgeTable,
  historyTable,
  inSchema,
  RELATIONSHIPS_VIEW,
  relationshipView,
  STORE_TABLE,
  versionSchema,
} from './names.ts'
import { createTable, SQL_TYPES, type TableRef } from './tables.ts'

export interface StoreVersion {
  readonly namespace: string
  readonly version: string
  readonly layout: HistoryLayout
  /** Canonical JSON. */
  readonly definitions: string
}

/** A table of the version, under the name that exports call it by. */
export interface StoreTable {
  readonly table: TableRef
  readonly columns: readonly ExportColumn[]
}

/** By `{type}_history` and `rel_{rel}_history`. */
export function storeTables({ namespace, version, layout }: StoreVersion): ReadonlyMap<string, StoreTable> {
  const schema = versionSchema(namespace, version)
  const tables = new Map<string, StoreTable>()
  for (const { type, columns } of layout.entities) {
    tables.set(historyTable(type), {
      table: { schema, name: historyTable(type) },
      columns: [
        ...typed('string', `${type}_id`, `${type}_state`),
        ...columns,
        ...typed('datetime', 'valid_from', 'valid_to'),
        ...typed('string', 'merged_into'),
        ...typed('datetime', 'last_event_time', 'state_entered_time', 'created_time'),
        ...HIDDEN,
      ],
    })
  }
  for (const { type, columns } of layout.relationships) {
    tables.set(relationshipView(type), {
      table: { schema, name: edgeTable(type) },
      columns: [
        ...typed('string', 'source_id', 'target_id'),
        ...columns,
        ...typed('datetime', 'valid_from', 'valid_to'),
        ...HIDDEN,
      ],
    })
  }
  return tables
}

function typed(type: PropertyType, ...names: readonly string[]): ExportColumn[] {
  return names.map((name) => ({ name, type }))
}

const HIDDEN = typed('integer', '_generation', '_revision', '_sequence')

/** Empty tables in place of those that the version had. */
export async function createVersion(connection: DuckDBConnection, version: StoreVersion): Promise<void> {
  const schema = versionSchema(version.namespace, version.version)
  await connection.run(`drop schema if exists ${quote(schema)} cascade`)
  await connection.run(`create schema ${quote(schema)}`)
  for (const { table, columns } of storeTables(version).values()) await createTable(connection, table, columns)
}

/**
 * What queries see of the edges, over filled tables. The rows of a file do not change any more: where no edge was written
 * under two names of a relationship the views are plain, and where some were, what shows is worked out here, once.
 */
export async function createViews(connection: DuckDBConnection, version: StoreVersion): Promise<void> {
  const schema = versionSchema(version.namespace, version.version)
  const together = await writtenTwice(connection, version)
  const { named, all } = edgeSelects(version.layout, {
    table: (relationship) => inSchema(schema, edgeTable(relationship)),
    column: quote,
    // `least` passes over nulls.
    earliest: (instants) => `least(${instants.join(', ')})`,
    apart: (relationship) => !together.has(relationship),
    none: (type) => `null::${SQL_TYPES[type]}`,
    nothing: `null::varchar as source_id, null::varchar as target_id, null::varchar as relationship_type,
      null::timestamptz as valid_from, null::timestamptz as valid_to`,
  })
  for (const [name, select] of named) {
    const kind = together.has(name) ? 'table' : 'view'
    await connection.run(`create ${kind} ${inSchema(schema, relationshipView(name))} as ${select}`)
  }
  const kind = together.size > 0 ? 'table' : 'view'
  await connection.run(`create ${kind} ${inSchema(schema, RELATIONSHIPS_VIEW)} as ${all}`)
  await listVersion(connection, version)
}

/** Relationship names with an edge that stands under an inverse name as well. */
async function writtenTwice(
  connection: DuckDBConnection,
  { namespace, version, layout }: StoreVersion,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const tableOf = (name: string): string => inSchema(versionSchema(namespace, version), edgeTable(name))
  for (const { type, inverses } of layout.relationships) {
    const known = inverses.filter((name) => layout.relationships.some((other) => other.type === name))
    for (const inverse of known) {
      const crossed = await connection.runAndReadAll(`select 1 from ${tableOf(type)} s join ${tableOf(inverse)} o
        on o.source_id = s.target_id and o.target_id = s.source_id limit 1`)
      // Edges of two inverse names would have to be compared with each other, too.
      if (crossed.currentRowCount > 0 || known.length > 1) found.add(type)
    }
  }
  return found
}

async function listVersion(
  connection: DuckDBConnection,
  { namespace, version, definitions }: StoreVersion,
): Promise<void> {
  const table = inSchema('main', STORE_TABLE)
  await connection.run(`create table if not exists ${table} (
    namespace varchar not null, version varchar not null, definitions varchar, written_at timestamptz not null,
    primary key (namespace, version))`)
  const key = `${literal(namespace)}, ${literal(version)}`
  await connection.run(`insert or replace into ${table} values (${key}, ${literal(definitions)}, now())`)
}
