/** Groups of nodes (spec 06 §9.4). Directions of edges do not matter, nor edges from a node to itself; parallel ones count each. */
import { type EntityGraph, touching } from './entity-graph.ts'
import { graphology, louvainLibrary } from './graphology.ts'

/** Whole numbers from 0 below `end`. */
type Draw = (end: number) => number

/** For every node the smallest node that it hangs together with. */
export function components({ ids, out }: EntityGraph): Uint32Array {
  const root = Uint32Array.from(ids, (_, node) => node)
  const find = (node: number): number => {
    let at = node
    while (root[at] !== at) {
      root[at] = root[root[at] as number] as number
      at = root[at] as number
    }
    return at
  }
  for (let node = 0; node < ids.length; node++) {
    for (let at = out.starts[node] as number; at < (out.starts[node + 1] as number); at++) {
      const [a, b] = [find(node), find(out.ends[at] as number)]
      root[Math.max(a, b)] = Math.min(a, b)
    }
  }
  return root.map((_, node) => find(node))
}

/** Communities of the greatest modularity that moving and merging finds (Blondel 2008). */
export async function louvain(graph: EntityGraph, seed: number): Promise<Uint32Array> {
  const [{ UndirectedGraph }, detect] = await Promise.all([graphology(), louvainLibrary()])
  const weighted = new UndirectedGraph<object, { weight: number }>()
  for (const node of graph.ids.keys()) weighted.addNode(node)
  const { starts, ends } = graph.out
  for (const node of graph.ids.keys()) {
    for (let at = starts[node] as number; at < (starts[node + 1] as number); at++) {
      const end = ends[at] as number
      if (end === node) continue
      weighted.updateEdge(node, end, ({ weight = 0 }) => ({ weight: weight + 1 }))
    }
  }
  // The library loses the last node's edges where twice the edges are just one more than a byte or two can count.
  if (weighted.size === 128 || weighted.size === 32_768) weighted.mergeEdge('a', 'b', { weight: 0 })
  const draw = drawing(seed)
  const found = detect(weighted, { getEdgeWeight: 'weight', rng: () => draw(2 ** 32) / 2 ** 32 })
  return Uint32Array.from(graph.ids, (_, node) => found[node] as number)
}

/** Everybody takes over what most of their neighbours hold, in an order drawn anew each round, until nobody would change. */
export function labelPropagation(graph: EntityGraph, seed: number): Uint32Array {
  const draw = drawing(seed)
  const labels = Uint32Array.from(graph.ids, (_, node) => node)
  const order = labels.slice()
  let changed = true
  // Ends: every change makes more edges join equal labels.
  while (changed) {
    changed = false
    shuffle(order, draw)
    for (const node of order) {
      const votes = new Map<number, number>()
      let most = 0
      for (const end of touching(graph, node)) {
        if (end === node) continue
        const label = labels[end] as number
        const count = (votes.get(label) ?? 0) + 1
        votes.set(label, count)
        most = Math.max(most, count)
      }
      if (most === 0 || votes.get(labels[node] as number) === most) continue
      const best = [...votes.keys()].filter((label) => votes.get(label) === most).sort((a, b) => a - b)
      labels[node] = best[draw(best.length)] as number
      changed = true
    }
  }
  return labels
}

/** Names of groups → 0, 1, … in the order of their smallest members. */
export function numbered(groups: Uint32Array): Uint32Array {
  const numbers = new Map<number, number>()
  return groups.map((group) => {
    const number = numbers.get(group) ?? numbers.size
    numbers.set(group, number)
    return number
  })
}

function shuffle(order: Uint32Array, draw: Draw): void {
  for (let last = order.length - 1; last > 0; last--) {
    const other = draw(last + 1)
    const kept = order[last] as number
    order[last] = order[other] as number
    order[other] = kept
  }
}

/** mulberry32: the same numbers for a seed on every machine. */
function drawing(seed: number): Draw {
  // Neighbouring seeds must not give similar numbers.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0
  return (end) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }
}
