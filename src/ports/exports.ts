/** Writing what queries return to files and other databases (spec 06 §7), and the list of what was written (05 §4.5). */
import type { PropertyType } from '../core/definition/model.ts'
import type { HistoryLayout } from '../core/history.ts'

export type ExportFormat = 'parquet' | 'csv' | 'duckdb' | 'networkx' | 'graph' | 'neo4j' | 'snapshot' | 'store'
/** `subject`: everything about one person, in a folder. */
export type RecordedFormat = ExportFormat | 'subject'

/** What an export wrote (spec 09 §7). */
export interface ExportRecord {
  readonly exportId: string
  /** Absolute path, or the address with secrets masked. */
  readonly path: string
  readonly format: RecordedFormat
  readonly version: string
  /** Entity types whose data is in it. */
  readonly entityTypes: readonly string[]
  /** When it was begun. */
  readonly at: string
  readonly rows: number
  /** Size of the file; null for databases. */
  readonly bytes: number | null
  /** False: written by a handle that may not write to the space, so an erasure will not know of it. */
  readonly recorded: boolean
}

export type ExportRow = Omit<ExportRecord, 'recorded' | 'rows'> & {
  /** Null: it was begun, and has not been said to be complete. */
  readonly rows: number | null
}

/** The list of exports of a space. Written before the file is, so that an erasure knows of files of killed exports too. */
export interface ExportLog {
  begin(row: Pick<ExportRow, 'exportId' | 'path' | 'format' | 'version' | 'entityTypes' | 'at'>): Promise<void>
  finish(exportId: string, written: { rows: number; bytes: number | null }): Promise<void>
  /** Nothing was left behind. */
  drop(exportId: string): Promise<void>
  /** Oldest first; one row per place: a later export to the same path replaces the row of an earlier one. */
  list(): Promise<ExportRow[]>
}

export interface ExportColumn {
  readonly name: string
  /** `unknown`: of hand-written SQL; the writer takes what the values are. */
  readonly type: PropertyType | 'unknown'
}

/** A table on its way out. Values are those of spec 06 §1: instants as canonical text, whole numbers number or bigint. */
export interface ExportTable {
  readonly name: string
  readonly columns: readonly ExportColumn[]
  readonly chunks: AsyncIterable<readonly (readonly unknown[])[]>
  /** As `RowStream.parquet`, in place of reading the chunks. */
  readonly parquet?: (path: string) => Promise<number | null>
}

/** Rows of one statement. */
export interface RowStream extends AsyncIterable<{ columns: string[]; rows: unknown[][] }> {
  /**
   * Where the store has a way of its own: writes the rows to a Parquet file, in place of reading them; returns how many
   * they were. Null: not this time, they have to be read.
   */
  readonly parquet?: ((path: string, columns: readonly ExportColumn[]) => Promise<number | null>) | undefined
}

export interface Written {
  readonly rows: number
  readonly bytes: number | null
}

export interface ExportProgress {
  /** The table being written. */
  readonly table: string
  readonly rows: number
}

/** A version whose histories are written so that queries can be connected to them (spec 06 §10). */
export interface StoredVersion {
  readonly namespace: string
  readonly version: string
  readonly layout: HistoryLayout
  /** Canonical JSON. */
  readonly definitions: string
}

/** Entities of one type on their way into a graph database: `{type}_id` and all other columns. */
export interface ExportedNodes {
  readonly type: string
  readonly table: ExportTable
}

/** Edges under the name they were written with: the ends, `relationship_type`, and the columns of the edge. */
export interface ExportedEdges {
  readonly type: string
  /** Entity types at the ends. */
  readonly sources: readonly string[]
  readonly targets: readonly string[]
  readonly table: ExportTable
}

export interface ExportedGraph {
  /** Whose nodes and edges they are. */
  readonly space: string
  readonly version: string
  /** Canonical text. */
  readonly at: string
  /** All types of the version, whatever is exported of them. */
  readonly entityTypes: readonly string[]
  readonly relationshipTypes: readonly string[]
  /** To be read one after the other, nodes first. */
  readonly nodes: readonly ExportedNodes[]
  readonly edges: readonly ExportedEdges[]
}

export interface Neo4jOptions extends WriteOptions {
  /** Wins over user and password of the address. */
  readonly auth?: readonly [user: string, password: string]
  /** Removes what the space had there and has no more; default true. */
  readonly prune?: boolean
}

export interface WriteOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ExportProgress) => void
}

/** The writers. Files appear whole or not at all: a temporary name beside the target, then a rename. */
export interface ExportWriters {
  parquet(path: string, table: ExportTable, options?: WriteOptions): Promise<Written>
  csv(path: string, table: ExportTable, options?: WriteOptions): Promise<Written>
  /** Tables are read one after the other, in order; those of the file with other names stay. */
  duckdb(path: string, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written>
  /** `{type}_history` and `rel_{rel}_history` in place of all that the DuckDB file has of the version. */
  store(path: string, version: StoredVersion, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written>
  /** As `duckdb`, into any database that histories can be read from. */
  snapshot(url: string, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written>
  /** Merges nodes and edges into a Neo4j database, those of other spaces left alone. */
  neo4j(url: string, graph: ExportedGraph, options?: Neo4jOptions): Promise<Written>
  /** Text made piece by piece, for JSON. */
  text(path: string, pieces: AsyncIterable<string>, options?: WriteOptions): Promise<Written>
}
