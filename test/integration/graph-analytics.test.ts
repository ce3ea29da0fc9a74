import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import { QueryError } from '../../src/errors.ts'
import { dialectOf } from '../../src/query/dialect/available.ts'
import { GraphAnalytics } from '../../src/query/graph/analytics.ts'
import { GraphMemory, loadGraph } from '../../src/query/graph/memory.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { DEFINITIONS, entityRow } from '../support/query-store.ts'

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'

for (const backend of BACKENDS)
  backend.describe(`graph analytics on ${backend.name}`, () => {
    let store: AnyQueryStore
    let cursor: string | undefined = 'first'
    const analytics = (): GraphAnalytics => {
      const program = { definitions: DEFINITIONS, layout: historyLayout(DEFINITIONS) }
      const known = cursor === undefined ? {} : { cursor: async () => cursor as string }
      const memory = new GraphMemory(() => ({ reader: store.reader, program, version: 'v1', ...known }), loadGraph)
      return new GraphAnalytics(() => ({ reader: store.reader, dialect: dialectOf(store.reader.dialect) }), memory)
    }
    const placed = (source: string, target: string, cells = {}) => ({
      source_id: source,
      target_id: target,
      relationship_type: 'placed_order',
      valid_from: JAN,
      ...cells,
    })

    beforeAll(async () => {
      store = await backend.open()
      await store.insert(
        'customer_history',
        ...['c1', 'c2', 'c3', 'c,4'].map((id) => entityRow('customer', id, 'lead')),
        entityRow('customer', 'gone', 'lead', { valid_to: FEB, merged_into: 'c1' }),
      )
      await store.insert('order_history', ...['o1', 'o2', 'o3'].map((id) => entityRow('order', id, 'open')))
      await store.insert(
        'rel_placed_order_history',
        placed('c1', 'o1'),
        placed('c1', 'o1', { channel: 'web', valid_from: FEB }),
        placed('c2', 'o1'),
        placed('c2', 'o2'),
        placed('c3', 'o3', { valid_to: FEB }),
        placed('c3', 'unseen'),
      )
    })
    afterAll(() => store.close())

    it('components: ends without a row have the declared type, past edges join nothing', async () => {
      const components = analytics().connectedComponents()
      expect(components.columns).toEqual(['entity_id', 'entity_type', 'component_id'])
      expect(await components.rows()).toEqual([
        { entity_id: 'c,4', entity_type: 'customer', component_id: 0 },
        { entity_id: 'c1', entity_type: 'customer', component_id: 1 },
        { entity_id: 'c2', entity_type: 'customer', component_id: 1 },
        { entity_id: 'o1', entity_type: 'order', component_id: 1 },
        { entity_id: 'o2', entity_type: 'order', component_id: 1 },
        { entity_id: 'c3', entity_type: 'customer', component_id: 2 },
        { entity_id: 'unseen', entity_type: 'order', component_id: 2 },
        { entity_id: 'o3', entity_type: 'order', component_id: 3 },
      ])
    })

    it('results are queries: filtered, grouped and joined with tables', async () => {
      const components = analytics().connectedComponents()
      expect(await components.filter({ entity_type: 'order' }).count()).toBe(4)
      const joined = components
        .join(store.root.table('customer'), { left: 'entity_id', right: 'customer_id' })
        .select('entity_id', 'component_id', 'customer_state')
        .orderBy('entity_id')
      expect(await joined.rows()).toEqual([
        { entity_id: 'c,4', component_id: 0, customer_state: 'lead' },
        { entity_id: 'c1', component_id: 1, customer_state: 'lead' },
        { entity_id: 'c2', component_id: 1, customer_state: 'lead' },
        { entity_id: 'c3', component_id: 2, customer_state: 'lead' },
      ])
    })

    it('communities are numbered by their smallest members, the same for a seed', async () => {
      for (const algorithm of ['louvain', 'label_propagation'] as const) {
        const found = await analytics().communities({ algorithm, seed: 5 }).rows()
        expect(found[0]).toEqual({ entity_id: 'c,4', entity_type: 'customer', community_id: 0 })
        expect(new Set(found.map((row) => row.community_id)).size).toBeGreaterThanOrEqual(4)
        expect(await analytics().communities({ algorithm, seed: 5 }).rows()).toEqual(found)
      }
      expect(await analytics().communities().rows()).toEqual(await analytics().communities({ seed: 0 }).rows())
    })

    it('centrality: greatest first, equal ones by id', async () => {
      const degrees = await analytics().centrality({ algorithm: 'degree' }).rows()
      expect(degrees.map((row) => [row.entity_id, row.score])).toEqual([
        ['o1', 0.428571428571],
        ['c1', 0.285714285714],
        ['c2', 0.285714285714],
        ['c3', 0.142857142857],
        ['o2', 0.142857142857],
        ['unseen', 0.142857142857],
        ['c,4', 0],
        ['o3', 0],
      ])
      const ranks = await analytics().centrality().rows()
      expect(ranks.map((row) => row.entity_id)).toEqual(['o1', 'unseen', 'o2', 'c,4', 'c1', 'c2', 'c3', 'o3'])
      expect(ranks.reduce((sum, row) => sum + row.score, 0)).toBeCloseTo(1, 9)
      const between = await analytics().centrality({ algorithm: 'betweenness' }).rows()
      expect(new Set(between.map((row) => row.score))).toEqual(new Set([0]))
      expect(between[0]?.entity_id).toBe('c,4')
    })

    it('similar: without zeros, at most topN, none for unknown ids', async () => {
      expect(await analytics().similar('c1').rows()).toEqual([{ entity_id: 'c2', entity_type: 'customer', score: 0.5 }])
      expect(await analytics().similar('o1').rows()).toEqual([{ entity_id: 'o2', entity_type: 'order', score: 0.5 }])
      expect(await analytics().similar('c,4').rows()).toEqual([])
      expect(await analytics().similar('nobody').rows()).toEqual([])
      expect(await analytics().similar('c1', { topN: 1 }).count()).toBe(1)
    })

    it('wrong algorithms and options are told before anything is read', () => {
      const graph = analytics()
      const refused = (call: () => unknown): string => {
        try {
          call()
        } catch (error) {
          expect(error).toBeInstanceOf(QueryError)
          return (error as Error).message
        }
        throw new Error('not refused')
      }
      const named = { algorithm: 'luvain' } as never
      expect(refused(() => graph.communities(named))).toBe(
        "communities: no algorithm 'luvain' (did you mean 'louvain'?). Algorithms: louvain, label_propagation",
      )
      expect(refused(() => graph.centrality(named))).toMatch(/Algorithms: pagerank, betweenness, degree$/)
      expect(refused(() => graph.similar('c1', named))).toMatch(/Algorithms: jaccard$/)
      expect(refused(() => graph.similar('c1', { topN: 0 }))).toMatch(/topN/)
      expect(refused(() => graph.communities({ seed: 0.5 }))).toMatch(/seed/)
    })

    describe('the snapshot', () => {
      const size = (graph: GraphAnalytics): Promise<number> => graph.connectedComponents().count()

      it('is kept while the cursor stands, and taken anew when it moved or when asked', async () => {
        cursor = 'second'
        const graph = analytics()
        const reads = vi.spyOn(store.reader, 'together')
        expect(await Promise.all([size(graph), size(graph), size(graph)])).toEqual([8, 8, 8])
        expect(reads).toHaveBeenCalledTimes(1)
        await store.insert('order_history', entityRow('order', 'late', 'open'))
        expect(await size(graph)).toBe(8)
        cursor = 'third'
        expect(await size(graph)).toBe(9)
        expect(reads).toHaveBeenCalledTimes(2)
        await store.insert('order_history', entityRow('order', 'later', 'open'))
        await graph.refresh()
        expect(await size(graph)).toBe(10)
        expect(reads).toHaveBeenCalledTimes(3)
      })

      it('is taken at every call where no cursor tells what changed', async () => {
        cursor = undefined
        const graph = analytics()
        expect(await size(graph)).toBe(10)
        await store.insert('order_history', entityRow('order', 'latest', 'open'))
        expect(await size(graph)).toBe(11)
      })
    })
  })
