/** What the benchmark needs of a kind of database: where spaces lie, and the bare work on a finished one. */

import type { Cost, ServerClock } from './result.ts'
import { clockOfServer } from './server-clock.ts'
import { openPostgres, postgresFloor } from './store-postgres.ts'
import { openSqlite, sqliteFloor } from './store-sqlite.ts'

export const STORES = ['sqlite', 'postgres'] as const
export type StoreName = (typeof STORES)[number]

/** Options of `Defacto.open` for a space. */
export interface Place {
  readonly database: string
  readonly namespace?: string
}

export interface BenchStore extends AsyncDisposable {
  readonly name: StoreName
  readonly clock: ServerClock
  place(space: string): Place
  /** Bytes of the space on the disk. */
  size(space: string): Promise<number>
  remove(space: string): Promise<void>
  /** Bare work on a finished space that nobody has open. */
  floor(space: string): Promise<Floor>
}

/** What no engine on this store can beat on this machine. */
export interface Floor extends AsyncDisposable {
  /** What the inserts are called. */
  readonly inserts: string
  /** To insert all ledger rows into a table with the same indexes, `batch` per transaction. */
  appendLedger(batch: number): Promise<Cost>
  /** To insert everything that processing wrote: identity, mappings, history, relationships, checkpoints. */
  writeOutput(batch: number): Promise<Cost>
  /** To read what a full build reads: every mapped event by entity and time. */
  scanMapped(): Promise<Cost>
  /** To read and parse every raw record. */
  scanRaw(): Promise<Cost>
  /** To read and parse the data and hints of every event. */
  scanData(): Promise<Cost>
  /** One statement's rows, all of them. */
  query(sql: string, params: readonly unknown[]): Promise<Cost>
  /** The ledger's rows by sequence, in chunks, as the driver gives them. */
  ledgerRows(columns: readonly string[]): AsyncIterable<readonly (readonly unknown[])[]>
  /** Bytes of a table that is not the entities', with its indexes. */
  tableBytes(table: string): Promise<number>
}

/** Opens the database; `scratch`: a folder for files. */
export function openStore(name: StoreName, scratch: string): Promise<BenchStore> {
  return name === 'sqlite' ? openSqlite(scratch) : openPostgres(scratch)
}

/** The bare work on a place, in a process that has not opened the store. */
export async function floorOf({ database, namespace }: Place, scratch: string): Promise<Floor> {
  return namespace === undefined ? sqliteFloor(database, scratch) : postgresFloor(database, namespace, scratch)
}

/** Processor time of the server that a place is on. */
export async function clockOf({ database, namespace }: Place): Promise<ServerClock> {
  return namespace === undefined ? () => 0 : ((await clockOfServer(database)) ?? (() => 0))
}
