/** Reading histories: for queries (spec 06 §6), and of a store opened for nothing but that (spec 06 §10). */
import type { HistoryLayout } from '../core/history.ts'
import type { RowStream } from './exports.ts'

export interface ReadOptions {
  timeoutMs?: number
  signal?: AbortSignal
}
export interface StreamOptions extends ReadOptions {
  batchSize?: number
}

export interface Statement {
  readonly text: string
  readonly params: readonly unknown[]
}
/** Rows are arrays in select order, values as the driver gives them. */
export interface ReadRows {
  columns: string[]
  rows: unknown[][]
}

/**
 * What a version has for a type: the history of an entity type; the edges of a relationship name, whichever of its names
 * wrote them; or what is stored of those that were written under this name (06 §1), without `relationship_type`.
 */
export type TableKind = 'history' | 'relationship' | 'edges'

/** Read-only access for the query layer. */
export interface QueryReader {
  readonly dialect: 'sqlite' | 'postgres' | 'duckdb'
  /** Quoted SQL name of a readable relation of `version` (06 §1). */
  relation(version: string, kind: TableKind, name: string): string
  /** The view over all relationship tables. */
  relationshipsView(version: string): string
  /** Refreshes what `relation` needs to know (which version is active). */
  refresh(): Promise<void>
  all(sql: string, params: readonly unknown[], options?: ReadOptions): Promise<ReadRows>
  stream(sql: string, params: readonly unknown[], options?: StreamOptions): AsyncIterable<ReadRows>
  /**
   * Several statements over one snapshot of the store, whatever is built meanwhile. `work` gets one stream for each, to be
   * read one after the other in any order; they end with it. Builds do not wait for the reader.
   */
  together<T>(
    statements: readonly Statement[],
    work: (streams: readonly RowStream[]) => Promise<T>,
    options?: StreamOptions,
  ): Promise<T>
  /** The raw driver handle. */
  readonly handle: unknown
}

/** Opening it makes, migrates and locks nothing. */
export interface HistoryReading {
  readonly reader: QueryReader
  /** Versions whose tables are there now. */
  versions(): Promise<readonly StoredVersion[]>
  /** Releases everything; queries under way fail. */
  close(): Promise<void>
}

export interface StoredVersion {
  readonly version: string
  /** Canonical JSON; null where the store does not keep them. */
  readonly definitions: string | null
  /** What the tables were made for; left out where the store does not tell. */
  readonly layout?: HistoryLayout
}
