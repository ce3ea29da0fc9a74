/** The same SQL typed into the store by hand: rows as the store's driver gives them to everybody. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import Cursor from 'pg-cursor'
import type { Place } from './store.ts'

export interface ByHand extends AsyncDisposable {
  /** How many rows came. */
  rows(sql: string, params: readonly unknown[]): Promise<number>
  /** As `rows`, a thousand at a time. */
  stream(sql: string, params: readonly unknown[]): Promise<number>
}

const BATCH = 1000

export async function byHand({ database, namespace }: Place): Promise<ByHand> {
  if (database.startsWith('duckdb:')) return duckdb(database.replace('duckdb://', ''))
  return namespace === undefined ? sqlite(database) : postgres(database)
}

function sqlite(path: string): ByHand {
  const db = new DatabaseSync(path, { readOnly: true })
  return {
    rows: async (sql, params) => db.prepare(sql).all(...(params as SQLInputValue[])).length,
    async stream(sql, params) {
      let count = 0
      for (const _ of db.prepare(sql).iterate(...(params as SQLInputValue[]))) count++
      return count
    },
    [Symbol.asyncDispose]: async () => db.close(),
  }
}

async function postgres(url: string): Promise<ByHand> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    rows: async (sql, params) => (await client.query(sql, [...params])).rows.length,
    async stream(sql, params) {
      const cursor = client.query(new Cursor(sql, [...params]))
      let count = 0
      for (let rows = await cursor.read(BATCH); rows.length > 0; rows = await cursor.read(BATCH)) count += rows.length
      await cursor.close()
      return count
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

async function duckdb(path: string): Promise<ByHand> {
  const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' })
  const connection: DuckDBConnection = await instance.connect()
  const values = (params: readonly unknown[]): string[] => params.map(String)
  return {
    rows: async (sql, params) => (await connection.runAndReadAll(sql, values(params))).getRowObjectsJS().length,
    async stream(sql, params) {
      let count = 0
      for await (const rows of (await connection.stream(sql, values(params))).yieldRowObjectJs()) count += rows.length
      return count
    },
    async [Symbol.asyncDispose]() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
