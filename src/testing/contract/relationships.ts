/** Contract of relationship views: two names of one set of edges (spec 06 §1, 01 §2.7). */
import assert from 'node:assert/strict'
import type { EdgeRow } from '../../core/history.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, rowsOf, select, write } from './fixtures.ts'

const COLUMNS = ['source_id', 'target_id', 'relationship_type', 'valid_from', 'valid_to']

function short(rows: readonly Record<string, unknown>[]): string[] {
  const dayOf = (value: unknown): string => (value === null ? '…' : String(Number(String(value).slice(8, 10))))
  return rows.map(
    (r) =>
      `${r['source_id']} ${r['relationship_type']} ${r['target_id']} ${dayOf(r['valid_from'])}-${dayOf(r['valid_to'])}`,
  )
}

export function relationshipContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, (unit) => prepareVersion(store, unit))
        await work(store)
      }),
    )
  const relate = (store: Store, type: string, id: string, ...edges: EdgeRow[]): Promise<void> =>
    inUnit(store, (unit) =>
      store.history.write(unit, 'live', LAYOUT, [write(type, id, { rows: [row(day(1))], edges })]),
    )
  const named = async (store: Store, name: string): Promise<string[]> =>
    short(await rowsOf(store, 'relationship', name, COLUMNS))
  const all = async (store: Store): Promise<string[]> => {
    await store.reader.refresh()
    return short(await select(store, store.reader.relationshipsView('v1'), COLUMNS))
  }

  api.describe(`relationships on ${backend.name}`, () => {
    test('either name shows an edge, the list of all shows it as it was written', async (store) => {
      await relate(store, 'loan', 'l', { ...edge('taken_by', 'm', day(2)), properties: { deposit: 20 } })
      assert.deepEqual(await named(store, 'taken_by'), ['l taken_by m 2-…'])
      assert.deepEqual(await named(store, 'took_out'), ['m took_out l 2-…'])
      assert.deepEqual(await all(store), ['l taken_by m 2-…'])
      const [seen] = await rowsOf(store, 'relationship', 'took_out', ['source_id', 'deposit'])
      assert.deepEqual({ ...seen }, { source_id: 'm', deposit: 20 })
    })

    test('an edge that both sides wrote is there once at any time', async (store) => {
      await relate(store, 'loan', 'l', edge('taken_by', 'm', day(2), day(9)))
      await relate(store, 'member', 'm', edge('took_out', 'l', day(4), day(6)))
      assert.deepEqual(await named(store, 'took_out'), ['m took_out l 2-4', 'm took_out l 4-6', 'm took_out l 6-9'])
      assert.deepEqual(await named(store, 'taken_by'), ['l taken_by m 2-9'])
      assert.deepEqual(await all(store), ['l taken_by m 2-9'])
    })

    test('intervals that only touch or overlap in part are cut exactly', async (store) => {
      await relate(store, 'loan', 'l', edge('taken_by', 'm', day(3), day(6)), edge('taken_by', 'm', day(8)))
      await relate(store, 'member', 'm', edge('took_out', 'l', day(1), day(4)), edge('took_out', 'l', day(6), day(8)))
      assert.deepEqual(await named(store, 'took_out'), [
        'm took_out l 1-4',
        'm took_out l 4-6',
        'm took_out l 6-8',
        'm took_out l 8-…',
      ])
      assert.deepEqual(await all(store), [
        'l taken_by m 3-6',
        'l taken_by m 8-…',
        'm took_out l 1-3',
        'm took_out l 6-8',
      ])
    })

    test('a relationship that is its own inverse goes both ways, and is listed once', async (store) => {
      await relate(store, 'member', 'a', edge('knows', 'b', day(2)), edge('knows', 'a', day(3)))
      await relate(store, 'member', 'b', edge('knows', 'a', day(5)))
      assert.deepEqual(await named(store, 'knows'), [
        'a knows a 3-…',
        'a knows b 2-…',
        'b knows a 2-5',
        'b knows a 5-…',
      ])
      assert.deepEqual(await all(store), ['a knows a 3-…', 'a knows b 2-…'])
    })
  })
}
