/**
 * A directed multigraph of entities in a few flat arrays (spec 06 §9.1): nodes are numbers in the order of their ids, so
 * that everything computed from it is the same whatever order the rows were read in. Pure.
 */
import { compareText } from '../../core/expression/code-points.ts'

/** The neighbours of node `n` are `ends[starts[n]]` up to `ends[starts[n + 1]]`: ascending, one for every edge. */
export interface Adjacency {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

export interface EntityGraph {
  /** Entity ids, ascending by code points; a node's number is its place here. */
  readonly ids: readonly string[]
  /** Entity type of each node. */
  readonly types: readonly string[]
  /** Along the edges. */
  readonly out: Adjacency
  /** Against them. */
  readonly in: Adjacency
}

/** Takes nodes and edges in any order. */
export class EntityGraphBuilder {
  readonly #numbers = new Map<string, number>()
  readonly #types: string[] = []
  readonly #sources: number[] = []
  readonly #targets: number[] = []

  typeOf(id: string): string | undefined {
    const number = this.#numbers.get(id)
    return number === undefined ? undefined : this.#types[number]
  }

  /** A node that is there already keeps its type. */
  addNode(id: string, type: string): void {
    this.#numberOf(id, type)
  }

  /** Ends that are not there yet become nodes of these types. */
  addEdge(source: string, sourceType: string, target: string, targetType: string): void {
    this.#sources.push(this.#numberOf(source, sourceType))
    this.#targets.push(this.#numberOf(target, targetType))
  }

  finish(): EntityGraph {
    const found = [...this.#numbers.keys()]
    const order = found.map((_, number) => number).sort((a, b) => compareText(found[a] as string, found[b] as string))
    const places = new Uint32Array(order.length)
    for (const [place, number] of order.entries()) places[number] = place
    const sources = Uint32Array.from(this.#sources, (number) => places[number] as number)
    const targets = Uint32Array.from(this.#targets, (number) => places[number] as number)
    return {
      ids: order.map((number) => found[number] as string),
      types: order.map((number) => this.#types[number] as string),
      out: adjacency(order.length, sources, targets),
      in: adjacency(order.length, targets, sources),
    }
  }

  #numberOf(id: string, type: string): number {
    const known = this.#numbers.get(id)
    if (known !== undefined) return known
    const number = this.#types.length
    this.#numbers.set(id, number)
    this.#types.push(type)
    return number
  }
}

/** The neighbours of a node in both directions, one for every edge; an edge from the node to itself counts twice. */
export function* touching(graph: EntityGraph, node: number): Generator<number, void, void> {
  for (const { starts, ends } of [graph.out, graph.in]) {
    for (let at = starts[node] as number; at < (starts[node + 1] as number); at++) yield ends[at] as number
  }
}

/** Two counting sorts: by the far end, then, keeping that order, by the near one. */
function adjacency(nodes: number, near: Uint32Array, far: Uint32Array): Adjacency {
  const byFar = sorted(
    nodes,
    far,
    Uint32Array.from(far, (_, edge) => edge),
  )
  const byNear = sorted(nodes, near, byFar.edges)
  return { starts: byNear.starts, ends: byNear.edges.map((edge) => far[edge] as number) }
}

/** `edges` stably by `keys`; `starts` tells where each key begins. */
function sorted(nodes: number, keys: Uint32Array, edges: Uint32Array): { starts: Uint32Array; edges: Uint32Array } {
  const starts = new Uint32Array(nodes + 1)
  for (const key of keys) (starts[key + 1] as number)++
  for (let node = 0; node < nodes; node++) starts[node + 1] = (starts[node + 1] as number) + (starts[node] as number)
  const next = starts.slice()
  const out = new Uint32Array(edges.length)
  for (const edge of edges) {
    const key = keys[edge] as number
    out[next[key] as number] = edge
    next[key] = (next[key] as number) + 1
  }
  return { starts, edges: out }
}
