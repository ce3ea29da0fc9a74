/** The stores query tests run on: tables of one shape in every database queries know. */
import { Client } from 'pg'
import { describe } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import type { QueryReader } from '../../src/ports/reading.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, freshNamespace } from './postgres.ts'
import { openDuckdbStore } from './query-duckdb.ts'
import { type Cells, DEFINITIONS, entityRow, openQueryStore } from './query-store.ts'

export interface AnyQueryStore {
  readonly root: QueryRoot
  readonly reader: QueryReader
  /** Inserts rows; columns that are not named are null. */
  insert(table: string, ...rows: readonly Cells[]): Promise<void>
  /** Empties all tables. */
  clear(): Promise<void>
  close(): Promise<void>
}

export interface QueryBackend {
  readonly name: 'SQLite' | 'Postgres' | 'DuckDB'
  readonly describe: typeof describe
  /** Of version `v1` unless told; on SQLite the tables of another one have its name in theirs. */
  open(definitions?: DefinitionsObject, version?: string): Promise<AnyQueryStore>
}

export const BACKENDS: readonly QueryBackend[] = [
  { name: 'SQLite', describe, open: openSqlite },
  { name: 'Postgres', describe: describePostgres as typeof describe, open: openPostgres },
  { name: 'DuckDB', describe, open: openDuckdbStore },
]

async function openSqlite(definitions: DefinitionsObject = DEFINITIONS, version = 'v1'): Promise<AnyQueryStore> {
  const { db, root, reader, insert } = openQueryStore(definitions, version === 'v1' ? '' : `__${version}`)
  return {
    root,
    reader,
    insert: async (table, ...rows) => insert(table, ...rows),
    async clear() {
      const tables = db.prepare("select name from sqlite_schema where type = 'table'").all() as { name: string }[]
      for (const { name } of tables) db.exec(`delete from "${name}"`)
    },
    close: async () => db.close(),
  }
}

async function openPostgres(definitions: DefinitionsObject = DEFINITIONS, version = 'v1'): Promise<AnyQueryStore> {
  const { url, namespace, drop } = freshNamespace()
  const layout = historyLayout(definitions)
  const store = await openPostgresStore({ url, namespace, now: () => day(20) })
  await store.transaction((tx) => store.history.ensure({ tx, epoch: 1, version, now: day(20) }, layout))
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`set timezone = 'UTC'; set search_path = "${namespace}_${version}"`)
  const found = await client.query<{ name: string }>(
    'select quote_ident(tablename) as name from pg_tables where schemaname = current_schema()',
  )
  const tables = found.rows.map(({ name }) => name)
  return {
    root: createQueryRoot(store.reader, { definitions, layout }, version),
    reader: store.reader,
    async insert(table, ...rows) {
      const isEdge = rows.some((row) => 'relationship_type' in row)
      const stored = isEdge ? rows.map((row) => ({ _generation: 1, _revision: 1, ...row })) : rows
      const name = isEdge ? table.replace(/_history$/, '~edges') : table
      await client.query(`insert into "${name}" select * from json_populate_recordset(null::"${name}", $1)`, [
        JSON.stringify(stored, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
      ])
    },
    async clear() {
      await client.query(tables.map((table) => `delete from ${table}`).join('; '))
    },
    async close() {
      await client.end()
      await store.close()
      await drop()
    },
  }
}

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'
const MAR = '2024-03-01T00:00:00+00:00'

/** Customers `a` (two rows) to `d` with every kind of value, two orders of `a`, one of them past. */
export async function insertCustomers(store: AnyQueryStore): Promise<void> {
  await store.insert(
    'customer_history',
    entityRow('customer', 'a', 'lead', { plan: 'free', mrr: 0, valid_from: JAN, valid_to: FEB, _sequence: 1 }),
    entityRow('customer', 'a', 'paying', {
      plan: 'pro',
      mrr: 100,
      seats: 5,
      active: true,
      signup: '2024-01-15T10:30:45.123456+00:00',
      valid_from: FEB,
      _sequence: 2,
    }),
    entityRow('customer', 'b', 'paying', { plan: 'Pro', mrr: 50.5, seats: 3, active: false, signup: MAR }),
    entityRow('customer', 'c', 'lead', { plan: null, mrr: null, seats: 2n ** 60n, valid_from: MAR }),
    entityRow('customer', 'd', 'lead', { plan: '100%_[x]*?', mrr: -7.5, seats: 0, active: true }),
  )
  await store.insert(
    'order_history',
    entityRow('order', 'o1', 'open', { total: 10, plan: 'pro' }),
    entityRow('order', 'o2', 'open', { total: 20, plan: 'x' }),
  )
  const edge = { relationship_type: 'placed_order', valid_from: JAN }
  await store.insert(
    'rel_placed_order_history',
    { source_id: 'a', target_id: 'o1', channel: 'web', ...edge },
    { source_id: 'a', target_id: 'o2', channel: 'shop', ...edge, valid_to: FEB },
  )
}
