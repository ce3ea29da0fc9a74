/** Contract of shadow tables, versions' own tables and activation (spec 04 §4.4, §4.11; 06 §1). */
import assert from 'node:assert/strict'
import type { HistoryLayout } from '../../core/history.ts'
import type { Store, Unit } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, rowsOf, versionRow, write } from './fixtures.ts'

const checkpoint = (id: string) => ({
  id,
  type: 'member',
  body: '{}',
  generation: 0,
  revision: 0,
  appliedUpto: 1,
  nextDue: null,
})
const ids = async (store: Store, version = 'v1'): Promise<unknown[]> =>
  (await rowsOf(store, 'history', 'member', ['member_id'], version)).map((r) => r['member_id'])

export function shadowContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, (unit) => prepareVersion(store, unit))
        await work(store)
      }),
    )

  api.describe(`replacing state on ${backend.name}`, () => {
    test('readers see the old state until the swap', async (store) => {
      await inUnit(store, async (unit) => {
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'old', { rows: [row(day(1))] })])
        await store.checkpoints.save(unit, 'live', [checkpoint('old')])
        await store.history.beginShadow(unit, LAYOUT)
      })
      await inUnit(store, async (unit) => {
        const edges = [edge('took_out', 'l', day(1))]
        const rows = [row(day(1), { validTo: day(2) }), row(day(2))]
        await store.history.write(unit, 'shadow', LAYOUT, [write('member', 'new', { replace: true, rows, edges })])
        await store.checkpoints.save(unit, 'shadow', [checkpoint('new')])
      })
      assert.deepEqual(await ids(store), ['old'])
      assert.deepEqual([...(await store.checkpoints.load(null, 'v1', ['old', 'new'])).keys()], ['old'])
      await inUnit(store, (unit) => store.history.swapShadow(unit, LAYOUT))
      assert.deepEqual(await ids(store), ['new', 'new'])
      assert.deepEqual([...(await store.checkpoints.load(null, 'v1', ['old', 'new'])).keys()], ['new'])
      assert.equal((await rowsOf(store, 'relationship', 'taken_by', ['source_id'])).length, 1)
      // What follows writes to the tables that were swapped in.
      await inUnit(store, (unit) =>
        store.history.write(unit, 'live', LAYOUT, [write('member', 'new', { revision: 9, rows: [row(day(5))] })]),
      )
      assert.equal((await ids(store)).length, 3)
    })

    test('a rolled back swap leaves everything as it was', async (store) => {
      await inUnit(store, async (unit) => {
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'old', { rows: [row(day(1))] })])
        await store.history.beginShadow(unit, LAYOUT)
      })
      const failed = inUnit(store, async (unit) => {
        await store.history.swapShadow(unit, LAYOUT)
        throw new Error('no')
      })
      await assert.rejects(failed, { message: 'no' })
      assert.deepEqual(await ids(store), ['old'])
      await inUnit(store, (unit) => store.history.swapShadow(unit, LAYOUT))
      assert.deepEqual(await ids(store), [])
    })

    test('a new shadow is empty, a dropped one is gone', async (store) => {
      const fill = (id: string): Promise<void> =>
        inUnit(store, async (unit) => {
          await store.history.beginShadow(unit, LAYOUT)
          await store.history.write(unit, 'shadow', LAYOUT, [write('member', id, { rows: [row(day(1))] })])
        })
      await fill('first')
      await inUnit(store, (unit) => store.history.dropShadow(unit))
      await inUnit(store, (unit) => store.history.dropShadow(unit))
      await fill('second')
      await fill('third')
      await inUnit(store, (unit) => store.history.swapShadow(unit, LAYOUT))
      assert.deepEqual(await ids(store), ['third'])
    })

    test('rows of merged and retired entities are carried over', async (store) => {
      await inUnit(store, async (unit) => {
        await store.history.write(
          unit,
          'live',
          LAYOUT,
          ['merged', 'retired', 'revived', 'plain'].map((id) => write('member', id, { rows: [row(day(1))] })),
        )
        await store.history.absorb(unit, LAYOUT, 'member', 'merged', 'winner', day(3))
        await store.history.absorb(unit, LAYOUT, 'member', 'revived', 'winner', day(3))
        await store.identity.reset(unit, [], [{ entityType: 'member', from: 'retired', into: 'winner' }])
        await store.history.beginShadow(unit, LAYOUT)
        await store.history.write(
          unit,
          'shadow',
          LAYOUT,
          ['winner', 'revived'].map((id) => write('member', id, { rows: [row(day(2))] })),
        )
      })
      await inUnit(store, (unit) => store.history.swapShadow(unit, LAYOUT))
      const columns = ['member_id', 'merged_into', 'valid_from', 'valid_to']
      const rows = await rowsOf(store, 'history', 'member', columns)
      assert.deepEqual(
        rows.map((r) => [r['member_id'], r['merged_into'], r['valid_to'] === null]),
        [
          ['merged', 'winner', false],
          ['retired', 'winner', false],
          ['revived', null, true],
          ['winner', null, true],
        ],
      )
    })

    test('new columns are added to tables that exist', async (store) => {
      await inUnit(store, (unit) =>
        store.history.write(unit, 'live', LAYOUT, [write('member', 'm', { rows: [row(day(1))] })]),
      )
      const [member, ...others] = LAYOUT.entities
      const wider: HistoryLayout = {
        entities: [
          { type: 'member', columns: [...(member?.columns ?? []), { name: 'note', type: 'string' }] },
          ...others,
        ],
        relationships: LAYOUT.relationships.map((r) => ({
          ...r,
          columns: [{ name: 'kind', type: 'string' }, ...r.columns],
        })),
      }
      await inUnit(store, async (unit) => {
        await store.history.ensure(unit, wider)
        await store.history.ensure(unit, wider)
        const rows = [row(day(2), { properties: { note: 'x' } })]
        const edges = [{ ...edge('took_out', 'l', day(2)), properties: { kind: 'k' } }]
        await store.history.write(unit, 'live', wider, [write('member', 'm', { revision: 2, rows, edges })])
      })
      assert.deepEqual(
        (await rowsOf(store, 'history', 'member', ['valid_from', 'note'])).map((r) => r['note']),
        [null, 'x'],
      )
      assert.deepEqual(
        (await rowsOf(store, 'relationship', 'taken_by', ['kind'])).map((r) => r['kind']),
        ['k'],
      )
    })
  })

  api.describe(`versions side by side on ${backend.name}`, () => {
    const put = (store: Store, version: string, id: string, layout = LAYOUT): Promise<void> =>
      inUnit(
        store,
        async (unit) => {
          const edges = [edge('took_out', `${id} loan`, day(1))]
          await store.history.write(unit, 'live', layout, [
            write('member', id, { revision: 9, rows: [row(day(1))], edges }),
          ])
        },
        version,
      )
    const activate = (store: Store, version: string, previous: string | null): Promise<void> =>
      inUnit(
        store,
        async (unit) => {
          await store.history.activate(unit, previous)
          await store.versions.activate(unit)
        },
        version,
      )
    const edgesOf = async (store: Store, version: string): Promise<unknown[]> =>
      (await rowsOf(store, 'relationship', 'taken_by', ['target_id'], version)).map((r) => r['target_id'])

    test('versions share no rows, before and after activation', async (store) => {
      await inUnit(
        store,
        async (unit) => {
          await store.versions.insert(unit, versionRow('v2'))
          await store.history.ensure(unit, LAYOUT)
        },
        'v2',
      )
      await put(store, 'v1', 'one')
      await put(store, 'v2', 'two')
      for (const [version, previous] of [
        ['v2', 'v1'],
        ['v2', 'v2'],
        ['v1', 'v2'],
      ] as const) {
        await activate(store, version, previous)
        assert.deepEqual(await ids(store, 'v1'), ['one'], `after activating ${version}`)
        assert.deepEqual(await ids(store, 'v2'), ['two'], `after activating ${version}`)
        assert.deepEqual(await edgesOf(store, 'v1'), ['one'])
        assert.deepEqual(await edgesOf(store, 'v2'), ['two'])
        assert.equal((await store.versions.active())?.version, version)
      }
    })

    api.it('a version whose tables were made before it became active keeps its rows', () =>
      withStore(backend, async (store) => {
        const early = (work: (unit: Unit) => Promise<void>): Promise<void> => inUnit(store, work, 'early')
        await early(async (unit) => {
          await store.history.ensure(unit, LAYOUT)
          await store.history.write(unit, 'live', LAYOUT, [write('member', 'm', { rows: [row(day(1))] })])
          await store.versions.insert(unit, versionRow('early'))
        })
        await early((unit) => store.versions.activate(unit))
        await early((unit) => store.history.ensure(unit, LAYOUT))
        assert.deepEqual(await ids(store, 'early'), ['m'])
      }),
    )

    test('a version that is not active is rebuilt and activated', async (store) => {
      await inUnit(
        store,
        async (unit) => {
          await store.versions.insert(unit, versionRow('v2'))
          await store.history.ensure(unit, LAYOUT)
          await store.history.beginShadow(unit, LAYOUT)
          await store.history.write(unit, 'shadow', LAYOUT, [write('member', 'two', { rows: [row(day(1))] })])
          await store.history.swapShadow(unit, LAYOUT)
        },
        'v2',
      )
      await put(store, 'v1', 'one')
      await activate(store, 'v2', 'v1')
      await put(store, 'v2', 'three')
      assert.deepEqual(await ids(store, 'v2'), ['three', 'two'])
      assert.deepEqual(await ids(store, 'v1'), ['one'])
    })
  })
}
