/** What can be asked of one version: the same entry points on an open space, another version and a reader alone (spec 06 §2). */
import type { DefinitionsInput, EntityName, HistoryRow, Row } from './definition-types.ts'
import type { QueryReader } from './ports/reading.ts'
import { assertEntity } from './query/assert-entity.ts'
import type { TableCollection } from './query/collection.ts'
import type { ExportPlaces } from './query/export/access.ts'
import { Graph, type GraphSource } from './query/graph/graph.ts'
import { type CollectionOptions, createQueryRoot, type QueryProgram, type QueryRoot } from './query/root.ts'
import type { TableQuery } from './query/table-query.ts'

/** What queries of one version are made from. */
export interface QuerySource extends GraphSource {
  readonly reader: QueryReader
  readonly program: QueryProgram
  readonly version: string
  /** Left out: nothing can be exported. */
  readonly exports?: ExportPlaces
}

export abstract class Queries<D extends DefinitionsInput = DefinitionsInput> {
  readonly #graph = new Graph(() => this.source())

  /** The version that is read now; throws once the handle is closed. */
  protected abstract source(): QuerySource

  /** Current rows of the surviving entities of a type. */
  table<T extends EntityName<D>>(type: T): TableQuery<Row<D, T>> {
    return this.#root().table(type as string) as unknown as TableQuery<Row<D, T>>
  }

  /** All rows of the surviving entities of a type. */
  history<T extends EntityName<D>>(type: T): TableQuery<HistoryRow<D, T>> {
    return this.#root().history(type as string) as unknown as TableQuery<HistoryRow<D, T>>
  }

  /** Edges of one relationship type, by either of its names; current ones unless `history`. */
  relationship(...args: Parameters<QueryRoot['relationship']>): ReturnType<QueryRoot['relationship']> {
    return this.#root().relationship(...args)
  }

  /** Edges of all relationship types, without their properties; current ones unless `history`. */
  relationships(...args: Parameters<QueryRoot['relationships']>): ReturnType<QueryRoot['relationships']> {
    return this.#root().relationships(...args)
  }

  /** Queries of several types, with the relationships (spec 06 §2). */
  tables(...types: (string | readonly string[])[]): TableCollection
  tables(options: CollectionOptions): TableCollection
  tables(...args: never[]): TableCollection {
    return this.#root().tables(...args)
  }

  /** SQL checked against the definitions, run read-only; the result can be refined and exported (spec 06 §6). */
  query(...args: Parameters<QueryRoot['query']>): ReturnType<QueryRoot['query']> {
    return this.#root().query(...args)
  }

  /** Throws Node's `AssertionError` unless the entity's current row is as expected (spec 06 §8). */
  async assertEntity(entityId: string, expected: { state?: string } & Record<string, unknown>): Promise<void> {
    return assertEntity(this.#root(), entityId, expected)
  }

  /** Core operations and analytics of the graph of entities (spec 06 §9). */
  get graph(): Graph {
    // Tells at once of a handle that is closed.
    this.source()
    return this.#graph
  }

  /** Every current edge that touches the entity. */
  neighbors(...args: Parameters<Graph['neighbors']>): ReturnType<Graph['neighbors']> {
    return this.#graph.neighbors(...args)
  }

  /** Entities within some edges of one relationship type, each once at its smallest depth. */
  traverse(...args: Parameters<Graph['traverse']>): ReturnType<Graph['traverse']> {
    return this.#graph.traverse(...args)
  }

  /** Ids along a shortest path; none: empty. */
  path(...args: Parameters<Graph['path']>): ReturnType<Graph['path']> {
    return this.#graph.path(...args)
  }

  /** What the entity's edges of one relationship type lead to, with the edges' properties. */
  related(...args: Parameters<Graph['related']>): ReturnType<Graph['related']> {
    return this.#graph.related(...args)
  }

  /** Raw driver handle of the history store, read-only. */
  get connection(): unknown {
    return this.source().reader.handle
  }

  #root(): QueryRoot {
    const { reader, program, version, exports } = this.source()
    return createQueryRoot(reader, program, version, exports)
  }
}

/** Queries of a version that is named. */
export class VersionQueries extends Queries {
  readonly #source: QuerySource

  constructor(source: QuerySource) {
    super()
    this.#source = source
  }

  protected source(): QuerySource {
    return this.#source
  }
}
