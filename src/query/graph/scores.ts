/**
 * Scores of nodes (spec 06 §9.4), as NetworkX defines them. Written out here because the JavaScript library's counts go
 * wrong: PageRank for graphs of 256 or 65,536 edges, betweenness where edges are parallel or paths are many.
 */
import { setImmediate } from 'node:timers/promises'
import type { EntityGraph } from './entity-graph.ts'
import { touching } from './entity-graph.ts'

/** Chance of following an edge. */
const DAMPING = 0.85
/** Scores sum to 1; a step that moves less than this in all is the last. */
const SETTLED = 1e-13
/** With the damping above, a step moves less than that after 190. */
const STEPS = 500
/** Nodes looked at before others get their turn. */
const TURN = 1_000_000

/** One who follows edges at random, starting over now and then, is found at a node this often. Parallel edges count each. */
export async function pagerank({ ids, out }: EntityGraph, signal?: AbortSignal): Promise<Float64Array> {
  const nodes = ids.length
  const { starts, ends } = out
  const turn = turns(nodes + ends.length, signal)
  let scores = new Float64Array(nodes).fill(1 / nodes)
  for (let step = 0; step < STEPS; step++) {
    await turn()
    const next = new Float64Array(nodes)
    // Those that lead nowhere give to all alike.
    let stuck = 0
    for (let node = 0; node < nodes; node++) {
      const [from, to] = [starts[node] as number, starts[node + 1] as number]
      const score = scores[node] as number
      if (from === to) stuck += score
      const share = (DAMPING * score) / (to - from)
      for (let at = from; at < to; at++) {
        const end = ends[at] as number
        next[end] = (next[end] as number) + share
      }
    }
    const everywhere = (1 - DAMPING + DAMPING * stuck) / nodes
    let moved = 0
    for (let node = 0; node < nodes; node++) {
      next[node] = (next[node] as number) + everywhere
      moved += Math.abs((next[node] as number) - (scores[node] as number))
    }
    scores = next
    if (moved < SETTLED) break
  }
  return scores
}

/**
 * Which part of the shortest directed paths between other nodes lead through a node, as a part of all pairs of others
 * (Brandes 2001). Parallel edges are one way. Time grows with nodes × edges.
 */
export async function betweenness({ ids, out }: EntityGraph, signal?: AbortSignal): Promise<Float64Array> {
  const nodes = ids.length
  const { starts, ends } = out
  const turn = turns(nodes + ends.length, signal)
  const scores = new Float64Array(nodes)
  const distance = new Int32Array(nodes)
  const paths = new Float64Array(nodes)
  const share = new Float64Array(nodes)
  const seen = new Uint32Array(nodes)
  for (let source = 0; source < nodes; source++) {
    await turn()
    distance.fill(-1)
    distance[source] = 0
    paths[source] = 1
    seen[0] = source
    let count = 1
    for (let next = 0; next < count; next++) {
      const node = seen[next] as number
      for (let at = starts[node] as number; at < (starts[node + 1] as number); at++) {
        const end = ends[at] as number
        if (at > (starts[node] as number) && ends[at - 1] === end) continue
        if (distance[end] === -1) {
          distance[end] = (distance[node] as number) + 1
          paths[end] = 0
          seen[count++] = end
        }
        if (distance[end] === (distance[node] as number) + 1) {
          paths[end] = (paths[end] as number) + (paths[node] as number)
        }
      }
    }
    // Farthest first, a node knows what goes on through it before those on the way to it ask.
    for (let last = count - 1; last >= 0; last--) {
      const node = seen[last] as number
      let sum = 0
      for (let at = starts[node] as number; at < (starts[node + 1] as number); at++) {
        const end = ends[at] as number
        if (at > (starts[node] as number) && ends[at - 1] === end) continue
        if (distance[end] === (distance[node] as number) + 1) {
          sum += ((paths[node] as number) / (paths[end] as number)) * (1 + (share[end] as number))
        }
      }
      share[node] = sum
      if (node !== source) scores[node] = (scores[node] as number) + sum
    }
  }
  const pairs = (nodes - 1) * (nodes - 2)
  return nodes <= 2 ? scores : scores.map((score) => score / pairs)
}

/** Edges that touch a node, for each other node there is; above 1 where edges are parallel. 1 for a node that is alone. */
export function degree({ ids, out, in: inbound }: EntityGraph): Float64Array {
  const others = ids.length - 1
  if (others === 0) return new Float64Array([1])
  const edges = (node: number): number =>
    [out, inbound].reduce((sum, { starts }) => sum + (starts[node + 1] as number) - (starts[node] as number), 0)
  return Float64Array.from(ids, (_, node) => edges(node) / others)
}

/** Nodes that share a neighbour with `node`, and how large a part of all neighbours of both they share (Jaccard). */
export function jaccard(graph: EntityGraph, node: number): Map<number, number> {
  const shared = new Map<number, number>()
  const own = new Set(touching(graph, node))
  for (const neighbour of own) {
    for (const other of new Set(touching(graph, neighbour))) {
      if (other !== node) shared.set(other, (shared.get(other) ?? 0) + 1)
    }
  }
  for (const [other, common] of shared) {
    shared.set(other, common / (own.size + new Set(touching(graph, other)).size - common))
  }
  return shared
}

/** Call it before work of `size`; it lets others have a turn when enough was done, and ends work that nobody waits for. */
function turns(size: number, signal: AbortSignal | undefined): () => Promise<void> {
  let done = 0
  return async () => {
    done += size
    if (done < TURN) return
    done = 0
    await setImmediate()
    signal?.throwIfAborted()
  }
}
