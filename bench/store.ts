/** What the benchmark needs of a kind of database: where spaces lie, and the bare work on a finished one. */

import type { Cost, ServerClock } from './result.ts'
import { openPostgres } from './store-postgres.ts'
import { openSqlite } from './store-sqlite.ts'

export const STORES = ['sqlite', 'postgres'] as const
export type StoreName = (typeof STORES)[number]

export interface BenchStore extends AsyncDisposable {
  readonly name: StoreName
  readonly clock: ServerClock
  /** Options of `Defacto.open` for the space of this name. */
  place(space: string): { database: string; namespace?: string }
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
}

/** Opens the database; `scratch`: a folder for files. */
export function openStore(name: StoreName, scratch: string): Promise<BenchStore> {
  return name === 'sqlite' ? openSqlite(scratch) : openPostgres(scratch)
}
