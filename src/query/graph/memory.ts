/** The graph in memory: one snapshot of a version, kept until its history changes (spec 06 §9.4). */
import type { QueryReader, ReadOptions, ReadRows } from '../../ports/reading.ts'
import { createQueryRoot, type QueryProgram } from '../root.ts'
import type { TableQuery } from '../table-query.ts'
import { type EntityGraph, EntityGraphBuilder } from './entity-graph.ts'

const BATCH = 10_000

export interface GraphSource {
  readonly reader: QueryReader
  readonly program: QueryProgram
  readonly version: string
  /**
   * Another value once the version's history may be another: of builds, ticks and merges. Where there is none, every call
   * reads the graph anew: finding out what changed would read as much.
   */
  cursor?(): Promise<string>
}

interface Snapshot<G> {
  readonly source: Pick<GraphSource, 'program' | 'version'>
  readonly cursor: string | undefined
  readonly graph: Promise<G>
}

export class GraphMemory<G> {
  readonly #source: () => GraphSource
  readonly #load: (source: GraphSource, options: ReadOptions) => Promise<G>
  #snapshot: Snapshot<G> | null = null

  /** `source` is asked at every call, so that a closed handle is told of and another active version is followed. */
  constructor(source: () => GraphSource, load: (source: GraphSource, options: ReadOptions) => Promise<G>) {
    this.#source = source
    this.#load = load
  }

  /** The snapshot at hand if nothing was built since, else a new one. Several who ask at once get the same one. */
  async graph(options: ReadOptions = {}): Promise<G> {
    return untilAborted(this.#current(options), options.signal)
  }

  async #current(options: ReadOptions): Promise<G> {
    const source = this.#source()
    // Asked before the rows are read: what is built meanwhile is in the snapshot or moves the cursor.
    const cursor = await source.cursor?.()
    const kept = this.#snapshot
    const { program, version } = kept?.source ?? {}
    if (
      kept &&
      cursor !== undefined &&
      cursor === kept.cursor &&
      program === source.program &&
      version === source.version
    ) {
      return kept.graph
    }
    return this.#take(source, cursor, options)
  }

  /** Takes a new snapshot, whatever changed. */
  async refresh(options: ReadOptions = {}): Promise<void> {
    const source = this.#source()
    await this.#take(source, await source.cursor?.(), options)
  }

  #take(source: GraphSource, cursor: string | undefined, { timeoutMs }: ReadOptions): Promise<G> {
    // Nobody's signal: others may be waiting for the same snapshot.
    const graph = this.#load(source, timeoutMs === undefined ? {} : { timeoutMs })
    if (cursor === undefined) return graph
    const taken: Snapshot<G> = { source, cursor, graph }
    this.#snapshot = taken
    graph.catch(() => {
      if (this.#snapshot === taken) this.#snapshot = null
    })
    return graph
  }
}

/** Work that others may be waiting for goes on; only this caller does not wait any more. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * Current rows of all entity types are nodes, current rows of all relationships edges. An end without a current row is a
 * node too, with the type its relationship declares: so say the core operations, which read edges alone (spec 06 §9.2).
 */
export async function loadGraph(source: GraphSource, options: ReadOptions): Promise<EntityGraph> {
  const builder = new EntityGraphBuilder()
  const declared = declaredEnds(source.program)
  await readGraph(source, options, {
    node: (id, type) => builder.addNode(id, type),
    edge(relationship, from, to) {
      const ends = declared(relationship, builder.typeOf(from))
      builder.addEdge(from, ends.source, to, ends.target)
    },
  })
  return builder.finish()
}

export interface GraphVisitor {
  node(id: string, type: string): void
  /** As it was written; all nodes come before. */
  edge(relationship: string, source: string, target: string): void
}

/** Current entities and edges, all of one snapshot of the store. */
export async function readGraph(
  { reader, program, version }: GraphSource,
  options: ReadOptions,
  visitor: GraphVisitor,
): Promise<void> {
  await reader.refresh()
  const root = createQueryRoot(reader, program, version)
  const types = program.layout.entities.map(({ type }) => type)
  const nodes = types.map((type) => (root.table(type) as TableQuery).select(`${type}_id`).sql())
  const hasEdges = program.layout.relationships.length > 0
  const edges = hasEdges ? [root.relationships().select('relationship_type', 'source_id', 'target_id').sql()] : []
  const visit = async (streams: readonly AsyncIterable<ReadRows>[]): Promise<void> => {
    for (const [i, type] of types.entries()) {
      for await (const { rows } of streams[i] ?? []) for (const [id] of rows) visitor.node(id as string, type)
    }
    for await (const { rows } of streams[types.length] ?? []) {
      for (const edge of rows as [string, string, string][]) visitor.edge(...edge)
    }
  }
  return reader.together([...nodes, ...edges], visit, { ...options, batchSize: BATCH })
}

/** The types that a relationship joins; of several entity types that declare it, those of the source where it is known. */
export function declaredEnds(
  program: QueryProgram,
): (type: string, source?: string) => { source: string; target: string } {
  const first = new Map<string, { source: string; target: string }>()
  const known = new Map<string, { source: string; target: string }>()
  for (const [source, entity] of Object.entries(program.definitions.entities)) {
    for (const { type, target } of entity.relationships ?? []) {
      known.set(JSON.stringify([type, source]), { source, target })
      if (!first.has(type)) first.set(type, { source, target })
    }
  }
  return (type, source) =>
    known.get(JSON.stringify([type, source])) ?? first.get(type) ?? { source: source ?? '', target: '' }
}
