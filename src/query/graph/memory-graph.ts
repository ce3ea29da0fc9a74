/**
 * Core operations on a snapshot in memory (spec 06 §9.3, `graph: "memory"`): for many questions between two builds. The
 * past, and the rows that `related` returns, are the store's.
 */
import {
  compareNeighbors,
  type EdgeName,
  type GraphBackend,
  type NeighborEdge,
  type NeighborOptions,
  type PathOptions,
  type ReachedEntity,
  type TraverseOptions,
} from '../../ports/graph.ts'
import type { ReadOptions } from '../../ports/reading.ts'
import { declaredEnds, type GraphSource, readGraph } from './memory.ts'
import { levels, type Step, type Steps, shortestPath } from './search.ts'

/** Edges at one of their ends: what they were written as, and what is at the other end. */
type Ends = Map<string, (readonly [type: string, far: string])[]>

export interface EdgeLists {
  readonly out: Ends
  readonly in: Ends
  /** Types of entities that have a row or an edge. */
  readonly types: ReadonlyMap<string, string>
}

/** All current edges as they were written, and the types of all entities. */
export async function loadEdgeLists(source: GraphSource, options: ReadOptions): Promise<EdgeLists> {
  const types = new Map<string, string>()
  const lists: EdgeLists = { out: new Map(), in: new Map(), types }
  const declared = declaredEnds(source.program)
  await readGraph(source, options, {
    node: (id, type) => void types.set(id, type),
    edge(type, from, to) {
      const ends = declared(type, types.get(from))
      if (!types.has(from)) types.set(from, ends.source)
      if (!types.has(to)) types.set(to, ends.target)
      add(lists.out, from, type, to)
      add(lists.in, to, type, from)
    },
  })
  return lists
}

function add(ends: Ends, id: string, type: string, far: string): void {
  const known = ends.get(id)
  if (known === undefined) ends.set(id, [[type, far]])
  else known.push([type, far])
}

type Core = Omit<GraphBackend, 'related'>

export class MemoryGraph implements Core {
  readonly #load: (options: ReadOptions) => Promise<EdgeLists>
  readonly #store: Core

  constructor(load: (options: ReadOptions) => Promise<EdgeLists>, store: Core) {
    this.#load = load
    this.#store = store
  }

  async neighbors(id: string, options: NeighborOptions): Promise<readonly NeighborEdge[]> {
    if (options.asOf !== null) return this.#store.neighbors(id, options)
    const lists = await this.#load(options)
    const { types, direction } = options
    const found: NeighborEdge[] = []
    const collect = (ends: Ends, written: NeighborEdge['direction'], loops: boolean): void => {
      for (const [type, far] of ends.get(id) ?? []) {
        if ((types !== null && !types.includes(type)) || (!loops && far === id)) continue
        const entityType = lists.types.get(far) ?? ''
        found.push({ entityId: far, relationshipType: type, direction: written, entityType })
      }
    }
    if (direction !== 'inbound') collect(lists.out, 'outbound', true)
    // An edge from the entity to itself is outbound unless inbound ones are asked for.
    if (direction !== 'outbound') collect(lists.in, 'inbound', direction !== null)
    return found.sort(compareNeighbors)
  }

  async traverse(id: string, names: readonly EdgeName[], options: TraverseOptions): Promise<readonly ReachedEntity[]> {
    if (options.asOf !== null) return this.#store.traverse(id, names, options)
    const lists = await this.#load(options)
    if (!lists.types.has(id)) return []
    const all = names.map(({ type }) => type)
    const forward = names.filter(({ reversed }) => !reversed).map(({ type }) => type)
    const backward = names.filter(({ reversed }) => reversed).map(({ type }) => type)
    const steps = options.directed ? stepsOf(lists, forward, backward) : stepsOf(lists, all, all)
    const found = await levels(id, options.depth, steps)
    return found.flatMap((level, depth) =>
      level.map((entityId) => ({ entityId, depth, entityType: lists.types.get(entityId) ?? '' })),
    )
  }

  async path(from: string, to: string, options: PathOptions): Promise<readonly string[]> {
    if (options.asOf !== null) return this.#store.path(from, to, options)
    const lists = await this.#load(options)
    if (from === to) return lists.types.has(from) ? [from] : []
    return shortestPath(from, to, options.maxDepth, stepsOf(lists, options.types, options.types))
  }
}

/** Along edges of the `forward` types and against those of the `backward` ones; null: of all. */
function stepsOf(lists: EdgeLists, forward: readonly string[] | null, backward: readonly string[] | null): Steps {
  return async (ids) => {
    const found: Step[] = []
    for (const [ends, types] of [
      [lists.out, forward],
      [lists.in, backward],
    ] as const) {
      for (const id of ids) {
        for (const [type, far] of ends.get(id) ?? []) if (types === null || types.includes(type)) found.push([id, far])
      }
    }
    return found
  }
}
