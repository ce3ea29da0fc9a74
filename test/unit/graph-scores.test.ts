import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EntityGraph, EntityGraphBuilder } from '../../src/query/graph/entity-graph.ts'
import { components, labelPropagation, louvain, numbered } from '../../src/query/graph/groups.ts'
import { betweenness, degree, jaccard, pagerank } from '../../src/query/graph/scores.ts'
import '../support/seed.ts'

type Edge = readonly [string, string]

function graphOf(ids: readonly string[], edges: readonly Edge[]): EntityGraph {
  const builder = new EntityGraphBuilder()
  for (const id of ids) builder.addNode(id, 'thing')
  for (const [source, target] of edges) builder.addEdge(source, 'thing', target, 'thing')
  return builder.finish()
}

/** Graphs with parallel edges, edges from a node to itself and lone nodes. */
const graphs = fc
  .uniqueArray(fc.string({ unit: 'binary', maxLength: 3 }), { minLength: 1, maxLength: 14 })
  .chain((ids) =>
    fc.record({
      ids: fc.constant(ids),
      edges: fc.array(fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids)), { maxLength: 40 }),
    }),
  )

function byId<T>({ ids }: EntityGraph, values: ArrayLike<T>): Record<string, T> {
  return Object.fromEntries(ids.map((id, i) => [id, values[i] as T]))
}

/** Ring of `count` nodes. */
function ring(count: number): EntityGraph {
  const name = (i: number): string => String(i % count).padStart(6, '0')
  return graphOf(
    [],
    Array.from({ length: count }, (_, i) => [name(i), name(i + 1)] as const),
  )
}

/** The shortest paths between two nodes, by trying them all. */
function shortestPaths(edges: readonly Edge[], from: string, to: string): string[][] {
  const next = new Map<string, Set<string>>()
  for (const [a, b] of edges) next.set(a, (next.get(a) ?? new Set()).add(b))
  let paths = [[from]]
  while (paths.length > 0) {
    const arrived = paths.filter((path) => path.at(-1) === to)
    if (arrived.length > 0) return arrived
    paths = paths.flatMap((path) =>
      [...(next.get(path.at(-1) as string) ?? [])].filter((id) => !path.includes(id)).map((id) => [...path, id]),
    )
  }
  return []
}

describe('a graph', () => {
  it('is the same whatever order it is told in', () => {
    fc.assert(
      fc.property(graphs, ({ ids, edges }) => {
        expect(graphOf([...ids].reverse(), [...edges].reverse())).toEqual(graphOf(ids, edges))
      }),
    )
  })

  it('keeps the type a node came with, and gives the others the type they are met with', () => {
    const builder = new EntityGraphBuilder()
    builder.addNode('a', 'customer')
    builder.addEdge('a', 'other', 'b', 'order')
    expect(builder.finish()).toMatchObject({ ids: ['a', 'b'], types: ['customer', 'order'] })
  })
})

describe('components', () => {
  it('hold what paths join, whatever their direction', () => {
    fc.assert(
      fc.property(graphs, ({ ids, edges }) => {
        const graph = graphOf(ids, edges)
        const found = byId(graph, components(graph))
        const joined = edges.flatMap(([a, b]): Edge[] => [
          [a, b],
          [b, a],
        ])
        for (const a of ids) {
          for (const b of ids) expect(found[a] === found[b]).toBe(shortestPaths(joined, a, b).length > 0)
        }
      }),
    )
  })

  it('are numbered by their smallest members', () => {
    const graph = graphOf(
      ['z', 'y'],
      [
        ['x', 'b'],
        ['c', 'a'],
      ],
    )
    expect(byId(graph, numbered(components(graph)))).toEqual({ a: 0, c: 0, b: 1, x: 1, y: 2, z: 3 })
  })

  it('of a long chain need no deep recursion', () => {
    expect(new Set(components(ring(200_000))).size).toBe(1)
  })
})

describe('PageRank', () => {
  it('sums to 1 and follows its own rule', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ ids, edges }) => {
        const graph = graphOf(ids, edges)
        const scores = byId(graph, await pagerank(graph))
        expect(Object.values(scores).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10)
        const outgoing = (id: string): number => edges.filter(([source]) => source === id).length
        for (const id of ids) {
          const stuck = ids.filter((other) => outgoing(other) === 0).reduce((sum, other) => sum + scores[other]!, 0)
          const reached = edges
            .filter(([, target]) => target === id)
            .reduce((sum, [source]) => sum + scores[source]! / outgoing(source), 0)
          expect(scores[id]).toBeCloseTo(0.85 * (reached + stuck / ids.length) + 0.15 / ids.length, 10)
        }
      }),
    )
  })

  it.each([255, 256, 257, 65_536])('is the same for all of a ring of %i', async (count) => {
    const scores = await pagerank(ring(count))
    expect(Math.max(...scores)).toBeCloseTo(1 / count, 12)
    expect(Math.min(...scores)).toBeCloseTo(1 / count, 12)
  })
})

describe('betweenness', () => {
  it('counts the shortest paths through a node', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ ids, edges }) => {
        const graph = graphOf(ids, edges)
        const scores = byId(graph, await betweenness(graph))
        const expected = Object.fromEntries(ids.map((id) => [id, 0]))
        const pairs = ids.length > 2 ? (ids.length - 1) * (ids.length - 2) : 1
        for (const from of ids) {
          for (const to of ids) {
            const paths = from === to ? [] : shortestPaths(edges, from, to)
            for (const path of paths) for (const id of path.slice(1, -1)) expected[id]! += 1 / paths.length / pairs
          }
        }
        for (const id of ids) expect(scores[id]).toBeCloseTo(expected[id]!, 10)
      }),
      { numRuns: 50 },
    )
  })

  it('counts more paths than 32 bits can', async () => {
    // Fourteen layers of eight, all of one leading to all of the next: 8^12 paths from the first to the last.
    const layers = Array.from({ length: 14 }, (_, i) => Array.from({ length: 8 }, (_, j) => `${i + 10}.${j}`))
    const edges = layers.flatMap((layer, i) => layer.flatMap((a) => (layers[i + 1] ?? []).map((b): Edge => [a, b])))
    const graph = graphOf([], edges)
    const scores = byId(graph, await betweenness(graph))
    const nodes = graph.ids.length
    // A node of a layer has an eighth of the ways from those before it to those behind it.
    for (const [i, layer] of layers.entries()) {
      const expected = (i * 8 * ((13 - i) * 8)) / 8 / ((nodes - 1) * (nodes - 2))
      for (const id of layer) expect(scores[id]).toBeCloseTo(expected, 10)
    }
  })
})

describe('degree', () => {
  it('counts edges at both ends, for each other node', () => {
    const graph = graphOf(
      ['d'],
      [
        ['a', 'b'],
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'c'],
      ],
    )
    expect(byId(graph, degree(graph))).toEqual({ a: 2 / 3, b: 1, c: 1, d: 0 })
    expect([...degree(graphOf(['a'], []))]).toEqual([1])
  })
})

describe('Jaccard', () => {
  it('is the common part of the neighbours of both, whatever direction', () => {
    const graph = graphOf(
      ['alone'],
      [
        ['a', 'p'],
        ['a', 'p'],
        ['a', 'q'],
        ['b', 'p'],
        ['q', 'b'],
        ['b', 'r'],
        ['c', 'r'],
        ['p', 'd'],
      ],
    )
    const similar = (id: string): Record<string, number> =>
      Object.fromEntries([...jaccard(graph, graph.ids.indexOf(id))].map(([node, score]) => [graph.ids[node]!, score]))
    expect(similar('a')).toEqual({ b: 2 / 3, d: 1 / 2 })
    expect(similar('c')).toEqual({ b: 1 / 3 })
    expect(similar('alone')).toEqual({})
  })
})

describe('communities', () => {
  const cliques = (sizes: readonly number[]): Edge[] =>
    sizes.flatMap((size, clique) => {
      const names = Array.from({ length: size }, (_, i) => `${clique}.${i}`)
      return names.flatMap((a, i) => names.slice(i + 1).map((b): Edge => (i % 2 === 0 ? [a, b] : [b, a])))
    })
  const algorithms: [string, (graph: EntityGraph, seed: number) => Promise<Uint32Array>][] = [
    ['Louvain', louvain],
    ['label propagation', async (graph, seed) => labelPropagation(graph, seed)],
  ]

  describe.each(algorithms)('by %s', (_, detect) => {
    it('finds cliques with a bridge between', async () => {
      const graph = graphOf([], [...cliques([6, 6, 6]), ['0.0', '1.0'], ['1.1', '2.1']])
      for (const seed of [0, 1, 2]) {
        const found = numbered(await detect(graph, seed))
        expect([...found]).toEqual([0, 1, 2].flatMap((clique) => Array(6).fill(clique)))
      }
    })

    it('gives the same for the same seed, never joins what does not hang together, leaves lone nodes alone', async () => {
      await fc.assert(
        fc.asyncProperty(graphs, fc.integer(), async ({ ids, edges }, seed) => {
          const graph = graphOf(ids, edges)
          const found = await detect(graph, seed)
          expect(await detect(graphOf([...ids].reverse(), [...edges].reverse()), seed)).toEqual(found)
          const parts = components(graph)
          for (const a of graph.ids.keys()) {
            for (const b of graph.ids.keys()) if (found[a] === found[b]) expect(parts[a]).toBe(parts[b])
          }
        }),
      )
    })

    it('knows no luck with sizes', async () => {
      // 128 edges: twice that is one more than a byte can count.
      const graph = graphOf(
        [],
        [...cliques([16]), ...cliques([4]).map(([a, b]): Edge => [`z${a}`, `z${b}`]), ['y', 'zy'], ['y1', 'zy1']],
      )
      expect(graph.out.ends).toHaveLength(128)
      expect(new Set(await detect(graph, 7)).size).toBe(4)
    })
  })
})
