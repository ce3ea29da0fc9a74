/** Contract of units of work, of several openings of one space, and of guarded reads (spec 04 §2.5, 07 §3, 06 §6). */
import assert from 'node:assert/strict'
import { QueryError, StorageError } from '../../errors.ts'
import type { Store, Unit } from '../../ports/store.ts'
import { type Contract, inUnit, unitOf, withStore } from './backend.ts'
import { day, event, LAYOUT, prepareVersion, row, rowsOf, write } from './fixtures.ts'

export function transactionContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`units of work on ${backend.name}`, () => {
    test('run one after another, in the order they were asked for', async (store) => {
      const order: string[] = []
      const run = (name: string): Promise<void> =>
        store.transaction(async () => {
          order.push(`${name} begins`)
          await Promise.resolve()
          await store.ledger.head()
          order.push(`${name} ends`)
        })
      await Promise.all([run('a'), run('b'), run('c')])
      assert.deepEqual(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    })

    test('everything of a failed one is undone, the next one works', async (store) => {
      const failed = inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'm', { rows: [row(day(1))] })])
        await store.ledger.append(unit, [event('a')])
        throw new Error('no')
      })
      await assert.rejects(failed, { message: 'no' })
      assert.deepEqual(await store.versions.list(), [])
      assert.equal(await store.ledger.head(), 0)
      await inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'm', { rows: [row(day(2))] })])
      })
      const rows = await rowsOf(store, 'history', 'member', ['valid_from'])
      assert.deepEqual(
        rows.map((r) => r['valid_from']),
        [day(2).toString()],
      )
    })

    test('one that has ended, or is begun inside another, is refused', async (store) => {
      let ended: Unit | undefined
      await store.transaction(async (tx) => {
        ended = unitOf(tx)
      })
      await assert.rejects(store.ledger.append(ended as Unit, [event('a')]), StorageError)
      await assert.rejects(
        store.transaction(() => store.transaction(async () => undefined)),
        StorageError,
      )
      assert.equal(await store.ledger.head(), 0)
    })

    test('reads without a unit see what is committed', async (store) => {
      let read: Promise<number> | undefined
      await Promise.all([
        inUnit(store, async (unit) => {
          await store.ledger.append(unit, [event('a')])
          await new Promise((resolve) => setImmediate(resolve))
        }),
        new Promise<void>((resolve) => {
          setImmediate(() => {
            read = store.ledger.head()
            resolve()
          })
        }),
      ])
      assert.ok([0, 1].includes(await (read as Promise<number>)))
      assert.equal(await store.ledger.head(), 1)
    })

    if (backend.shared) {
      api.it('two openings of one space append without gaps and see each other', async () => {
        const space = await backend.space()
        const stores = await Promise.all([space.open(), space.open()])
        const [first, second] = stores as [Store, Store]
        try {
          assert.equal(first.spaceId, second.spaceId)
          const appends = Array.from({ length: 20 }, (_, i) => {
            const store = i % 2 === 0 ? first : second
            return inUnit(store, async (unit) => {
              await new Promise((resolve) => setImmediate(resolve))
              return store.ledger.append(unit, [event(`e${i}`), event('shared')])
            })
          })
          const sequences = (await Promise.all(appends))
            .flat()
            .filter((r) => r.inserted)
            .map((r) => r.sequence)
          assert.deepEqual(
            sequences.sort((a, b) => a - b),
            Array.from({ length: 21 }, (_, i) => i + 1),
          )
          assert.deepEqual([await first.ledger.head(), await second.ledger.head()], [21, 21])
        } finally {
          for (const store of stores) await store.close()
          await space.dispose()
        }
      })

      api.it('a space keeps its id and data when it is opened again', async () => {
        const space = await backend.space()
        try {
          const first = await space.open()
          await inUnit(first, (unit) => first.ledger.append(unit, [event('a')]))
          await first.close()
          await first.close()
          const second = await space.open()
          assert.equal(second.spaceId, first.spaceId)
          assert.equal(await second.ledger.head(), 1)
          await second.close()
          await assert.rejects(second.ledger.head(), StorageError)
        } finally {
          await space.dispose()
        }
      })
    }
  })
}

export function queryContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, async (unit) => {
          await prepareVersion(store, unit)
          const writes = Array.from({ length: 25 }, (_, i) =>
            write('member', `m${String(i).padStart(2, '0')}`, {
              rows: [row(day(1), { properties: { loans: i === 24 ? 2n ** 60n : i } })],
            }),
          )
          await store.history.write(unit, 'live', LAYOUT, writes)
        })
        await store.reader.refresh()
        await work(store)
      }),
    )

  api.describe(`guarded reads on ${backend.name}`, () => {
    test('give columns and rows, whole or in batches', async (store) => {
      const member = store.reader.relation('v1', 'history', 'member')
      const sql = `select member_id as id, loans from ${member} order by member_id`
      const { columns, rows } = await store.reader.all(sql, [])
      assert.deepEqual(columns, ['id', 'loans'])
      assert.deepEqual(rows[0], ['m00', 0])
      assert.deepEqual(rows[24], ['m24', 2n ** 60n])
      const streamed: unknown[][] = []
      for await (const batch of store.reader.stream(sql, [], { batchSize: 10 })) {
        assert.deepEqual(batch.columns, ['id', 'loans'])
        assert.ok(batch.rows.length <= 10)
        streamed.push(...batch.rows)
      }
      assert.deepEqual(streamed, rows)
    })

    test('an unfinished stream does not stand in the way of writers or later reads', async (store) => {
      const member = store.reader.relation('v1', 'history', 'member')
      const stream = store.reader.stream(`select member_id from ${member}`, [], { batchSize: 2 })
      const batches = stream[Symbol.asyncIterator]()
      await batches.next()
      await inUnit(store, async (unit) => {
        await store.history.beginShadow(unit, LAYOUT)
        await store.history.swapShadow(unit, LAYOUT)
      })
      assert.deepEqual((await store.reader.all(`select count(*) from ${member}`, [])).rows, [[0]])
      let rest = 2
      for (let next = await batches.next(); next.done !== true; next = await batches.next())
        rest += next.value.rows.length
      assert.equal(rest, 25)
    })

    test('nothing but history can be read, and nothing written', async (store) => {
      const member = store.reader.relation('v1', 'history', 'member')
      const refused = [
        'select * from ledger',
        'select count(*) from identity',
        'select * from build_state',
        `select (select max(raw) from ledger) from ${member}`,
        `delete from ${member}`,
        `update ${member} set member_state = 'x'`,
        `drop table ${member}`,
        'create table mine (a text)',
      ]
      for (const sql of refused) {
        await assert.rejects(store.reader.all(sql, []), QueryError, sql)
        await assert.rejects(
          async () => {
            for await (const _ of store.reader.stream(sql, []));
          },
          QueryError,
          sql,
        )
      }
      assert.equal((await store.reader.all(`select count(*) from ${member}`, [])).rows[0]?.[0], 25)
    })

    test('stop at their time limit or signal', async (store) => {
      const member = store.reader.relation('v1', 'history', 'member')
      const sql = `select a.member_id from ${member} a, ${member} b, ${member} c, ${member} d, ${member} e`
      await assert.rejects(store.reader.all(sql, [], { timeoutMs: 1 }), QueryError)
      const signal = AbortSignal.abort(new Error('stopped'))
      await assert.rejects(store.reader.all(sql, [], { signal }), { message: 'stopped' })
      await assert.rejects(store.reader.all('select 1 from nowhere', []), QueryError)
    })
  })
}
