/** Contract of state history: write rules, merges, removal (spec 06 §1, 07 §6). */
import assert from 'node:assert/strict'
import type { EntityWrite } from '../../core/history.ts'
import { Float } from '../../core/value.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { at, day, edge, LAYOUT, prepareVersion, row, rowsOf, write } from './fixtures.ts'

const INTERVALS = ['member_id', 'member_state', 'valid_from', 'valid_to']
const text = (n: number): string => day(n).toString()

async function intervals(store: Store): Promise<unknown[][]> {
  return (await rowsOf(store, 'history', 'member', INTERVALS)).map((r) => INTERVALS.map((column) => r[column]))
}

export function historyContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, (unit) => prepareVersion(store, unit))
        await work(store)
      }),
    )
  const put = (store: Store, ...writes: EntityWrite[]): Promise<void> =>
    inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, writes))

  api.describe(`history on ${backend.name}`, () => {
    test('columns hold typed values', async (store) => {
      const properties = {
        email: 'a@example.org',
        fee: new Float(5),
        loans: 9_007_199_254_740_993n,
        active: false,
        joined: at('2024-05-01T10:00:00.250Z'),
        order: "it's",
      }
      const other = { fee: 0.5, loans: -3, active: true }
      await put(
        store,
        write('member', 'm1', { rows: [row(day(1), { properties, createdTime: day(1), sequence: null })] }),
        write('member', 'm2', { rows: [row(day(2), { properties: other })] }),
      )
      const columns = ['member_id', 'email', 'fee', 'loans', 'active', 'joined', 'order']
      const [first, second] = await rowsOf(store, 'history', 'member', columns)
      assert.equal(first?.['email'], 'a@example.org')
      assert.equal(first?.['fee'], 5)
      assert.equal(first?.['loans'], 9_007_199_254_740_993n)
      assert.equal(Boolean(first?.['active']), false)
      assert.equal(first?.['order'], "it's")
      assert.equal(String(first?.['joined']), '2024-05-01T10:00:00.250+00:00')
      assert.deepEqual([second?.['fee'], second?.['loans'], Boolean(second?.['active'])], [0.5, -3, true])
      assert.deepEqual([second?.['email'], second?.['joined']], [null, null])
    })

    test('a row closes the open one; one row is open', async (store) => {
      await put(store, write('member', 'm', { revision: 1, rows: [row(day(1), { validTo: day(2) }), row(day(2))] }))
      await put(store, write('member', 'm', { revision: 2, rows: [row(day(4), { state: 'gone' })] }))
      assert.deepEqual(await intervals(store), [
        ['m', 'active', text(1), text(2)],
        ['m', 'active', text(2), text(4)],
        ['m', 'gone', text(4), null],
      ])
    })

    test('at the same instant the last row counts', async (store) => {
      await put(
        store,
        write('member', 'm', { revision: 1, rows: [row(day(1))], edges: [edge('took_out', 'l', day(1))] }),
      )
      await put(store, write('member', 'm', { revision: 2, rows: [row(day(1), { state: 'gone' })] }))
      assert.deepEqual(await intervals(store), [['m', 'gone', text(1), null]])
      assert.equal((await rowsOf(store, 'relationship', 'took_out', ['target_id'])).length, 1)
    })

    test('a repeated or older write changes nothing', async (store) => {
      const first = write('member', 'm', { generation: 2, revision: 1, rows: [row(day(1))] })
      const second = write('member', 'm', { generation: 2, revision: 2, rows: [row(day(2))] })
      await put(store, first, second)
      const before = await intervals(store)
      await put(store, second)
      await put(store, first)
      await put(store, write('member', 'm', { generation: 1, revision: 9, rows: [row(day(3))] }))
      await put(store, write('member', 'm', { generation: 1, revision: 9, replace: true, rows: [row(day(3))] }))
      assert.deepEqual(await intervals(store), before)
    })

    test('a higher generation replaces rows and outgoing edges', async (store) => {
      const edges = [edge('took_out', 'l1', day(1)), edge('took_out', 'l2', day(2))]
      await put(
        store,
        write('member', 'm', { rows: [row(day(1), { validTo: day(2) }), row(day(2))], edges }),
        write('loan', 'l1', { rows: [row(day(1))], edges: [edge('taken_by', 'm', day(1))] }),
      )
      const rebuilt = {
        generation: 1,
        revision: 1,
        replace: true,
        rows: [row(day(3))],
        edges: [edge('took_out', 'l3', day(3))],
      }
      await put(store, write('member', 'm', rebuilt))
      assert.deepEqual(await intervals(store), [['m', 'active', text(3), null]])
      assert.deepEqual(await inUnit(store, (unit) => store.history.openEdges(unit, 'v1', LAYOUT, ['m'])), [
        { sourceId: 'm', type: 'took_out', targetId: 'l3', properties: { deposit: null } },
      ])
      assert.equal((await rowsOf(store, 'relationship', 'taken_by', ['source_id'])).length, 2)
      await put(store, write('member', 'm', { generation: 2, revision: 0, replace: true }))
      assert.deepEqual(await intervals(store), [])
    })

    test('a touch moves the last event time of the open row only', async (store) => {
      await put(store, write('member', 'm', { rows: [row(day(1), { validTo: day(2) }), row(day(2))] }))
      await put(store, write('member', 'm', { touch: day(5) }))
      const rows = await rowsOf(store, 'history', 'member', ['valid_from', 'last_event_time'])
      assert.deepEqual(
        rows.map((r) => String(r['last_event_time'])),
        [text(1), text(5)],
      )
    })

    test('edges open, close and reopen; one that ends when it began is gone', async (store) => {
      await put(store, write('member', 'm', { rows: [row(day(1))], edges: [edge('took_out', 'l', day(1))] }))
      const close = (n: number): EntityWrite =>
        write('member', 'm', { touch: day(n), closedEdges: [{ type: 'took_out', targetId: 'l', at: day(n) }] })
      await put(store, close(3))
      await put(store, write('member', 'm', { touch: day(4), edges: [edge('took_out', 'l', day(4))] }))
      await put(store, close(4))
      await put(store, write('member', 'm', { touch: day(5), edges: [edge('took_out', 'l', day(5))] }))
      const columns = ['source_id', 'target_id', 'valid_from', 'valid_to']
      assert.deepEqual(
        (await rowsOf(store, 'relationship', 'took_out', columns)).map((r) => columns.map((column) => r[column])),
        [
          ['m', 'l', text(1), text(3)],
          ['m', 'l', text(5), null],
        ],
      )
    })

    test('open edges come with typed properties', async (store) => {
      const edges = [
        { ...edge('took_out', 'l1', day(1)), properties: { deposit: new Float(20) } },
        { ...edge('took_out', 'l2', day(1)), properties: { deposit: 0.5 } },
        { ...edge('took_out', 'l3', day(1)), validTo: day(2) },
        edge('knows', 'm2', day(1)),
      ]
      await put(store, write('member', 'm', { rows: [row(day(1))], edges }))
      const many = Array.from({ length: 50_000 }, (_, i) => `id ${i}`)
      assert.deepEqual(await store.history.openEdges(null, 'v1', LAYOUT, [...many, 'm']), [
        { sourceId: 'm', type: 'took_out', targetId: 'l1', properties: { deposit: new Float(20) } },
        { sourceId: 'm', type: 'took_out', targetId: 'l2', properties: { deposit: 0.5 } },
        { sourceId: 'm', type: 'knows', targetId: 'm2', properties: {} },
      ])
      assert.deepEqual(await store.history.openEdges(null, 'v1', LAYOUT, []), [])
    })

    test('a merge marks the loser, moves incoming edges and names sources of both', async (store) => {
      await put(
        store,
        write('member', 'old', {
          rows: [row(day(1), { validTo: day(2) }), row(day(2))],
          edges: [edge('took_out', 'x', day(1))],
        }),
        write('member', 'new', { rows: [row(day(1))] }),
        write('loan', 'l1', { rows: [row(day(1))], edges: [edge('taken_by', 'old', day(1))] }),
        write('loan', 'l2', {
          rows: [row(day(1))],
          edges: [edge('taken_by', 'old', day(1)), edge('taken_by', 'new', day(1))],
        }),
      )
      const absorb = (n: number): Promise<string[]> =>
        inUnit(store, (unit) => store.history.absorb(unit, LAYOUT, 'member', 'old', 'new', day(n)))
      assert.deepEqual(await absorb(1), ['l2'])
      const columns = ['member_id', 'merged_into', 'valid_from', 'valid_to']
      const losers = (await rowsOf(store, 'history', 'member', columns)).filter((r) => r['member_id'] === 'old')
      // Closed at the merge, but never before it began.
      assert.deepEqual(
        losers.map((r) => [r['merged_into'], r['valid_from'], r['valid_to']]),
        [
          ['new', text(1), text(2)],
          ['new', text(2), text(2)],
        ],
      )
      const edges = await rowsOf(store, 'relationship', 'taken_by', ['source_id', 'target_id'])
      assert.deepEqual(
        edges.map((r) => [r['source_id'], r['target_id']]),
        [
          ['l1', 'new'],
          ['l2', 'new'],
        ],
      )
      assert.deepEqual(
        await rowsOf(store, 'relationship', 'took_out', ['source_id', 'target_id']).then((all) => all.length),
        2,
      )
      assert.deepEqual(await absorb(9), [])
    })

    test('removal takes rows and edges in both directions', async (store) => {
      await put(
        store,
        write('member', 'm1', { rows: [row(day(1))], edges: [edge('knows', 'm2', day(1))] }),
        write('member', 'm2', {
          rows: [row(day(1))],
          edges: [edge('knows', 'm1', day(1)), edge('knows', 'm3', day(1))],
        }),
      )
      await inUnit(store, (unit) => store.history.remove(unit, LAYOUT, [{ id: 'm1', type: 'member' }]))
      assert.deepEqual(
        (await intervals(store)).map(([id]) => id),
        ['m2'],
      )
      assert.deepEqual(await store.history.openEdges(null, 'v1', LAYOUT, ['m1', 'm2']), [
        { sourceId: 'm2', type: 'knows', targetId: 'm3', properties: {} },
      ])
    })

    test('removal counts rows, takes edges of all times, and names who had edges before', async (store) => {
      await put(
        store,
        write('member', 'm1', { rows: [row(day(1), { validTo: day(2) }), row(day(2))] }),
        write('member', 'm2', {
          rows: [row(day(1))],
          edges: [edge('knows', 'm1', day(1), day(2)), edge('knows', 'm3', day(1))],
        }),
        write('loan', 'l1', { rows: [row(day(1))], edges: [edge('taken_by', 'm1', day(1))] }),
      )
      const sources = (...ids: string[]) =>
        inUnit(store, async (unit) => (await store.history.sourcesOf(unit, LAYOUT, ids)).sort())
      assert.deepEqual(await sources('m1', 'm3', 'm1'), ['l1', 'm2'])
      assert.deepEqual(await sources('m2'), [])
      const remove = (type: string) =>
        inUnit(store, (unit) => store.history.remove(unit, LAYOUT, [{ id: 'm1', type }], 'live'))
      assert.equal(await remove('member'), 4)
      assert.equal(await remove('member'), 0)
      assert.deepEqual(await sources('m1'), [])
      await put(store, write('member', 'm1', { rows: [row(day(1))] }))
      // Whose type nobody knows is looked for everywhere.
      assert.equal(await remove(''), 1)
    })

    test('tables that are not there hold nothing', async (store) => {
      const ids = [{ id: 'm1', type: 'member' }]
      const none = await inUnit(
        store,
        async (unit) => [
          await store.history.remove(unit, LAYOUT, ids),
          await store.history.remove(unit, LAYOUT, ids, 'shadow'),
          await store.history.sourcesOf(unit, LAYOUT, ['m1']),
        ],
        'never_built',
      )
      assert.deepEqual(none, [0, 0, []])
    })

    test('removal from a full build in the making takes checkpoints, too, and leaves the live tables', async (store) => {
      const checkpoint = (id: string) => ({
        id,
        type: 'member',
        body: '{}',
        generation: 1,
        revision: 1,
        appliedUpto: 1,
        nextDue: null,
      })
      const writes = [
        write('member', 'm1', { rows: [row(day(1))], edges: [edge('knows', 'm2', day(1))] }),
        write('member', 'm2', { rows: [row(day(1))], edges: [edge('knows', 'm1', day(1))] }),
      ]
      await put(store, ...writes)
      await inUnit(store, async (unit) => {
        await store.history.beginShadow(unit, LAYOUT)
        await store.history.write(unit, 'shadow', LAYOUT, writes)
        await store.checkpoints.save(unit, 'shadow', [checkpoint('m1'), checkpoint('m2')])
      })
      const ids = [{ id: 'm1', type: 'member' }]
      assert.equal(await inUnit(store, (unit) => store.history.remove(unit, LAYOUT, ids, 'shadow')), 4)
      assert.equal((await intervals(store)).length, 2)
      await inUnit(store, (unit) => store.history.swapShadow(unit, LAYOUT))
      assert.deepEqual(
        (await intervals(store)).map(([id]) => id),
        ['m2'],
      )
      assert.deepEqual([...(await store.checkpoints.load(null, 'v1', ['m1', 'm2'])).keys()], ['m2'])
      assert.deepEqual(await store.history.openEdges(null, 'v1', LAYOUT, ['m1', 'm2']), [])
    })

    test('a swap does not carry over who was erased, merged away or not', async (store) => {
      await put(store, write('member', 'old', { rows: [row(day(1))] }), write('member', 'new', { rows: [row(day(1))] }))
      await put(
        store,
        write('member', 'gone', { rows: [row(day(1))] }),
        write('member', 'kept', { rows: [row(day(1))] }),
      )
      await inUnit(store, async (unit) => {
        for (const [from, into] of [
          ['old', 'new'],
          ['gone', 'kept'],
        ] as const) {
          await store.identity.merge(unit, 'member', from, into, 'test')
          await store.history.absorb(unit, LAYOUT, 'member', from, into, day(2))
        }
        await store.identity.erase(unit, ['old', 'new'])
        await store.history.beginShadow(unit, LAYOUT)
        await store.history.swapShadow(unit, LAYOUT)
      })
      assert.deepEqual(
        (await intervals(store)).map(([id]) => id),
        ['gone'],
      )
    })
  })
}
