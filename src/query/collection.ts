/** Several queries together (spec 06 §2, §7); exports are built on it. */
import { didYouMean } from '../core/spelling.ts'
import { NotFoundError } from '../errors.ts'
import type { ExportRecord, WriteOptions } from '../ports/exports.ts'
import { exportDatabase, exportFiles, exportStore, type StoreOptions } from './export/export.ts'
import {
  type GraphJson,
  graphJson,
  type NodeLinkGraph,
  type NodeLinkOptions,
  nodeLinkGraph,
  writeGraphJson,
  writeNodeLink,
} from './export/graph-json.ts'
import type { GraphExportOptions, GraphTables } from './export/graph-rows.ts'
import { exportNeo4j, type Neo4jExportOptions } from './export/neo4j.ts'
import { type NamedQuery, withTables } from './export/tables.ts'
import type { Relationships } from './graph/relationships.ts'
import type { AnyRow } from './row-types.ts'
import type { TableQuery } from './table-query.ts'

/** The entry points a collection is made from. */
export interface CollectionSource {
  table(type: string): TableQuery
  history(type: string): TableQuery
  /**
   * Each edge of a relationship once: as the name means it, whichever side wrote it; of one that is its own inverse, in the
   * direction it was written with. Current ones unless `history`.
   */
  once(type: string, options?: { history?: boolean }): TableQuery
  /** Edges that were written under this name, not under the inverse one; current ones unless `history`. */
  written(type: string, options?: { history?: boolean }): TableQuery
  /** What the definitions say of relationships. */
  declared(): Relationships
  /** All rows of all tables of the version, hidden columns included, edges under the name that wrote them. */
  stored(): NamedQuery[]
}

/**
 * `[name, query]` pairs: entity types under their own name, relationships as `rel_{type}`. Both names of a relationship are
 * the same edges, so only the one declared first is there; and one that is its own inverse (`knows`), which
 * `relationship('knows')` shows from either end, has each edge once here, in the direction it was written with, so that
 * whoever counts the rows of an export counts edges.
 */
export class TableCollection implements Iterable<[string, TableQuery]> {
  readonly #source: CollectionSource
  readonly #types: readonly string[]
  readonly #edges: readonly string[]
  readonly #history: boolean
  readonly #queries: ReadonlyMap<string, TableQuery>

  constructor(source: CollectionSource, types: readonly string[], edges: readonly string[], history = false) {
    this.#source = source
    this.#types = types
    this.#edges = edges
    this.#history = history
    this.#queries = new Map([
      ...types.map((type): [string, TableQuery] => [type, history ? source.history(type) : source.table(type)]),
      ...edges.map((edge): [string, TableQuery] => [`rel_${edge}`, source.once(edge, { history })]),
    ])
  }

  get size(): number {
    return this.#queries.size
  }

  has(name: string): boolean {
    return this.#queries.has(name)
  }

  /** Throws `NotFoundError` naming what the collection holds. */
  get(name: string): TableQuery {
    const query = this.#queries.get(name)
    if (query !== undefined) return query
    const names = [...this.#queries.keys()]
    throw new NotFoundError(`No '${name}' in this collection${didYouMean(name, names)}. It holds: ${names.join(', ')}`)
  }

  [Symbol.iterator](): Iterator<[string, TableQuery]> {
    return this.#queries.entries()
  }

  #named(): NamedQuery[] {
    return [...this.#queries].map(([name, query]) => ({ name, query }))
  }

  /** The same types with all their rows. */
  history(): TableCollection {
    return new TableCollection(this.#source, this.#types, this.#edges, true)
  }

  /** `{type}.parquet` and `rel_{rel}.parquet`, each edge once, in the folder, all of one snapshot of the store (spec 06 §7). */
  toParquet(folder: string, options: WriteOptions = {}): Promise<ExportRecord[]> {
    return exportFiles(this.#named(), 'parquet', folder, options)
  }

  /** `{type}.csv` and `rel_{rel}.csv` in the folder, all of one snapshot of the store. */
  toCsv(folder: string, options: WriteOptions = {}): Promise<ExportRecord[]> {
    return exportFiles(this.#named(), 'csv', folder, options)
  }

  /** Tables `{type}` and `rel_{rel}` in a DuckDB file; those it has already are replaced, all at once. */
  toDuckdb(path: string, options: WriteOptions = {}): Promise<ExportRecord> {
    return exportDatabase(this.#named(), 'duckdb', path, options)
  }

  /**
   * The whole history of the version, whatever is in this collection, in a DuckDB file that `DefactoQuery.connect` opens;
   * it takes the place of what the file has of the version, all at once (spec 06 §10). Every query and every search of the
   * graph gives the same on the file.
   */
  toStore(path: string, options: StoreOptions = {}): Promise<ExportRecord> {
    return exportStore(this.#source.stored(), path, options)
  }

  /**
   * The current rows as flat tables, without `valid_from`, `valid_to` and `merged_into`, in another database; those it has
   * already are replaced, all at once. A path or `sqlite:///path`, `duckdb:///path`, or `postgresql://…`, there in the
   * schema `defacto_snapshot` or that of the parameter `schema`.
   */
  snapshot(url: string, options: WriteOptions = {}): Promise<ExportRecord> {
    return exportDatabase(flatTables(this.#source, this.#types, this.#edges), 'snapshot', url, options)
  }

  /**
   * Entities as nodes `{id, entity_type, …}` with state and properties, relationships as edges `{source, target, type, …}`;
   * what is null is left out (spec 06 §7). Nodes are entities as they are now; after `history()` past edges are there too,
   * all with `valid_from` and `valid_to`. A property called as one of those names gets an underscore in front. With a path
   * the JSON is written there, and memory does not grow with the graph.
   */
  toGraphJson(options?: GraphExportOptions): Promise<GraphJson>
  toGraphJson(path: string, options?: GraphExportOptions): Promise<ExportRecord>
  toGraphJson(
    first: string | GraphExportOptions = {},
    options: GraphExportOptions = {},
  ): Promise<GraphJson | ExportRecord> {
    return typeof first === 'string' ? writeGraphJson(this.#graph(), first, options) : graphJson(this.#graph(), first)
  }

  /**
   * The same as a directed multigraph, edges with `relationship_type`: as node-link JSON in a file, which
   * `networkx.node_link_graph` reads, or without a path as an object of the optional package graphology.
   */
  toNetworkx(options?: NodeLinkOptions): Promise<NodeLinkGraph>
  toNetworkx(path: string, options?: NodeLinkOptions): Promise<ExportRecord>
  toNetworkx(
    first: string | NodeLinkOptions = {},
    options: NodeLinkOptions = {},
  ): Promise<NodeLinkGraph | ExportRecord> {
    return typeof first === 'string'
      ? writeNodeLink(this.#graph(), first, options)
      : nodeLinkGraph(this.#graph(), first)
  }

  /**
   * Nodes with the label of their type in title case, edges with the name they were written with in capitals, into a Neo4j
   * database (spec 06 §7.1): `bolt://user:password@host:7687`. What this space had there and has no more is removed unless
   * `prune` is false; other spaces and what is none of ours stay as they are. An export that failed is completed by the next.
   */
  toNeo4j(url: string, options: Neo4jExportOptions = {}): Promise<ExportRecord> {
    const { types, relationships, history } = this.#graph()
    return exportNeo4j({ source: this.#source, types, relationships, history }, url, options)
  }

  #graph(): GraphTables {
    return { source: this.#source, types: this.#types, relationships: this.#edges, history: this.#history }
  }

  /** `{name: rows}`, all of one snapshot of the store. */
  async toRows(options: { signal?: AbortSignal } = {}): Promise<Record<string, AnyRow[]>> {
    return withTables(this.#named(), options, async (tables) => {
      const all: [string, AnyRow[]][] = []
      for (const { name, columns, chunks } of tables) {
        const rows: AnyRow[] = []
        for await (const chunk of chunks) {
          for (const row of chunk) rows.push(Object.fromEntries(columns.map((column, i) => [column.name, row[i]])))
        }
        all.push([name, rows])
      }
      return Object.fromEntries(all)
    })
  }
}

const OF_HISTORY = ['valid_from', 'valid_to', 'merged_into']

function flatTables(source: CollectionSource, types: readonly string[], edges: readonly string[]): NamedQuery[] {
  const flat = (name: string, query: TableQuery): NamedQuery => {
    const gone = OF_HISTORY.filter((column) => query.columns?.includes(column))
    return { name, query: query.drop(...gone) }
  }
  return [
    ...types.map((type) => flat(type, source.table(type))),
    ...edges.map((edge) => flat(`rel_${edge}`, source.once(edge))),
  ]
}
