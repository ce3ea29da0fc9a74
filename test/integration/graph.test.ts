/** Looking through the graph by SQL (spec 06 §9.2). */
import assert from 'node:assert/strict'
import { beforeAll, it } from 'vitest'
import type { Graph } from '../../src/query/graph/graph.ts'
import { GRAPH_PLACES, type GraphPlace, insertEdges, openGraph } from '../support/graph-places.ts'
import { entityRow } from '../support/query-store.ts'

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'
const MAR = '2024-03-01T00:00:00+00:00'
/** Ids that hold what others would use to join or quote them. */
const ODD = `o,1'"\\%😀`

for (const place of GRAPH_PLACES) {
  place.describe(`graph on ${place.name}`, () => {
    let store: GraphPlace
    let graph: Graph

    beforeAll(async () => {
      store = await openGraph(place)
      graph = store.graph
      await store.insert(
        'person_history',
        entityRow('person', 'a', 'new', { name: 'Anna', age: 30, member: true }),
        entityRow('person', 'b', 'new', { name: 'Ben (old)', valid_to: FEB }),
        entityRow('person', 'b', 'new', { name: 'Ben', valid_from: FEB }),
        ...['c', 'd', 'e', 'alone'].map((id) => entityRow('person', id, 'new')),
        entityRow('person', 'late', 'new', { valid_from: MAR }),
        entityRow('person', 'lost', 'new', { valid_to: FEB, merged_into: 'a' }),
      )
      await store.insert(
        'order_history',
        entityRow('order', ODD, 'open', { total: 9.5, name: 'first' }),
        entityRow('order', 'o2', 'open', { total: 1 }),
        entityRow('order', 'o3', 'open'),
      )
      await store.insert('topic_history', entityRow('topic', 't1', 'new', { name: 'tea' }))
      await store.insert('label_history', entityRow('label', 'l1', 'new', { rank: 3 }))
      await insertEdges(store, [
        {
          type: 'placed_order',
          source: 'a',
          target: ODD,
          from: JAN,
          cells: { channel: 'web', at: '2024-01-01T10:00:00.000001+00:00', items: 2 },
        },
        // Written by the order.
        { type: 'ordered_by', source: 'o2', target: 'a', from: JAN },
        // Written by both: one edge.
        { type: 'placed_order', source: 'b', target: 'o3', from: JAN },
        { type: 'ordered_by', source: 'o3', target: 'b', from: JAN },
        { type: 'follows', source: 'a', target: 'b', from: JAN },
        { type: 'follows', source: 'b', target: 'c', from: JAN },
        { type: 'follows', source: 'c', target: 'a', from: JAN },
        { type: 'follows', source: 'c', target: 'd', from: JAN },
        { type: 'follows', source: 'd', target: 'd', from: JAN },
        { type: 'follows', source: 'd', target: 'e', from: JAN, to: FEB },
        { type: 'knows', source: 'a', target: 'b', from: FEB },
        { type: 'tagged', source: 'a', target: 't1', from: JAN },
        { type: 'tagged', source: 'o2', target: 'l1', from: JAN },
        // Nothing is known of it but its id.
        { type: 'follows', source: 'e', target: 'reserved', from: JAN },
      ])
      return () => store.close()
    })

    const near = async (...args: Parameters<Graph['neighbors']>): Promise<string[]> => {
      const rows = await graph.neighbors(...args).rows()
      return rows.map((row) => `${row.relationship_type} ${row.direction} ${row.entity_type} ${row.entity_id}`).sort()
    }
    const reached = async (...args: Parameters<Graph['traverse']>): Promise<string[]> => {
      const rows = await graph.traverse(...args).rows()
      return rows.map((row) => `${row.depth} ${row.entity_type} ${row.entity_id}`).sort()
    }

    it('neighbors: every edge once, with the name and direction it was written with', async () => {
      assert.deepEqual(await near('a'), [
        'follows inbound person c',
        'follows outbound person b',
        'knows outbound person b',
        'ordered_by inbound order o2',
        `placed_order outbound order ${ODD}`,
        'tagged outbound topic t1',
      ])
      assert.deepEqual(await near('b'), [
        'follows inbound person a',
        'follows outbound person c',
        'knows inbound person a',
        'ordered_by inbound order o3',
      ])
      assert.deepEqual(await near(ODD), ['placed_order inbound person a'])
      assert.deepEqual(await near('o2'), ['ordered_by outbound person a', 'tagged outbound label l1'])
      assert.deepEqual(await near('l1'), ['tagged inbound order o2'])
      assert.deepEqual(await near('reserved'), ['follows inbound person e'])
    })

    it('neighbors of one relationship, by either name, and of one direction', async () => {
      const orders = ['ordered_by inbound order o2', `placed_order outbound order ${ODD}`]
      assert.deepEqual(await near('a', { relationshipType: 'placed_order' }), orders)
      assert.deepEqual(await near('a', { relationshipType: 'ordered_by' }), orders)
      assert.deepEqual(await near('a', { relationshipType: 'placed_order', direction: 'inbound' }), [orders[0]])
      assert.deepEqual(await near('a', { direction: 'inbound' }), [
        'follows inbound person c',
        'ordered_by inbound order o2',
      ])
      const loop = { relationshipType: 'follows' }
      assert.deepEqual(await near('d', loop), ['follows inbound person c', 'follows outbound person d'])
      assert.deepEqual(await near('d', { ...loop, direction: 'outbound' }), ['follows outbound person d'])
      assert.deepEqual(await near('d', { ...loop, direction: 'inbound' }), [
        'follows inbound person c',
        'follows inbound person d',
      ])
    })

    it('traverse: each entity once at its smallest depth, the start at 0', async () => {
      assert.deepEqual(await reached('a', 'follows'), ['0 person a', '1 person b'])
      assert.deepEqual(await reached('a', 'follows', { depth: 0 }), ['0 person a'])
      assert.deepEqual(await reached('a', 'follows', { depth: 9 }), [
        '0 person a',
        '1 person b',
        '2 person c',
        '3 person d',
      ])
      assert.deepEqual(await reached('d', 'follows', { depth: 2, directed: false }), [
        '0 person d',
        '1 person c',
        '2 person a',
        '2 person b',
      ])
      assert.deepEqual(await reached('e', 'follows'), ['0 person e', '1 person reserved'])
      assert.deepEqual(await reached('reserved', 'follows', { directed: false }), ['0 person reserved', '1 person e'])
    })

    it('traverse takes either name, whoever wrote the edges', async () => {
      assert.deepEqual(await reached('a', 'placed_order'), ['0 person a', `1 order ${ODD}`, '1 order o2'])
      assert.deepEqual(await reached('o2', 'ordered_by'), ['0 order o2', '1 person a'])
      assert.deepEqual(await reached('o2', 'ordered_by', { depth: 2, directed: false }), [
        '0 order o2',
        '1 person a',
        `2 order ${ODD}`,
      ])
      assert.deepEqual(await reached('b', 'knows'), ['0 person b', '1 person a'])
      assert.deepEqual(await reached('o2', 'tagged'), ['0 order o2', '1 label l1'])
      assert.deepEqual(await reached('a', 'tagged'), ['0 person a', '1 topic t1'])
    })

    it('path: shortest, in any direction and over any type, ties by the smallest ids', async () => {
      assert.deepEqual(await graph.path('a', 'd'), ['a', 'c', 'd'])
      assert.deepEqual(await graph.path('d', ODD), ['d', 'c', 'a', ODD])
      assert.deepEqual(await graph.path('l1', 't1'), ['l1', 'o2', 'a', 't1'])
      assert.deepEqual(await graph.path('a', 'a'), ['a'])
      assert.deepEqual(await graph.path('alone', 'alone', { maxDepth: 0 }), ['alone'])
      assert.deepEqual(await graph.path('a', 'alone'), [])
      assert.deepEqual(await graph.path('a', 'e'), [])
      assert.deepEqual(await graph.path('a', 'd', { maxDepth: 1 }), [])
      assert.deepEqual(await graph.path('a', 'd', { maxDepth: 2 }), ['a', 'c', 'd'])
      assert.deepEqual(await graph.path('a', 'b', { maxDepth: 0 }), [])
      assert.deepEqual(await graph.path('o2', ODD, { relationshipTypes: ['placed_order'] }), ['o2', 'a', ODD])
      assert.deepEqual(await graph.path('a', 'd', { relationshipTypes: ['knows', 'tagged'] }), [])
    })

    it('related: the target with the properties of the edge', async () => {
      const orders = graph.related('a', 'placed_order')
      assert.deepEqual(orders.columns, [
        'order_id',
        'order_state',
        'total',
        'name',
        'valid_from',
        'valid_to',
        'merged_into',
        'last_event_time',
        'state_entered_time',
        'created_time',
        'relationship_type',
        'rel_channel',
        'rel_at',
        'rel_items',
      ])
      const shown = orders.select('order_id', 'total', 'relationship_type', 'rel_channel', 'rel_at', 'rel_items')
      assert.deepEqual(await shown.orderBy('order_id').rows(), [
        {
          order_id: ODD,
          total: 9.5,
          relationship_type: 'placed_order',
          rel_channel: 'web',
          rel_at: '2024-01-01T10:00:00.000001+00:00',
          rel_items: 2,
        },
        {
          order_id: 'o2',
          total: 1,
          relationship_type: 'placed_order',
          rel_channel: null,
          rel_at: null,
          rel_items: null,
        },
      ])
      const people = graph.related('o3', 'ordered_by').select('person_id', 'name', 'relationship_type')
      assert.deepEqual(await people.rows(), [{ person_id: 'b', name: 'Ben', relationship_type: 'ordered_by' }])
      assert.deepEqual(await graph.related('e', 'follows').rows(), [])
      assert.equal(typeof orders.sql().text, 'string')
    })

    it('related of a relationship that several types declare has the columns of all targets', async () => {
      const tags = graph.related('o2', 'tagged')
      assert.deepEqual(
        tags.columns?.filter((name) => !/_time$|valid|merged/.test(name)),
        ['topic_id', 'topic_state', 'name', 'label_id', 'label_state', 'rank', 'relationship_type'],
      )
      assert.deepEqual(await tags.select('topic_id', 'label_id', 'rank').rows(), [
        { topic_id: null, label_id: 'l1', rank: 3 },
      ])
    })

    it('asOf looks at a past graph', async () => {
      const asOf = '2024-01-15'
      assert.deepEqual(await near('d', { direction: 'outbound', asOf }), [
        'follows outbound person d',
        'follows outbound person e',
      ])
      assert.deepEqual(await near('b', { relationshipType: 'knows', asOf }), [])
      assert.deepEqual(await reached('c', 'follows', { depth: 3, asOf }), [
        '0 person c',
        '1 person a',
        '1 person d',
        '2 person b',
        '2 person e',
        '3 person reserved',
      ])
      assert.deepEqual(await graph.path('a', 'e', { asOf }), ['a', 'c', 'd', 'e'])
      assert.deepEqual(await graph.path('late', 'late', { asOf }), [])
      assert.deepEqual(await graph.path('late', 'late'), ['late'])
      const then = graph.related('a', 'follows', { asOf }).select('person_id', 'name')
      assert.deepEqual(await then.rows(), [{ person_id: 'b', name: 'Ben (old)' }])
      assert.deepEqual(await near('a', { asOf: '2023-12-31' }), [])
    })

    it('unknown ids, those of merged entities too, give nothing but columns', async () => {
      for (const id of ['', 'nobody', 'lost', 'a,b', 'a\0', '\\u0000"', '\ud800']) {
        const neighbors = graph.neighbors(id)
        assert.deepEqual(neighbors.columns, ['entity_id', 'relationship_type', 'direction', 'entity_type'])
        assert.deepEqual(await neighbors.rows(), [])
        const traversed = graph.traverse(id, 'follows', { depth: 3 })
        assert.deepEqual(traversed.columns, ['entity_id', 'depth', 'entity_type'])
        assert.deepEqual(await traversed.rows(), [])
        assert.deepEqual(await graph.path(id, id), [])
        assert.deepEqual(await graph.path('a', id), [])
        assert.deepEqual(await graph.path(id, 'a'), [])
        assert.deepEqual(await graph.related(id, 'follows').rows(), [])
      }
    })

    it('results are queries', async () => {
      const friends = graph
        .traverse('a', 'follows', { depth: 5 })
        .filter({ depth: { gt: 0 } })
        .join(store.root.table('person'), { left: 'entity_id', right: 'person_id' })
        .select('entity_id', 'depth', 'name')
        .orderBy('depth')
      assert.deepEqual(await friends.rows(), [
        { entity_id: 'b', depth: 1, name: 'Ben' },
        { entity_id: 'c', depth: 2, name: null },
        { entity_id: 'd', depth: 3, name: null },
      ])
      assert.equal(await graph.neighbors('a').count(), 6)
      assert.deepEqual(
        await graph
          .neighbors('a')
          .filter({ entity_type: 'person' })
          .select('direction')
          .distinct()
          .orderBy('direction')
          .rows(),
        [{ direction: 'inbound' }, { direction: 'outbound' }],
      )
    })

    it('what cannot be asked is told before anything is read', async () => {
      const unknown = {
        name: 'QueryError',
        code: 'E_QUERY_UNKNOWN_RELATIONSHIP',
        message: /did you mean 'follows'\?.*knows/,
      }
      assert.throws(() => graph.neighbors('a', { relationshipType: 'folows' }), unknown)
      assert.throws(() => graph.traverse('a', 'folows'), unknown)
      assert.throws(() => graph.related('a', 'folows'), unknown)
      await assert.rejects(graph.path('a', 'b', { relationshipTypes: ['knows', 'folows'] }), unknown)
      const step = { name: 'QueryError', code: 'E_QUERY_STEP' }
      for (const depth of [-1, 1.5, Number.NaN, '2' as never]) {
        assert.throws(() => graph.traverse('a', 'follows', { depth }), step)
        await assert.rejects(graph.path('a', 'b', { maxDepth: depth }), step)
      }
      assert.throws(() => graph.neighbors('a', { direction: 'outbund' as never }), { ...step, message: /outbound/ })
      assert.throws(() => graph.neighbors(1 as never), step)
      assert.throws(() => graph.neighbors('a', { asOf: 'soon' }), { code: 'E_QUERY_INSTANT' })
      await assert.rejects(graph.query('MATCH (n) RETURN n'), { code: 'E_QUERY_GRAPH', message: /Neo4j/ })
    })
  })
}
