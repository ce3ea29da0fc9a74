/** Random queries over random tables: every database must return the rows that plain evaluation in memory gives. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { count, desc, type Expr, first, last, lit } from '../../src/query/expression.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { INSTANTS, INTEGERS, NUMBERS, TEXTS } from '../support/query-expressions.ts'
import { compareNullable, names, plain, type Row, shown, type Value } from '../support/query-oracle.ts'
import { type Histories, type Pipeline, pipeline } from '../support/query-pipelines.ts'
import { type Cells, entityRow } from '../support/query-store.ts'

const maybe = <T>(values: readonly T[]): fc.Arbitrary<T | null> => fc.option(fc.constantFrom(...values), { freq: 5 })
const ids = ['a', 'b', 'c', 'd', 'ü', '😀']
const customer = fc.record({
  customer_id: fc.constantFrom(...ids),
  customer_state: fc.constantFrom('lead', 'paying'),
  plan: maybe(TEXTS),
  mrr: maybe(NUMBERS),
  seats: maybe(INTEGERS),
  active: maybe([true, false]),
  signup: maybe(INSTANTS),
  valid_from: fc.constantFrom(...INSTANTS),
  valid_to: fc.option(fc.constantFrom(...INSTANTS), { freq: 1 }),
  merged_into: fc.option(fc.constantFrom(...ids), { freq: 3 }),
})
const order = fc.record({
  order_id: fc.uuid(),
  total: maybe(NUMBERS),
  plan: maybe(TEXTS),
  valid_from: fc.constantFrom(...INSTANTS),
  valid_to: fc.constant(null),
  merged_into: fc.constant(null),
})
const histories: fc.Arbitrary<Histories> = fc.record({
  customer: fc.uniqueArray(customer, { maxLength: 14, selector: (row) => `${row.customer_id} ${row.valid_from}` }),
  order: fc.uniqueArray(order, { maxLength: 8, selector: (row) => row.order_id }),
})
/** One table is empty. */
const TABLES: readonly Histories[] = [
  { customer: [], order: [] },
  ...fc.sample(histories, { numRuns: 4, seed: 20_240_115 }),
]

for (const backend of BACKENDS)
  backend.describe(`random queries on ${backend.name}`, () => {
    const stores: AnyQueryStore[] = []
    beforeAll(async () => {
      for (const tables of TABLES) stores.push(await filled(tables))
    }, 60_000)
    afterAll(async () => {
      for (const store of stores) await store.close()
    })

    async function filled(tables: Histories): Promise<AnyQueryStore> {
      const store = await backend.open()
      for (const type of ['customer', 'order'] as const) {
        const rows = tables[type].map((row) => entityRow(type, String(row[`${type}_id`]), 'lead', row as Cells))
        if (rows.length > 0) await store.insert(`${type}_history`, ...rows)
      }
      return store
    }

    async function check(made: Pipeline, store: AnyQueryStore): Promise<void> {
      const query = made.query(store.root)
      expect(query.columns).toEqual(names(made.frame))
      const rows = await query.rows()
      const all = names(made.frame)
      expect(shown(rows, all)).toEqual(shown(made.frame.rows, all))
      expect(await query.count()).toBe(made.frame.rows.length)
      const streamed: unknown[] = []
      for await (const row of query.stream({ batchSize: 3 })) streamed.push(row)
      expect(shown(streamed as Row[], all)).toEqual(shown(made.frame.rows, all))
    }

    it('give the rows their steps say', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: TABLES.length - 1 }), fc.gen(), async (which, g) => {
          const made = pipeline(g, TABLES[which] as Histories)
          try {
            await check(made, stores[which] as AnyQueryStore)
          } catch (error) {
            throw new Error(`${made.text.join('\n→ ')}\n${(error as Error).message}`)
          }
        }),
        { numRuns: 150, endOnFailure: true },
      )
    }, 120_000)

    it('found before: one row over everything stays one under a select of constants', async () => {
      for (const store of stores) {
        const all = store.root.table('customer').agg({ n: count() })
        expect(await all.select({ x: lit('one') }).rows()).toEqual([{ x: 'one' }])
        expect(
          await all
            .select({ x: lit(1) })
            .agg({ n: count() })
            .rows(),
        ).toEqual([{ n: 1 }])
        const none = store.root.table('customer').filter(lit(false)).agg({ n: count() })
        expect(
          await none
            .mutate({ x: lit(true) })
            .select('x')
            .rows(),
        ).toEqual([{ x: true }])
      }
    })

    it('found before: the last row is the one without a key', async () => {
      const store = await filled({
        customer: [],
        order: [3, null, 1].map((total, i) => ({
          order_id: `o${i}`,
          total,
          plan: `p${i}`,
          valid_from: INSTANTS[0] as string,
          valid_to: null,
          merged_into: null,
        })),
      })
      const ends = { low: first('plan', { orderBy: 'total' }), none: last('plan', { orderBy: 'total' }) }
      const turned = { high: first('plan', { orderBy: desc('total') }), too: last('plan', { orderBy: desc('total') }) }
      expect(
        await store.root
          .table('order')
          .agg({ ...ends, ...turned })
          .rows(),
      ).toEqual([{ low: 'p2', none: 'p1', high: 'p0', too: 'p1' }])
      await store.close()
    })

    it('found before: limited sides of joins by any condition are read once', async () => {
      for (const [which, store] of stores.entries()) {
        const rows = TABLES[which]?.customer.filter((row) => row.merged_into === null).length ?? 0
        const left = store.root.history('customer').orderBy('customer_id', 'valid_from').limit(3)
        const right = store.root.history('customer').orderBy(desc('customer_id'), 'valid_from').limit(2)
        const always = (l: Record<string, Expr>) => l.customer_id!.notNull()
        const never = (l: Record<string, Expr>) => l.customer_id!.isNull()
        const [some, few] = [Math.min(3, rows), Math.min(2, rows)]
        expect(await left.join(right, never as never, { how: 'full' }).count()).toBe(some + few)
        expect(await left.join(right, always as never, { how: 'full' }).count()).toBe(some * few)
        expect(await left.join(right, never as never, { how: 'anti' }).count()).toBe(some)
        expect(await left.join(right, always as never, { how: 'semi' }).count()).toBe(few === 0 ? 0 : some)
      }
    })

    it('are sorted by code points, nulls last', async () => {
      for (const [which, { customer }] of TABLES.entries()) {
        for (const column of ['plan', 'mrr', 'seats', 'signup'] as const) {
          const rows = await stores[which]!.root.history('customer').orderBy(column).select(column).rows()
          const expected = customer
            .filter((row) => row.merged_into === null)
            .map((row) => row[column] as Value)
            .toSorted((a, b) => compareNullable(a, b))
          expect(rows.map((row) => row[column])).toEqual(expected.map(plain))
        }
      }
    })
  })
