import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QueryError } from '../../src/errors.ts'
import {
  and,
  avg,
  col,
  count,
  countDistinct,
  desc,
  first,
  last,
  lit,
  max,
  min,
  or,
  sql,
  sum,
} from '../../src/query/expression.ts'
import type { QueryRoot } from '../../src/query/root.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'
import { openQueryStore } from '../support/query-store.ts'

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'
const MAR = '2024-03-01T00:00:00+00:00'

for (const backend of BACKENDS)
  backend.describe(`queries on ${backend.name}`, () => {
    let store: AnyQueryStore
    let root: QueryRoot
    beforeAll(async () => {
      store = await backend.open()
      root = store.root
      await insertCustomers(store)
    })
    afterAll(() => store.close())

    const ids = async (query: { rows(): Promise<Record<string, unknown>[]> }): Promise<unknown[]> =>
      (await query.rows()).map((row) => row.customer_id).sort()

    describe('tables and history', () => {
      it('table() returns current rows, typed, without hidden columns', async () => {
        const rows = await root.table('customer').orderBy('customer_id').rows()
        expect(rows.map((row) => row.customer_id)).toEqual(['a', 'b', 'c', 'd'])
        expect(rows[0]).toEqual({
          customer_id: 'a',
          customer_state: 'paying',
          plan: 'pro',
          mrr: 100,
          seats: 5,
          active: true,
          signup: '2024-01-15T10:30:45.123456+00:00',
          valid_from: FEB,
          valid_to: null,
          merged_into: null,
          last_event_time: JAN,
          state_entered_time: JAN,
          created_time: JAN,
        })
        expect(rows[2]?.seats).toBe(2n ** 60n)
        expect(rows[1]?.active).toBe(false)
        expect(rows[2]?.active).toBeNull()
      })

      it('hidden columns are returned when asked for', async () => {
        expect(
          await root.history('customer').filter({ customer_id: 'a' }).select('_sequence').orderBy('_sequence').rows(),
        ).toEqual([{ _sequence: 1 }, { _sequence: 2 }])
      })

      it('dates come as Date on request', async () => {
        const row = await root.table('customer').filter({ customer_id: 'a' }).first({ dates: 'date' })
        expect(row?.valid_from).toEqual(new Date(FEB))
        expect(row?.valid_to).toBeNull()
      })

      it('asOf takes text, plain dates, offsets, Date and epoch milliseconds', async () => {
        const at = async (instant: string | number | Date): Promise<unknown> =>
          (await root.history('customer').asOf(instant).filter({ customer_id: 'a' }).rows()).map(
            (row) => row.customer_state,
          )
        expect(await at('2024-01-31')).toEqual(['lead'])
        expect(await at('2024-02-01T00:30:00+01:00')).toEqual(['lead'])
        expect(await at('2024-02-01')).toEqual(['paying'])
        expect(await at(new Date(FEB))).toEqual(['paying'])
        expect(await at(Date.parse(FEB) - 1)).toEqual(['lead'])
        expect(await at('2023-12-31')).toEqual([])
      })

      it('asOf on table(), a bad instant and after select are errors', () => {
        expect(() => root.table('customer').asOf(JAN)).toThrow(/use history\(\)/)
        expect(() => root.history('customer').asOf('soon')).toThrow(/not an instant/)
        expect(() => root.history('customer').select('mrr').asOf(JAN)).toThrow(QueryError)
      })

      it('unknown types name what exists and the closest spelling', () => {
        expect(() => root.table('custmer')).toThrow(/did you mean 'customer'.*customer, order/)
        expect(() => root.table('placed_order')).toThrow(/relationship\('placed_order'\)/)
        expect(() => root.relationship('placed_ordr')).toThrow(/did you mean 'placed_order'/)
        expect(() => root.table('__proto__')).toThrow(/No entity type/)
      })

      it('relationships: current edges, history, the inverse name, the view', async () => {
        expect(await root.relationship('placed_order').select('source_id', 'target_id', 'channel').rows()).toEqual([
          { source_id: 'a', target_id: 'o1', channel: 'web' },
        ])
        expect(await root.relationship('placed_order', { history: true }).count()).toBe(2)
        expect(await root.relationship('placed_order', { history: true }).asOf('2024-01-02').count()).toBe(2)
        const inverse = await root.relationship('ordered_by').first()
        expect([inverse?.source_id, inverse?.target_id, inverse?.relationship_type]).toEqual(['o1', 'a', 'ordered_by'])
        expect(await root.relationships().count()).toBe(1)
        expect(root.relationships().columns).toEqual([
          'source_id',
          'target_id',
          'relationship_type',
          'valid_from',
          'valid_to',
        ])
      })

      it('collections', async () => {
        const all = root.tables()
        expect([...all].map(([name]) => name)).toEqual(['customer', 'order', 'rel_placed_order'])
        expect(all.size).toBe(3)
        expect([...root.tables('order')].map(([name]) => name)).toEqual(['order', 'rel_placed_order'])
        expect([...root.tables({ types: ['order'], relationships: false })].map(([name]) => name)).toEqual(['order'])
        expect((await all.history().toRows()).rel_placed_order).toHaveLength(2)
        expect(() => all.get('ordr')).toThrow(/did you mean 'order'/)
      })
    })

    describe('filter', () => {
      const by = async (where: Parameters<ReturnType<QueryRoot['table']>['filter']>[0]): Promise<unknown[]> =>
        ids(root.table('customer').filter(where))

      it('object form', async () => {
        expect(await by({ mrr: { gt: 0 } })).toEqual(['a', 'b'])
        expect(await by({ mrr: { gte: 50.5, lt: 100 } })).toEqual(['b'])
        expect(await by({ mrr: { lte: 0 } })).toEqual(['d'])
        expect(await by({ plan: 'pro' })).toEqual(['a'])
        expect(await by({ plan: { ne: 'pro' } })).toEqual(['b', 'd'])
        expect(await by({ plan: ['pro', 'Pro'] })).toEqual(['a', 'b'])
        expect(await by({ plan: { notIn: ['pro', 'Pro'] } })).toEqual(['d'])
        expect(await by({ customer_id: { in: [] } })).toEqual([])
        expect(await by({ customer_id: { notIn: [] } })).toEqual(['a', 'b', 'c', 'd'])
        expect(await by({ mrr: { between: [50.5, 100] } })).toEqual(['a', 'b'])
        expect(await by({ mrr: { isNull: true } })).toEqual(['c'])
        expect(await by({ mrr: { isNull: false } })).toEqual(['a', 'b', 'd'])
        expect(await by({ mrr: { notNull: true } })).toEqual(['a', 'b', 'd'])
        expect(await by({ active: true })).toEqual(['a', 'd'])
        expect(await by({ seats: 2n ** 60n })).toEqual(['c'])
        expect(await by({ signup: { gt: '2024-01-15T12:30:45+02:00' } })).toEqual(['a', 'b'])
        expect(await by({ signup: new Date(MAR) })).toEqual(['b'])
        expect(await by({ or: [{ plan: 'pro' }, { mrr: { isNull: true } }] })).toEqual(['a', 'c'])
        expect(await by({ not: { plan: 'pro' }, active: true })).toEqual(['d'])
        expect(await by({})).toEqual(['a', 'b', 'c', 'd'])
      })

      it('patterns mean what they say', async () => {
        expect(await by({ plan: { like: 'pr%' } })).toEqual(['a'])
        expect(await by({ plan: { ilike: 'PR_' } })).toEqual(['a', 'b'])
        expect(await by({ plan: { like: '100\\%\\_[x]*?' } })).toEqual(['d'])
        expect(await by({ plan: { like: '%[x]%' } })).toEqual(['d'])
        expect(await by({ plan: { ilike: '100\\%%' } })).toEqual(['d'])
        expect(await by({ plan: { startsWith: '100%' } })).toEqual(['d'])
        expect(await by({ plan: { contains: '_[' } })).toEqual(['d'])
        expect(await by({ plan: { contains: '' } })).toEqual(['a', 'b', 'd'])
        expect(() => root.table('customer').filter({ plan: { like: 'x\\' } })).toThrow(/backslash/)
      })

      it('callback form', async () => {
        expect(await by((r) => r.mrr!.gt(0).and(r.active!.eq(true)))).toEqual(['a'])
        expect(await by((r) => or(r.plan!.eq('pro'), r.mrr!.isNull()))).toEqual(['a', 'c'])
        expect(await by((r) => and(r.plan!.notNull(), r.plan!.eq('pro').not()))).toEqual(['b', 'd'])
        expect(await by(col('seats').gt(col('mrr')))).toEqual(['d'])
        expect(await by((r) => sql<boolean>`${r.mrr} > ${50} and ${r.plan} <> ${"x' or 1=1 --"}`)).toEqual(['a', 'b'])
      })

      it('says what is wrong while the query is built', () => {
        const table = root.table('customer')
        expect(() => table.filter({ mmr: 1 })).toThrow(/no column "mmr" \(did you mean 'mrr'\?\)/)
        expect(() => table.filter((r) => r.sate!.eq('x'))).toThrow(/no column "sate"/)
        expect(() => table.filter({ mrr: 'much' })).toThrow(/needs number, the given value is string/)
        expect(() => table.filter({ plan: 5 })).toThrow(/needs string/)
        expect(() => table.filter({ active: 1 })).toThrow(/needs boolean/)
        expect(() => table.filter({ signup: 'yesterday' })).toThrow(/needs datetime/)
        expect(() => table.filter({ plan: null })).toThrow(/use isNull\(\)/)
        expect(() => table.filter((r) => r.plan!.ne(null))).toThrow(/use notNull\(\)/)
        expect(() => table.filter({ plan: undefined })).toThrow(/undefined/)
        expect(() => table.filter({ mrr: { graeter: 1 } as never })).toThrow(/no operator 'graeter'/)
        expect(() => table.filter({ mrr: Number.NaN })).toThrow(/NaN/)
        expect(() => table.filter((r) => r.plan!.eq(r.mrr!))).toThrow(/does not go together/)
        expect(() => table.filter((r) => r.active!.gt(true))).toThrow(/no order/)
        expect(() => table.filter((r) => r.mrr as never)).toThrow(/must be boolean/)
        expect(() => table.filter(() => true as never)).toThrow(/must return an expression/)
        expect(() => table.filter(() => count().gt(1))).toThrow(/aggregates belong into agg/)
        expect(() => table.filter(JSON.parse('{"__proto__": 1}'))).toThrow(/no column "__proto__"/)
        expect(() => table.filter((r) => r.mrr!.lower().eq('x'))).toThrow(/lower needs string/)
        expect(() => sql('drop' as never)).toThrow(/template tag/)
      })

      it('errors carry a code and the suggestion, never values', () => {
        try {
          root.table('customer').filter({ mmr: 'secret-value' })
          expect.unreachable()
        } catch (error) {
          expect(error).toBeInstanceOf(QueryError)
          expect((error as QueryError).code).toBe('E_QUERY_UNKNOWN_COLUMN')
          expect((error as QueryError).details.suggestion).toBe('mrr')
          expect(String(error)).not.toContain('secret-value')
        }
      })
    })

    describe('steps', () => {
      it('select, drop, rename, mutate', async () => {
        const a = root.table('customer').filter({ customer_id: 'a' })
        expect(await a.select('plan', 'mrr').rows()).toEqual([{ plan: 'pro', mrr: 100 }])
        expect(await a.select({ double: (r) => r.mrr!.mul(2), plan: col('plan') }).rows()).toEqual([
          { double: 200, plan: 'pro' },
        ])
        expect(a.drop('plan', 'mrr').columns).not.toContain('plan')
        expect(await a.select('plan').rename({ plan: 'tier' }).rows()).toEqual([{ tier: 'pro' }])
        const year = a.mutate({ arr: (r) => r.mrr!.mul(12), plan: lit('x') }).filter({ arr: { gt: 1000 } })
        expect(await year.select('arr', 'plan').rows()).toEqual([{ arr: 1200, plan: 'x' }])
        expect(() => a.select('pln')).toThrow(/did you mean 'plan'/)
        expect(() => a.drop('pln')).toThrow(/pln/)
        expect(() => a.rename({ plan: 'mrr' })).toThrow(/two columns are called "mrr"/)
        expect(() => a.rename({ pln: 'x' })).toThrow(/pln/)
        const twice = a.join(root.table('customer'), 'customer_id')
        expect(() => twice.join(root.table('customer'), 'customer_id')).toThrow(/suffixes.*two columns are called/)
      })

      it('orders with nulls last in both directions', async () => {
        const order = async (...keys: never[]): Promise<unknown[]> =>
          (
            await root
              .table('customer')
              .orderBy(...keys)
              .rows()
          ).map((row) => row.customer_id)
        expect(await order('mrr' as never)).toEqual(['d', 'b', 'a', 'c'])
        expect(await order(desc('mrr') as never)).toEqual(['a', 'b', 'd', 'c'])
        expect(await order(desc('customer_state') as never, ((r: { mrr: typeof col }) => r.mrr) as never)).toEqual([
          'b',
          'a',
          'd',
          'c',
        ])
      })

      it('limit, offset, first, count', async () => {
        const sorted = root.table('customer').orderBy('customer_id')
        expect(await ids(sorted.limit(2, { offset: 1 }))).toEqual(['b', 'c'])
        expect(await ids(sorted.limit(3).limit(2, { offset: 2 }))).toEqual(['c'])
        expect(
          await sorted
            .limit(3)
            .filter({ mrr: { notNull: true } })
            .count(),
        ).toBe(2)
        expect(await sorted.limit(0).rows()).toEqual([])
        expect((await sorted.first())?.customer_id).toBe('a')
        expect(await sorted.filter({ plan: 'none' }).first()).toBeUndefined()
        expect(await root.table('customer').count()).toBe(4)
        expect(() => sorted.limit(-1)).toThrow(QueryError)
        const turned = await sorted
          .limit(3)
          .filter({ customer_id: { ne: 'b' } })
          .rows()
        expect(turned.map((row) => row.customer_id)).toEqual(['a', 'c'])
      })

      it('groupBy, agg, having', async () => {
        const grouped = root
          .table('customer')
          .groupBy('customer_state')
          .agg({
            n: count(),
            withPlan: count('plan'),
            plans: countDistinct('plan'),
            total: sum('mrr'),
            mean: avg('mrr'),
            low: min('mrr'),
            high: max('seats'),
            share: sum('mrr').div(count()),
          })
        expect(await grouped.orderBy('customer_state').rows()).toEqual([
          {
            customer_state: 'lead',
            n: 2,
            withPlan: 1,
            plans: 1,
            total: -7.5,
            mean: -7.5,
            low: -7.5,
            high: 2n ** 60n,
            share: -3.75,
          },
          {
            customer_state: 'paying',
            n: 2,
            withPlan: 2,
            plans: 2,
            total: 150.5,
            mean: 75.25,
            low: 50.5,
            high: 5,
            share: 75.25,
          },
        ])
        expect(
          await grouped
            .filter({ total: { gt: 0 } })
            .select('customer_state')
            .rows(),
        ).toEqual([{ customer_state: 'paying' }])
        const big = root
          .table('customer')
          .groupBy('customer_state')
          .having(() => sum('mrr').gt(0))
          .agg({ n: count() })
        expect(await big.rows()).toEqual([{ customer_state: 'paying', n: 2 }])
        expect(
          await root
            .table('customer')
            .agg({ n: count(), sum: sum('mrr') })
            .rows(),
        ).toEqual([{ n: 4, sum: 143 }])
        expect(
          await root
            .table('customer')
            .filter({ plan: 'none' })
            .agg({ n: count(), sum: sum('mrr') })
            .rows(),
        ).toEqual([{ n: 0, sum: null }])
        expect(
          await root
            .table('customer')
            .mutate({ y: (r) => r.valid_from!.month() })
            .groupBy('y')
            .agg({ n: count() })
            .orderBy('y')
            .rows(),
        ).toEqual([
          { y: 1, n: 2 },
          { y: 2, n: 1 },
          { y: 3, n: 1 },
        ])
        expect(() =>
          root
            .table('customer')
            .groupBy('plan')
            .agg({ x: col('mrr') }),
        ).toThrow(/neither a grouping key nor/)
        expect(() =>
          root
            .table('customer')
            .groupBy('plan')
            .agg({ x: sum(sum('mrr')) }),
        ).toThrow(/aggregate inside an aggregate/)
        expect(() =>
          root
            .table('customer')
            .groupBy('plan')
            .agg({ x: sum('plan') }),
        ).toThrow(/sum needs numeric/)
        expect(() => root.table('customer').groupBy('plna')).toThrow(/did you mean 'plan'/)
      })

      it('first and last follow an order', async () => {
        const history = root.history('customer').groupBy('customer_id')
        const rows = await history
          .agg({
            from: first('plan'),
            to: last('plan'),
            big: last('seats', { orderBy: desc('valid_from') }),
            on: last('active'),
          })
          .orderBy('customer_id')
          .rows()
        expect(rows[0]).toEqual({ customer_id: 'a', from: 'free', to: 'pro', big: null, on: true })
        expect(rows[2]).toEqual({ customer_id: 'c', from: null, to: null, big: 2n ** 60n, on: null })
      })

      it('distinct and union', async () => {
        const states = root.history('customer').select('customer_state')
        expect((await states.distinct().orderBy('customer_state').rows()).map((row) => row.customer_state)).toEqual([
          'lead',
          'paying',
        ])
        expect(await states.distinct().count()).toBe(2)
        const plans = root.table('customer').select('plan', 'mrr')
        const totals = root.table('order').select('total', 'plan').rename({ total: 'mrr' })
        const both = plans.union(totals as never)
        expect(await both.count()).toBe(6)
        expect(await both.filter({ plan: 'pro' }).orderBy('mrr').rows()).toEqual([
          { plan: 'pro', mrr: 10 },
          { plan: 'pro', mrr: 100 },
        ])
        expect(await plans.union(plans, { distinct: true }).count()).toBe(4)
        expect(await plans.limit(1).union(plans.limit(2)).count()).toBe(3)
        expect(() => plans.union(root.table('order').select('plan') as never)).toThrow(
          /2 columns on one side, 1 on the other/,
        )
        expect(() => plans.union(root.table('order').select('plan', 'total') as never)).toThrow(/no column "mrr"/)
      })

      it('joins', async () => {
        const customers = root.table('customer').select('customer_id', 'plan')
        const edges = root.relationship('placed_order').select('source_id', 'target_id')
        const orders = root.table('order').select('order_id', 'plan')
        const joined = customers.join(edges, { left: 'customer_id', right: 'source_id' })
        expect(await joined.rows()).toEqual([{ customer_id: 'a', plan: 'pro', source_id: 'a', target_id: 'o1' }])
        expect(await customers.join(edges, { left: 'customer_id', right: 'source_id', how: 'left' }).count()).toBe(4)
        expect(await customers.join(edges, { left: 'customer_id', right: 'source_id' }, { how: 'anti' }).count()).toBe(
          3,
        )
        expect(
          await customers.join(edges, { left: 'customer_id', right: 'source_id' }, { how: 'semi' }).rows(),
        ).toEqual([{ customer_id: 'a', plan: 'pro' }])
        expect(await customers.join(orders, 'plan').rows()).toEqual([
          { customer_id: 'a', plan: 'pro', order_id: 'o1', plan_right: 'pro' },
        ])
        const full = customers.join(orders, (l, r) => l.plan!.eq(r.plan!), { how: 'full', suffixes: ['_c', '_o'] })
        expect(full.columns).toEqual(['customer_id', 'plan_c', 'order_id', 'plan_o'])
        expect(await full.count()).toBe(5)
        const unequal = customers.join(orders, (l, r) => l.plan!.gte(r.plan!), { how: 'full' })
        expect(await unequal.orderBy('customer_id', 'order_id').select('customer_id', 'order_id').rows()).toEqual([
          { customer_id: 'a', order_id: 'o1' },
          { customer_id: 'b', order_id: null },
          { customer_id: 'c', order_id: null },
          { customer_id: 'd', order_id: null },
          { customer_id: null, order_id: 'o2' },
        ])
        expect(() => customers.join(orders, { left: 'plan', right: 'pln' } as never)).toThrow(/did you mean 'plan'/)
        expect(() => customers.join(openQueryStore().root.table('order'), 'plan' as never)).toThrow(/same store/)
      })

      it('streams in batches', async () => {
        const seen: unknown[] = []
        for await (const row of root.table('customer').orderBy('customer_id').stream({ batchSize: 3 }))
          seen.push(row.customer_id)
        expect(seen).toEqual(['a', 'b', 'c', 'd'])
      })

      it('sql() binds every value', async () => {
        const { text, params } = root
          .table('customer')
          .filter({ plan: "x' or 1=1", mrr: { gt: 5 } })
          .limit(3)
          .sql()
        expect(text).not.toContain('1=1')
        expect(params).toEqual(["x' or 1=1", 5n, 3n])
        expect(text).toMatch(/^select t0\."customer_id" as "customer_id"/)
      })

      it('folds simple steps into one SELECT', () => {
        const { text } = root
          .table('customer')
          .filter({ plan: 'pro' })
          .mutate({ arr: (r) => r.mrr!.mul(12) })
          .filter({ arr: { gt: 1 } })
          .select('arr')
          .orderBy('arr')
          .limit(1)
          .sql()
        expect(text.match(/select/g)).toHaveLength(1)
      })
    })
  })
