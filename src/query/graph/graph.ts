/**
 * The graph of a version (spec 06 §9). Core operations are answered by the store as it is now, or by the backend that was
 * chosen for it; analytics by a snapshot in memory, which changes nothing about where the core operations read.
 */
import { didYouMean } from '../../core/spelling.ts'
import { QueryError } from '../../errors.ts'
import type { GraphBackend, GraphReadOptions } from '../../ports/graph.ts'
import type { ReadOptions } from '../../ports/reading.ts'
import type { Column } from '../column.ts'
import { deferredQuery } from '../deferred.ts'
import type { ExportPlaces } from '../export/access.ts'
import { type InstantInput, requireInstant } from '../instants.ts'
import { createQueryRoot, type QueryRoot } from '../root.ts'
import type { QueryContext, TableQuery } from '../table-query.ts'
import { GraphAnalytics } from './analytics.ts'
import { GraphMemory, loadGraph, type GraphSource as MemorySource } from './memory.ts'
import { type EdgeLists, loadEdgeLists, MemoryGraph } from './memory-graph.ts'
import { relatedColumns, relatedQuery } from './related.ts'
import { Relationships } from './relationships.ts'
import { StoreGraph } from './store-graph.ts'

export interface GraphSource extends MemorySource {
  /** What answers the core operations; the store unless given. `memory`: a snapshot, renewed when a build has moved on. */
  readonly graph?: GraphBackend | 'memory'
  /** Left out: nothing can be exported. */
  readonly exports?: ExportPlaces
}

/** One edge: `entity_id` is at its other end, type and direction are those it was written with. */
export interface NeighborRow {
  readonly entity_id: string
  readonly relationship_type: string
  readonly direction: 'outbound' | 'inbound'
  readonly entity_type: string
}
export interface TraverseRow {
  readonly entity_id: string
  /** Edges from the start; 0 is the start itself. */
  readonly depth: number
  readonly entity_type: string
}
export interface RelatedOptions {
  /** The graph as it was at this instant; as it is unless given. */
  readonly asOf?: InstantInput
}
export interface NeighborsOptions extends RelatedOptions {
  /** Either name of a relationship. */
  readonly relationshipType?: string
  /** As the edge was written; both unless given. */
  readonly direction?: 'outbound' | 'inbound'
}
export interface TraverseGraphOptions extends RelatedOptions {
  /** Default 1. */
  readonly depth?: number
  /** False: edges are followed both ways. Default true. */
  readonly directed?: boolean
}
export interface PathGraphOptions extends RelatedOptions {
  /** Most edges; default 20. */
  readonly maxDepth?: number
  /** Either name of each relationship; default any. */
  readonly relationshipTypes?: readonly string[]
}

const text = (name: string): Column => ({ name, type: 'string' })
const NEIGHBOR = ['entity_id', 'relationship_type', 'direction', 'entity_type'].map(text)
const REACHED: readonly Column[] = [text('entity_id'), { name: 'depth', type: 'integer' }, text('entity_type')]
const DIRECTIONS = ['outbound', 'inbound']

/** What the operations of one call need. */
interface View {
  readonly root: QueryRoot
  readonly context: QueryContext
  readonly relationships: Relationships
  /** The store's own operations, and another backend if one was chosen. */
  readonly core: Omit<GraphBackend, 'related'>
  readonly other: GraphBackend | undefined
}

export class Graph {
  readonly #source: () => GraphSource
  readonly #analytics: GraphAnalytics
  readonly #edges: GraphMemory<EdgeLists>

  /** `source` is asked at every call, so that a closed handle is told of and another active version is followed. */
  constructor(source: () => GraphSource) {
    this.#source = source
    this.#analytics = new GraphAnalytics(() => this.#view().context, new GraphMemory(source, loadGraph))
    this.#edges = new GraphMemory(source, loadEdgeLists)
  }

  /**
   * Every current edge that touches the entity, once, with the name and direction it was written with; one from the entity
   * to itself is outbound unless inbound ones are asked for.
   */
  neighbors(id: string, options: NeighborsOptions = {}): TableQuery<NeighborRow> {
    const { context, core, ...view } = this.#view()
    const { relationshipType, direction, asOf } = options
    checkId(id, 'neighbors')
    if (direction !== undefined && !DIRECTIONS.includes(direction)) {
      const guess = didYouMean(String(direction), DIRECTIONS)
      throw wrong('neighbors', `no direction '${String(direction)}'${guess}; it is outbound or inbound`)
    }
    const types = relationshipType === undefined ? null : writtenAs(view, [relationshipType])
    const at = instantOf(asOf, 'neighbors')
    return deferredQuery<NeighborRow>(context, NEIGHBOR, async (read) => {
      const edges = await core.neighbors(id, { types, direction: direction ?? null, ...at, ...only(read) })
      return edges.map((edge) => [edge.entityId, edge.relationshipType, edge.direction, edge.entityType])
    })
  }

  /** Entities within `depth` edges, the start included, each once at its smallest depth. */
  traverse(id: string, relationshipType: string, options: TraverseGraphOptions = {}): TableQuery<TraverseRow> {
    const { context, core, ...view } = this.#view()
    const { depth = 1, directed = true, asOf } = options
    checkId(id, 'traverse')
    checkCount(depth, 'traverse', 'depth')
    const names = namesOf(view, relationshipType)
    const at = instantOf(asOf, 'traverse')
    return deferredQuery<TraverseRow>(context, REACHED, async (read) => {
      const reached = await core.traverse(id, names, { depth, directed, ...at, ...only(read) })
      return reached.map((one) => [one.entityId, one.depth, one.entityType])
    })
  }

  /** Ids along a shortest path over edges of any direction, both ends included; none: empty. */
  async path(a: string, b: string, options: PathGraphOptions = {}): Promise<string[]> {
    const { core, ...view } = this.#view()
    const { maxDepth = 20, relationshipTypes, asOf } = options
    checkId(a, 'path')
    checkId(b, 'path')
    checkCount(maxDepth, 'path', 'maxDepth')
    const types = relationshipTypes === undefined ? null : writtenAs(view, relationshipTypes)
    const at = instantOf(asOf, 'path')
    return [...(await core.path(a, b, { types, maxDepth, ...at }))]
  }

  /** Rows of what the entity's edges lead to, with the name and the properties (`rel_{name}`) of the edge. */
  related(id: string, relationshipType: string, options: RelatedOptions = {}): TableQuery {
    const { root, context, other, relationships } = this.#view()
    checkId(id, 'related')
    const names = namesOf({ root, relationships }, relationshipType)
    const at = instantOf(options.asOf, 'related')
    const targetTypes = relationships.endsOf(relationshipType).targets
    if (other === undefined) return relatedQuery(root, id, relationshipType, targetTypes, at)
    const { targets, edge, all } = relatedColumns(root, relationshipType, targetTypes)
    const [targetColumns, edgeProperties] = [targets, edge].map((columns) => columns.map(({ name }) => name))
    const shape = { targetTypes, targetColumns: targetColumns ?? [], edgeProperties: edgeProperties ?? [] }
    return deferredQuery(context, all, async (read) => {
      const rows = await other.related(id, names, shape, { ...at, ...only(read) })
      return rows.map((row) => [...row.slice(0, targets.length), relationshipType, ...row.slice(targets.length)])
    })
  }

  /** A query in the language of the graph database the graph is kept in. */
  async query(cypher: string, params: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>[]> {
    const { other } = this.#view()
    if (other?.query !== undefined) return other.query(cypher, params)
    throw new QueryError('query: only a graph in Neo4j takes Cypher; open with graph: "bolt://user:pass@host:7687"', {
      code: 'E_QUERY_GRAPH',
    })
  }

  // ── analytics (spec 06 §9.4) ─────────────────────────────────────────────────────────────────────────────────

  connectedComponents(): ReturnType<GraphAnalytics['connectedComponents']> {
    return this.#analytics.connectedComponents()
  }

  communities(...args: Parameters<GraphAnalytics['communities']>): ReturnType<GraphAnalytics['communities']> {
    return this.#analytics.communities(...args)
  }

  centrality(...args: Parameters<GraphAnalytics['centrality']>): ReturnType<GraphAnalytics['centrality']> {
    return this.#analytics.centrality(...args)
  }

  similar(...args: Parameters<GraphAnalytics['similar']>): ReturnType<GraphAnalytics['similar']> {
    return this.#analytics.similar(...args)
  }

  /** Renews the snapshots in memory; builds do so by themselves. */
  async refresh(): Promise<void> {
    if (this.#source().graph === 'memory') await this.#edges.refresh()
    await this.#analytics.refresh()
  }

  #view(): View {
    const { reader, program, version, exports, graph } = this.#source()
    const root = createQueryRoot(reader, program, version, exports)
    const { context } = root.relationships()
    const relationships = new Relationships(program)
    if (graph !== undefined && graph !== 'memory') return { root, context, relationships, core: graph, other: graph }
    const store = new StoreGraph(root, program)
    const core = graph === undefined ? store : new MemoryGraph((options) => this.#edges.graph(options), store)
    return { root, context, relationships, core, other: undefined }
  }
}

function namesOf({ root, relationships }: Pick<View, 'root' | 'relationships'>, type: string) {
  // Tells of a type that nobody declares.
  root.relationship(type)
  return relationships.namesOf(type)
}

function writtenAs({ root, relationships }: Pick<View, 'root' | 'relationships'>, types: readonly string[]) {
  for (const type of types) root.relationship(type)
  return relationships.writtenAs(types)
}

function only({ timeoutMs, signal }: ReadOptions): ReadOptions {
  return { ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) }
}

function instantOf(at: InstantInput | undefined, step: string): Pick<GraphReadOptions, 'asOf'> {
  return { asOf: at === undefined ? null : requireInstant(at, step) }
}

function checkId(id: unknown, step: string): void {
  if (typeof id !== 'string') throw wrong(step, 'the entity id must be a text')
}

function checkCount(count: unknown, step: string, name: string): void {
  if (!Number.isSafeInteger(count) || (count as number) < 0)
    throw wrong(step, `${name} must be a whole number, 0 or more`)
}

function wrong(step: string, message: string): QueryError {
  return new QueryError(`${step}: ${message}`, { code: 'E_QUERY_STEP', details: { step } })
}
