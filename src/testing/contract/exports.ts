/** Contract of what exports need of a store: reading together and the list of exports (spec 05 §4.5, 06 §7). */
import assert from 'node:assert/strict'
import type { ExportRow } from '../../ports/exports.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, write } from './fixtures.ts'

type Begun = Parameters<Store['exports']['begin']>[0]

function begun(exportId: string, options: Partial<Begun> = {}): Begun {
  const at = day(3).toString()
  return {
    exportId,
    path: '/data/a.parquet',
    format: 'parquet',
    version: 'v1',
    entityTypes: ['member'],
    at,
    ...options,
  }
}

export function exportContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`list of exports on ${backend.name}`, () => {
    test('an export is known from its beginning', async (store) => {
      assert.deepEqual(await store.exports.list(), [])
      await store.exports.begin(begun('e1'))
      const row: ExportRow = { ...begun('e1'), rows: null, bytes: null }
      assert.deepEqual(await store.exports.list(), [row])
      await store.exports.finish('e1', { rows: 7, bytes: 2 ** 40 })
      assert.deepEqual(await store.exports.list(), [{ ...row, rows: 7, bytes: 2 ** 40 }])
      await store.exports.begin(begun('e2', { path: 'postgresql://host/db', format: 'snapshot', entityTypes: [] }))
      await store.exports.finish('e2', { rows: 0, bytes: null })
      assert.deepEqual(
        (await store.exports.list()).map((found) => [found.exportId, found.rows, found.bytes]),
        [
          ['e1', 7, 2 ** 40],
          ['e2', 0, null],
        ],
      )
    })

    test('one that left nothing is forgotten, and what it would have replaced is not', async (store) => {
      await store.exports.begin(begun('e1'))
      await store.exports.finish('e1', { rows: 1, bytes: 1 })
      await store.exports.begin(begun('e2', { at: day(4).toString() }))
      await store.exports.drop('e2')
      await store.exports.drop('e2')
      assert.deepEqual(
        (await store.exports.list()).map((found) => found.exportId),
        ['e1'],
      )
    })

    test('a place has one row: of the latest, with the types of all whose file it may be', async (store) => {
      await store.exports.begin(begun('e1'))
      await store.exports.finish('e1', { rows: 1, bytes: 1 })
      await store.exports.begin(begun('e2', { entityTypes: ['loan'], at: day(4).toString() }))
      const during = { ...begun('e2', { entityTypes: ['member', 'loan'], at: day(4).toString() }), bytes: null }
      assert.deepEqual(await store.exports.list(), [{ ...during, rows: null }])
      await store.exports.finish('e2', { rows: 2, bytes: 2 })
      assert.deepEqual(await store.exports.list(), [{ ...during, entityTypes: ['loan'], rows: 2, bytes: 2 }])
      // Two at once: nobody knows whose file came last.
      await store.exports.begin(begun('e3', { entityTypes: ['a'], at: day(5).toString() }))
      await store.exports.begin(begun('e4', { entityTypes: ['b'], at: day(6).toString() }))
      await store.exports.finish('e4', { rows: 4, bytes: 4 })
      await store.exports.finish('e3', { rows: 3, bytes: 3 })
      const [both, ...others] = await store.exports.list()
      assert.deepEqual(others, [])
      assert.deepEqual([both?.exportId, both?.entityTypes, both?.rows], ['e4', ['a', 'b'], 4])
    })
  })

  api.describe(`reading together on ${backend.name}`, () => {
    const filled = async (store: Store): Promise<{ text: string; params: unknown[] }[]> => {
      await inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        const ids = Array.from({ length: 5 }, (_, i) => `m${i}`)
        const writes = ids.map((id) =>
          write('member', id, { rows: [row(day(1))], edges: [edge('knows', 'o', day(2))] }),
        )
        await store.history.write(unit, 'live', LAYOUT, writes)
      })
      await store.reader.refresh()
      const member = store.reader.relation('v1', 'history', 'member')
      const knows = store.reader.relation('v1', 'relationship', 'knows')
      const from = store.dialect === 'postgres' ? '$1' : '?'
      return [
        { text: `select member_id from ${member} where member_id >= ${from} order by 1`, params: ['m1'] },
        // Edges of a relationship that is its own inverse are seen from both ends.
        { text: `select source_id, target_id from ${knows} where target_id = 'o'`, params: [] },
      ]
    }

    test('streams end with the work, in any order, and each has its columns', async (store) => {
      const statements = await filled(store)
      const seen = await store.reader.together(
        statements,
        async (streams) => {
          const sizes: number[][] = []
          for (const stream of [...streams].reverse()) {
            const batches: number[] = []
            for await (const { columns, rows } of stream) batches.push(columns.length, rows.length)
            sizes.push(batches)
          }
          return sizes
        },
        { batchSize: 3 },
      )
      assert.deepEqual(seen, [
        [2, 3, 2, 2],
        [1, 3, 1, 1],
      ])
      await assert.rejects(
        store.reader.together(statements, () => Promise.reject(new Error('mine'))),
        /mine/,
      )
      await assert.rejects(
        store.reader.together([{ text: 'select * from ledger', params: [] }], async ([stream]) => {
          for await (const _ of stream ?? []) assert.fail()
        }),
        { name: 'QueryError' },
      )
    })

    test('what is written meanwhile does not wait and is not seen', async (store) => {
      const statements = await filled(store)
      const counts = await store.reader.together(statements, async (streams) => {
        await inUnit(store, async (unit) => {
          await store.history.beginShadow(unit, LAYOUT)
          await store.history.swapShadow(unit, LAYOUT)
        })
        await inUnit(store, (unit) =>
          store.history.write(unit, 'live', LAYOUT, [write('member', 'z', { rows: [row(day(1))] })]),
        )
        const found: number[] = []
        for (const stream of streams) {
          let rows = 0
          for await (const batch of stream) rows += batch.rows.length
          found.push(rows)
        }
        return found
      })
      assert.deepEqual(counts, [4, 5])
    })

    test('an aborted signal ends it', async (store) => {
      const statements = await filled(store)
      const stop = new AbortController()
      const reading = store.reader.together(
        statements,
        async ([stream]) => {
          for await (const _ of stream ?? []) stop.abort(new Error('enough'))
        },
        { batchSize: 1, signal: stop.signal },
      )
      await assert.rejects(reading, /enough/)
    })
  })
}
