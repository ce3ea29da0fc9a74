/** Analytics of the graph in memory (spec 06 §9.4). Results are queries: they may be filtered, joined and exported. */
import { didYouMean } from '../../core/spelling.ts'
import { QueryError } from '../../errors.ts'
import type { ReadOptions } from '../../ports/reading.ts'
import type { Column } from '../column.ts'
import { deferredQuery } from '../deferred.ts'
import type { QueryContext, TableQuery } from '../table-query.ts'
import type { EntityGraph } from './entity-graph.ts'
import { components, labelPropagation, louvain, numbered } from './groups.ts'
import type { GraphMemory } from './memory.ts'
import { betweenness, degree, jaccard, pagerank } from './scores.ts'

/** Entities of one component have the same number; numbers begin at 0, and mean nothing in another version. */
export interface ComponentRow {
  readonly entity_id: string
  readonly entity_type: string
  readonly component_id: number
}
/** As `ComponentRow`, by communities. */
export interface CommunityRow {
  readonly entity_id: string
  readonly entity_type: string
  readonly community_id: number
}
/** `score`: 0 or more, larger for more; what it measures is said by the algorithm. */
export interface ScoreRow {
  readonly entity_id: string
  readonly entity_type: string
  readonly score: number
}

const COMMUNITIES = ['louvain', 'label_propagation'] as const
const CENTRALITIES = ['pagerank', 'betweenness', 'degree'] as const
const SIMILARITIES = ['jaccard'] as const

export interface CommunityOptions {
  /** Default `louvain`. */
  readonly algorithm?: (typeof COMMUNITIES)[number]
  /** The same seed gives the same communities; 0 unless given. */
  readonly seed?: number
}
export interface CentralityOptions {
  /** Default `pagerank`. `betweenness` takes time that grows with nodes × edges. */
  readonly algorithm?: (typeof CENTRALITIES)[number]
}
export interface SimilarOptions {
  /** Rows at most; default 10. */
  readonly topN?: number
  /** Default, and the only one: `jaccard`. */
  readonly algorithm?: (typeof SIMILARITIES)[number]
}

/** Sums of many scores differ in their last digits by the order they are made in; equal scores must stay equal. */
const DIGITS = 12

export class GraphAnalytics {
  readonly #context: () => QueryContext
  readonly #memory: GraphMemory<EntityGraph>

  constructor(context: () => QueryContext, memory: GraphMemory<EntityGraph>) {
    this.#context = context
    this.#memory = memory
  }

  /** Which entities hang together, whatever the directions; 0 is the component of the smallest id. */
  connectedComponents(): TableQuery<ComponentRow> {
    return this.#query('component_id', 'integer', (graph) => grouped(graph, components(graph)))
  }

  /** Entities that have more to do with each other than with others; 0 is the community of the smallest id. */
  communities(options: CommunityOptions = {}): TableQuery<CommunityRow> {
    const { seed = 0 } = options
    const algorithm = chosen('communities', COMMUNITIES, options.algorithm)
    if (!Number.isSafeInteger(seed)) throw wrong('communities', 'seed must be a whole number')
    return this.#query('community_id', 'integer', async (graph) =>
      grouped(graph, algorithm === 'louvain' ? await louvain(graph, seed) : labelPropagation(graph, seed)),
    )
  }

  /** How much everything else leads to an entity, the greatest first. */
  centrality(options: CentralityOptions = {}): TableQuery<ScoreRow> {
    const algorithm = chosen('centrality', CENTRALITIES, options.algorithm)
    const scores = { pagerank, betweenness, degree }[algorithm]
    return this.#query('score', 'number', async (graph, { signal }) =>
      ranked(graph, (await scores(graph, signal)).entries()),
    )
  }

  /** Entities with the same neighbours as this one, the most similar first; none for an unknown id. */
  similar(id: string, options: SimilarOptions = {}): TableQuery<ScoreRow> {
    const { topN = 10 } = options
    chosen('similar', SIMILARITIES, options.algorithm)
    if (typeof id !== 'string') throw wrong('similar', 'the entity id must be a text')
    if (!Number.isSafeInteger(topN) || topN < 1) throw wrong('similar', 'topN must be a whole number, 1 or more')
    return this.#query('score', 'number', (graph) => {
      const node = graph.ids.indexOf(id)
      return node === -1 ? [] : ranked(graph, jaccard(graph, node)).slice(0, topN)
    })
  }

  /** Takes a new snapshot, whatever changed. */
  refresh(): Promise<void> {
    return this.#memory.refresh()
  }

  #query<R>(
    measure: string,
    type: 'integer' | 'number',
    rows: (graph: EntityGraph, options: ReadOptions) => ResultRows | Promise<ResultRows>,
  ): TableQuery<R> {
    const columns: Column[] = [
      { name: 'entity_id', type: 'string' },
      { name: 'entity_type', type: 'string' },
      { name: measure, type },
    ]
    return deferredQuery<R>(this.#context(), columns, async (options) => {
      const graph = await this.#memory.graph(options)
      options.signal?.throwIfAborted()
      return rows(graph, options)
    })
  }
}

type ResultRows = readonly (readonly [id: string, type: string, measure: number])[]

/** By group, then by id. */
function grouped(graph: EntityGraph, groups: Uint32Array): ResultRows {
  const numbers = numbered(groups)
  const nodes = Uint32Array.from(graph.ids, (_, node) => node)
  return Array.from(
    nodes.sort((a, b) => (numbers[a] as number) - (numbers[b] as number) || a - b),
    (node) => rowOf(graph, node, numbers[node] as number),
  )
}

/** Greatest first, equal ones by id. */
function ranked(graph: EntityGraph, scores: Iterable<[number, number]>): ResultRows {
  return Array.from(scores, ([node, score]) => ({ node, score: Number(score.toPrecision(DIGITS)) }))
    .sort((a, b) => b.score - a.score || a.node - b.node)
    .map(({ node, score }) => rowOf(graph, node, score))
}

function rowOf(graph: EntityGraph, node: number, measure: number): ResultRows[number] {
  return [graph.ids[node] as string, graph.types[node] as string, measure]
}

/** The algorithm asked for; the first one unless told. */
function chosen<const C extends readonly [string, ...string[]]>(call: string, choices: C, name?: string): C[number] {
  if (name === undefined) return choices[0]
  if (choices.includes(name)) return name
  throw new QueryError(
    `${call}: no algorithm '${String(name)}'${didYouMean(String(name), choices)}. Algorithms: ${choices.join(', ')}`,
    { code: 'E_QUERY_GRAPH_ALGORITHM', details: { algorithm: name, algorithms: choices } },
  )
}

function wrong(call: string, message: string): QueryError {
  return new QueryError(`${call}: ${message}`, { code: 'E_QUERY_STEP', details: { step: call } })
}
