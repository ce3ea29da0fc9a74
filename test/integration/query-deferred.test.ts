/** Queries whose rows come from elsewhere: every step works on them as on tables, in every database. */
import assert from 'node:assert/strict'
import { beforeAll, it } from 'vitest'
import type { Column } from '../../src/query/column.ts'
import { deferredQuery } from '../../src/query/deferred.ts'
import { count, desc, sum } from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'

const COLUMNS: readonly Column[] = [
  { name: 'id', type: 'string' },
  { name: 'seats', type: 'integer' },
  { name: 'score', type: 'number' },
  { name: 'active', type: 'boolean' },
  { name: 'at', type: 'datetime' },
]
const AT = '2024-01-15T10:30:45.123456+00:00'
const ODD = 'a,\'"\\ü😀\u2028\u007f{}$1?'
const ROWS = [
  ['a', 5, 0.1, true, AT],
  [ODD, 2n ** 60n, -5e-324, false, '0001-01-01T00:00:00+00:00'],
  ['b', null, 1.7976931348623157e308, null, null],
  [null, -9007199254740993n, 3, null, '9999-12-31T23:59:59.999999+00:00'],
]
interface Shape {
  id: string | null
  seats: number | bigint | null
  score: number | null
  active: boolean | null
  at: string | null
}
const OBJECTS = ROWS.map((row) => Object.fromEntries(COLUMNS.map(({ name }, i) => [name, row[i]])))

for (const backend of BACKENDS) {
  backend.describe(`deferred rows on ${backend.name}`, () => {
    let store: AnyQueryStore
    let loads = 0
    let query: TableQuery<Shape>

    beforeAll(async () => {
      store = await backend.open()
      await insertCustomers(store)
      query = deferred(ROWS)
      return () => store.close()
    })

    function deferred(rows: readonly (readonly unknown[])[]): TableQuery<Shape> {
      return deferredQuery<Shape>(store.root.table('customer').context, COLUMNS, async () => {
        loads += 1
        return rows
      })
    }

    const sorted = <R extends object>(rows: readonly R[]): R[] => [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1))
    const key = (row: object): string => JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? `${v}` : v))

    it('are the same with and without the database', async () => {
      assert.deepEqual(await query.rows(), OBJECTS)
      assert.deepEqual(sorted(await query.filter((r) => r.score.notNull()).rows()), sorted(OBJECTS))
      const dates = await query.filter({ id: 'a' }).rows({ dates: 'date' })
      assert.deepEqual(dates, await query.limit(1).rows({ dates: 'date' }))
    })

    it('take every step', async () => {
      assert.deepEqual(await query.orderBy('id').select('id').rows(), [
        { id: 'a' },
        { id: ODD },
        { id: 'b' },
        { id: null },
      ])
      assert.deepEqual(await query.filter({ at: { gt: '2024-01-15T11:30:45.123455+01:00' } }).count(), 2)
      assert.deepEqual(await query.filter({ active: true }).select('id', 'at').rows(), [{ id: 'a', at: AT }])
      assert.deepEqual(
        await query
          .mutate({ id: (r) => r.id.upper() })
          .filter({ id: 'B' })
          .count(),
        1,
      )
      assert.deepEqual(await query.groupBy('active').agg({ n: count() }).orderBy(desc('n'), 'active').rows(), [
        { active: null, n: 2 },
        { active: false, n: 1 },
        { active: true, n: 1 },
      ])
      assert.deepEqual(
        await query
          .filter({ id: ['a', 'b'] })
          .agg({ seats: sum('seats') })
          .rows(),
        [{ seats: 5 }],
      )
      assert.equal(await query.union(query).count(), 8)
      assert.equal(await query.union(query, { distinct: true }).count(), 4)
      assert.equal(await query.distinct().count(), 4)
      assert.deepEqual(await query.limit(2, { offset: 1 }).limit(5, { offset: 1 }).rows(), [OBJECTS[2]])
      assert.equal(await query.limit(3).count(), 3)
      assert.deepEqual(await query.first(), OBJECTS[0])
    })

    it('join with tables', async () => {
      const customers = store.root.table('customer').select('customer_id', 'plan')
      const joined = query.join(customers, { left: 'id', right: 'customer_id' }).select('id', 'plan', 'score')
      assert.deepEqual(await joined.orderBy('id').rows(), [
        { id: 'a', plan: 'pro', score: 0.1 },
        { id: 'b', plan: 'Pro', score: 1.7976931348623157e308 },
      ])
      const kept = customers.join(query, { left: 'customer_id', right: 'id', how: 'anti' })
      assert.deepEqual(await kept.orderBy('customer_id').rows(), [
        { customer_id: 'c', plan: null },
        { customer_id: 'd', plan: '100%_[x]*?' },
      ])
    })

    it('stream', async () => {
      const read = async (rows: TableQuery<Shape>): Promise<Shape[]> => {
        const out: Shape[] = []
        for await (const row of rows.stream({ batchSize: 3 })) out.push(row)
        return out
      }
      assert.deepEqual(await read(query), OBJECTS)
      assert.deepEqual(await read(query.limit(1, { offset: 3 })), [OBJECTS[3]])
      assert.deepEqual(sorted(await read(query.filter((r) => r.score.notNull()))), sorted(OBJECTS))
    })

    it('are fetched once per terminal, and again by the next', async () => {
      loads = 0
      await query.union(query).orderBy('id').rows()
      assert.equal(loads, 1)
      await query.first()
      assert.equal(loads, 2)
    })

    it('keep their columns when there are none', async () => {
      const none = deferred([])
      assert.deepEqual(none.columns, ['id', 'seats', 'score', 'active', 'at'])
      assert.deepEqual(await none.rows(), [])
      assert.deepEqual(await none.filter({ seats: { gt: 1 } }).rows(), [])
      assert.deepEqual(await none.agg({ n: count(), seats: sum('seats') }).rows(), [{ n: 0, seats: null }])
    })

    it('hold what the database can hold of a text', async () => {
      const odd = deferred([['nul \0 \\u0000', 1, 1, null, null]])
      const stored = backend.name === 'Postgres' ? 'nul \ufffd \\u0000' : 'nul \0 \\u0000'
      assert.deepEqual(await odd.select('id').rows(), [{ id: stored }])
    })

    it('say that there is no SQL before they are fetched', async () => {
      assert.throws(() => query.filter({ id: 'a' }).sql(), { name: 'QueryError', code: 'E_QUERY_DEFERRED' })
    })
  })
}
