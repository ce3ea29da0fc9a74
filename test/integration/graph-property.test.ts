/** Random graphs against a plain evaluation in memory: self loops, cycles, both names of an edge, past edges, odd ids. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compareText } from '../../src/core/expression/code-points.ts'
import type { NeighborRow, TraverseRow } from '../../src/query/graph/graph.ts'
import { GRAPH_PLACES, type GraphPlace, insertEdges, openGraph, type WrittenEdge } from '../support/graph-places.ts'
import { entityRow } from '../support/query-store.ts'

const TIMES = ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01'].map((day) => `${day}T00:00:00+00:00`)
const [T0, T1, T2, T3] = TIMES as [string, string, string, string]
/** Some look like lists or parts of others, and sort differently by UTF-16 units than by code points. */
const PEOPLE = ['p', 'p,p', "p'", 'P', '"p"', '\uffee', '😀', ' ', 'p\\']
const ORDERS = ['o', 'o,p', 'ö', 'o%']

type Type = 'knows' | 'follows' | 'placed_order' | 'ordered_by'
const TYPES: readonly Type[] = ['knows', 'follows', 'placed_order', 'ordered_by']
const INVERSE: Partial<Record<Type, Type>> = { knows: 'knows', placed_order: 'ordered_by', ordered_by: 'placed_order' }
const ENDS: Record<Type, readonly [source: 'person' | 'order', target: 'person' | 'order']> = {
  knows: ['person', 'person'],
  follows: ['person', 'person'],
  placed_order: ['person', 'order'],
  ordered_by: ['order', 'person'],
}
const IDS = { person: PEOPLE, order: ORDERS }

const edge: fc.Arbitrary<WrittenEdge & { type: Type }> = fc.constantFrom(...TYPES).chain((type) =>
  fc.record({
    type: fc.constant(type),
    source: fc.constantFrom(...IDS[ENDS[type][0]]),
    target: fc.constantFrom(...IDS[ENDS[type][1]]),
    from: fc.constantFrom(T0, T1),
    to: fc.constantFrom(null, null, T2),
  }),
)
/** An edge that has ended may have been written again. */
const graphs = fc
  .uniqueArray(edge, { maxLength: 24, selector: ({ type, source, target }) => `${type}|${source}|${target}` })
  .chain((edges) =>
    fc
      .subarray(edges.filter((one) => one.to !== null))
      .map((again) => [...edges, ...again.map((one) => ({ ...one, from: T2, to: null }))]),
  )
const asked = fc.record({
  id: fc.constantFrom(...PEOPLE, ...ORDERS, 'nobody'),
  other: fc.constantFrom(...PEOPLE, ...ORDERS, 'nobody'),
  type: fc.constantFrom(...TYPES),
  types: fc.option(fc.subarray([...TYPES]), { nil: undefined }),
  direction: fc.constantFrom('outbound', 'inbound', undefined),
  depth: fc.integer({ min: 0, max: 4 }),
  directed: fc.boolean(),
  asOf: fc.constantFrom(undefined, T0, T1, '2024-01-15', T3),
})

/** The graph at one instant. */
class Model {
  /** Edges as they were written; of both names of one edge, the first in the alphabet. */
  readonly edges: readonly (WrittenEdge & { type: Type })[]

  constructor(all: readonly (WrittenEdge & { type: Type })[], asOf: string | undefined) {
    const at = asOf === undefined ? null : asOf.length === 10 ? `${asOf}T00:00:00+00:00` : asOf
    const valid = all.filter(({ from, to }) =>
      at === null ? to === null : from <= at && (to === null || (to as string) > at),
    )
    this.edges = valid.filter(
      (one) =>
        !valid.some(
          (other) =>
            other.type === INVERSE[one.type] &&
            other.source === one.target &&
            other.target === one.source &&
            (other.type < one.type || (other.type === one.type && compareText(other.source, one.source) < 0)),
        ),
    )
  }

  typeOf(id: string): 'person' | 'order' {
    return ORDERS.includes(id) ? 'order' : 'person'
  }

  neighbors(id: string, type: Type | null, direction: string | undefined): NeighborRow[] {
    const rows: NeighborRow[] = []
    for (const { type: written, source, target } of this.edges) {
      if (type !== null && written !== type && written !== INVERSE[type]) continue
      const isOut = source === id && direction !== 'inbound'
      const isIn = target === id && direction !== 'outbound' && !isOut
      if (!isOut && !isIn) continue
      const far = isOut ? target : source
      const way = isOut ? 'outbound' : 'inbound'
      rows.push({ entity_id: far, relationship_type: written, direction: way, entity_type: this.typeOf(far) })
    }
    return rows
  }

  traverse(id: string, type: Type, depth: number, directed: boolean): TraverseRow[] {
    const steps = this.edges.flatMap(({ type: written, source, target }): [string, string][] => {
      const along = written === type ? [[source, target]] : []
      const against = written === INVERSE[type] ? [[target, source]] : []
      const ways = [...along, ...against] as [string, string][]
      return directed
        ? ways
        : ways.flatMap(([a, b]): [string, string][] => [
            [a, b],
            [b, a],
          ])
    })
    const found = new Map([[id, 0]])
    for (let at = 0; at < depth; at++) {
      for (const [from, to] of steps) if (found.get(from) === at && !found.has(to)) found.set(to, at + 1)
    }
    return [...found].map(([entity_id, at]) => ({ entity_id, depth: at, entity_type: this.typeOf(entity_id) }))
  }

  /** Every simple path, the best of them. */
  path(from: string, to: string, maxDepth: number, types: readonly Type[] | undefined): string[] {
    const wanted = types && new Set(types.flatMap((type) => [type, INVERSE[type]]))
    const near = new Map<string, Set<string>>()
    for (const { type, source, target } of this.edges) {
      if (wanted && !wanted.has(type)) continue
      for (const [a, b] of [
        [source, target],
        [target, source],
      ] as const) {
        near.set(a, (near.get(a) ?? new Set()).add(b))
      }
    }
    let ways = [[from]]
    for (let length = 0; length <= maxDepth; length++) {
      const [best] = ways.filter((way) => way.at(-1) === to).sort(compareWays)
      if (best !== undefined) return best
      ways = ways.flatMap((way) =>
        [...(near.get(way.at(-1) as string) ?? [])].filter((id) => !way.includes(id)).map((id) => [...way, id]),
      )
    }
    return []
  }
}

function compareWays(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((id, i) => id !== b[i])
  return at === -1 ? 0 : compareText(a[at] as string, b[at] as string)
}

const sorted = <R extends object>(rows: readonly R[]): string[] =>
  rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort()

for (const place of GRAPH_PLACES)
  place.describe(`random graphs on ${place.name}`, () => {
    let store: GraphPlace
    beforeAll(async () => {
      store = await openGraph(place)
    })
    afterAll(() => store.close())

    const known = async (): Promise<void> => {
      await store.insert('person_history', ...PEOPLE.map((id) => entityRow('person', id, 'new')))
      await store.insert('order_history', ...ORDERS.map((id) => entityRow('order', id, 'open')))
    }

    it('are looked through like in memory', async () => {
      const questions = fc.array(asked, { minLength: 6, maxLength: 6 })
      const property = fc.asyncProperty(graphs, questions, async (edges, asks) => {
        await store.clear()
        await known()
        await insertEdges(store, edges)
        for (const { id, other, type, types, direction, depth, directed, asOf } of asks) {
          const model = new Model(edges, asOf)
          const at = asOf === undefined ? {} : { asOf }
          const way = direction === undefined ? {} : { direction }
          for (const graph of [store.graph, store.inMemory]) {
            const all = await graph.neighbors(id, { ...way, ...at }).rows()
            expect(sorted(all)).toEqual(sorted(model.neighbors(id, null, direction)))
            const some = await graph.neighbors(id, { relationshipType: type, ...way, ...at }).rows()
            expect(sorted(some)).toEqual(sorted(model.neighbors(id, type, direction)))
            const reached = await graph.traverse(id, type, { depth, directed, ...at }).rows()
            const expected = id === 'nobody' ? [] : model.traverse(id, type, depth, directed)
            expect(sorted(reached)).toEqual(sorted(expected))
            const only = types === undefined ? {} : { relationshipTypes: types }
            const path = await graph.path(id, other, { maxDepth: depth, ...only, ...at })
            expect(path).toEqual(id === 'nobody' ? [] : model.path(id, other, depth, types))
          }
        }
      })
      await fc.assert(property, { numRuns: place.name === 'DuckDB' ? 8 : 30 })
    })
  })
