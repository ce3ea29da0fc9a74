/** Row types follow from the definitions through every step. The compiler checks this file; what it refuses fails at run time too. */
import { expect, expectTypeOf, it } from 'vitest'
import type { EntityName, HistoryRow, Row } from '../../src/definition-types.ts'
import { defineDefinitions } from '../../src/index.ts'
import type { Queries } from '../../src/queries.ts'
import {
  avg,
  caseWhen,
  col,
  count,
  countDistinct,
  lag,
  lit,
  max,
  min,
  rowNumber,
  sum,
} from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { entityRow, openQueryStore } from '../support/query-store.ts'

const SHOP = defineDefinitions({
  entities: {
    customer: {
      starts: 'lead',
      identity: { email: null },
      properties: {
        plan: { type: 'string' },
        mrr: { type: 'number' },
        seats: { type: 'integer' },
        active: { type: 'boolean' },
        signup: { type: 'datetime' },
      },
      states: { lead: null, paying: null },
    },
    order: {
      starts: 'open',
      identity: { number: null },
      properties: { total: { type: 'number' }, plan: { type: 'string' } },
      states: { open: null },
    },
  },
})
type Shop = typeof SHOP
type RowOf<Q> = Q extends TableQuery<infer R> ? R : never
/** Without `readonly`, which says nothing of values. */
type Plain<T> = { -readonly [K in keyof T]: T[K] }

const store = openQueryStore()
store.insert(
  'customer_history',
  entityRow('customer', 'a', 'lead', {
    plan: 'pro',
    mrr: 10,
    seats: 1,
    active: true,
    signup: '2024-01-01T00:00:00+00:00',
  }),
)
store.insert('order_history', entityRow('order', 'o', 'open', { total: 5, plan: 'pro' }))
/** The entry points, as an open space of these definitions has them. */
const {
  table,
  history,
}: Pick<Queries<Shop>, 'table' | 'history'> = {
  table: (type) => store.root.table(type) as never,
  history: (type) => store.root.history(type) as never,
}
const customers = table('customer')
const orders = table('order')

it('tables have the columns of their definitions', async () => {
  expectTypeOf<EntityName<Shop>>().toEqualTypeOf<'customer' | 'order'>()
  expectTypeOf(customers).toEqualTypeOf<TableQuery<Row<Shop, 'customer'>>>()
  expectTypeOf(history('order')).toExtend<TableQuery<HistoryRow<Shop, 'order'>>>()
  type Customer = RowOf<typeof customers>
  expectTypeOf<Customer['customer_id']>().toEqualTypeOf<string>()
  expectTypeOf<Customer['customer_state']>().toEqualTypeOf<'lead' | 'paying'>()
  expectTypeOf<Customer['plan']>().toEqualTypeOf<string | null>()
  expectTypeOf<Customer['mrr']>().toEqualTypeOf<number | null>()
  expectTypeOf<Customer['seats']>().toEqualTypeOf<number | bigint | null>()
  expectTypeOf<Customer['active']>().toEqualTypeOf<boolean | null>()
  expectTypeOf<Customer['signup']>().toEqualTypeOf<string | null>()
  expectTypeOf<Customer['valid_from']>().toEqualTypeOf<string>()
  expectTypeOf<HistoryRow<Shop, 'customer'>['valid_to']>().toEqualTypeOf<string | null>()
  // @ts-expect-error no such type
  expect(() => table('customr')).toThrow(/customer/)
  expect((await customers.first())?.plan).toBe('pro')
})

it('definitions that are not known in detail give untyped rows', () => {
  type Untyped = Row<{ entities: Record<string, never> }, string>
  expectTypeOf<Untyped>().toEqualTypeOf<Record<string, unknown>>()
})

it('select, drop, rename and mutate change the row', async () => {
  const picked = customers.select('plan', 'mrr')
  expectTypeOf<Plain<RowOf<typeof picked>>>().toEqualTypeOf<{ plan: string | null; mrr: number | null }>()

  const shaped = customers.select({ tier: (r) => r.plan.upper(), n: lit(1), big: col('mrr').gt(5) })
  expectTypeOf<RowOf<typeof shaped>>().toEqualTypeOf<{
    tier: string | null
    n: number | null
    big: boolean | null
  }>()

  const renamed = customers
    .select('plan', 'mrr', 'seats')
    .mutate({ arr: (r) => r.mrr.mul(12), mrr: (r) => r.seats.cast('string').coalesce('') })
    .rename({ plan: 'tier' })
    .drop('seats')
  expectTypeOf<Plain<RowOf<typeof renamed>>>().toEqualTypeOf<{
    tier: string | null
    arr: number | null
    mrr: string | null
  }>()
  expectTypeOf<Plain<RowOf<ReturnType<typeof renamed.drop<'arr'>>>>>().toEqualTypeOf<{
    tier: string | null
    mrr: string | null
  }>()
  const json = customers.select({ a: (r) => r.plan.jsonPath('$.a'), b: (r) => r.plan.jsonPath('$.b', 'integer') })
  expectTypeOf<RowOf<typeof json>>().toEqualTypeOf<{ a: string | null; b: number | null }>()
  expect(await customers.select('plan').rename({ plan: 'tier' }).rows()).toEqual([{ tier: 'pro' }])
  expect(await json.rows()).toEqual([{ a: null, b: null }])
})

it('filters, orders, limits, distinct, asOf and resolveMerges keep the row', () => {
  const same = history('customer')
    .asOf('2024-01-01')
    .resolveMerges()
    .filter({ mrr: { gt: 1 }, plan: ['a', 'b'], signup: { lt: new Date(0) }, customer_state: 'lead' })
    .filter((r) => r.mrr.between(1, 2).or(r.signup.gt('2024-01-01')))
    .orderBy('plan', (r) => r.mrr.desc())
    .limit(5, { offset: 1 })
    .distinct()
  expectTypeOf(same).toEqualTypeOf(history('customer'))
})

it('groups have their keys and measures; what may be over nothing may be null', async () => {
  const groups = customers
    .groupBy('plan', 'customer_state')
    .having((r) => sum(r.mrr).gt(1).and(count().gt(0)))
    .agg({
      n: count(),
      kinds: countDistinct('seats'),
      total: sum('mrr'),
      mean: avg('mrr'),
      low: (r) => min(r.mrr),
      latest: (r) => max(r.signup),
    })
  expectTypeOf<Plain<RowOf<typeof groups>>>().toEqualTypeOf<{
    plan: string | null
    customer_state: 'lead' | 'paying'
    n: number
    kinds: number
    total: number | null
    mean: number | null
    low: number | null
    latest: string | null
  }>()
  expectTypeOf(await customers.agg({ n: count() }).first()).toEqualTypeOf<{ n: number } | undefined>()
  expect(await groups.select('plan', 'n', 'total').rows()).toEqual([{ plan: 'pro', n: 1, total: 10 }])
})

it('windows and cases are typed', () => {
  const query = customers.select({
    n: rowNumber().over({ partitionBy: 'plan', orderBy: 'mrr' }),
    before: (r) => lag(r.mrr).over({ orderBy: 'valid_from' }),
    size: (r) => caseWhen<string>([[r.mrr.gt(5), 'big']], 'small'),
  })
  expectTypeOf<RowOf<typeof query>>().toEqualTypeOf<{ n: number | null; before: number | null; size: string | null }>()
})

it('joins have both sides; shared names get suffixes, missing rows nulls', async () => {
  const left = customers.select('customer_id', 'plan')
  const right = orders.select('order_id', 'plan', 'total')
  const inner = left.join(right, 'plan')
  expectTypeOf<Plain<RowOf<typeof inner>>>().toEqualTypeOf<{
    customer_id: string
    plan: string | null
    order_id: string
    plan_right: string | null
    total: number | null
  }>()
  const outer = left.join(right, { left: 'plan', right: 'plan' }, { how: 'left', suffixes: ['_c', '_o'] })
  expectTypeOf<Plain<RowOf<typeof outer>>>().toEqualTypeOf<{
    customer_id: string
    plan_c: string | null
    order_id: string | null
    plan_o: string | null
    total: number | null
  }>()
  const inObject = left.join(right, { left: 'customer_id', right: 'order_id', how: 'right' })
  expectTypeOf<RowOf<typeof inObject>['customer_id']>().toEqualTypeOf<string | null>()
  expectTypeOf<RowOf<typeof inObject>['order_id']>().toEqualTypeOf<string>()
  const full = left.join(right, (l, r) => l.plan.eq(r.plan), { how: 'full' })
  expectTypeOf<RowOf<typeof full>['customer_id']>().toEqualTypeOf<string | null>()
  expectTypeOf<RowOf<typeof full>['order_id']>().toEqualTypeOf<string | null>()
  const semi = left.join(right, 'plan', { how: 'semi' })
  expectTypeOf<RowOf<typeof semi>>().toEqualTypeOf<RowOf<typeof left>>()
  expect(await outer.rows()).toEqual([{ customer_id: 'a', plan_c: 'pro', order_id: 'o', plan_o: 'pro', total: 5 }])
  expect(await semi.filter({ plan: 'pro' }).count()).toBe(1)
})

it('unions need the same row', async () => {
  const totals = orders.select('plan', 'total').rename({ total: 'mrr' })
  const both = customers.select('plan', 'mrr').union(totals, { distinct: true })
  expectTypeOf<Plain<RowOf<typeof both>>>().toEqualTypeOf<{ plan: string | null; mrr: number | null }>()
  expect(await both.count()).toBe(2)
  // @ts-expect-error another column
  expect(() => customers.select('plan', 'mrr').union(orders.select('plan', 'total'))).toThrow(/mrr/)
})

it('every way out gives the row', async () => {
  const names = customers.select('plan')
  type Name = { readonly plan: string | null }
  expectTypeOf(await names.rows()).toEqualTypeOf<Name[]>()
  expectTypeOf(await names.execute({ dates: 'date' })).toEqualTypeOf<Name[]>()
  expectTypeOf(await names.first()).toEqualTypeOf<Name | undefined>()
  expectTypeOf(await names.count()).toEqualTypeOf<number>()
  for await (const row of names.stream()) expectTypeOf(row).toEqualTypeOf<Name>()
  expectTypeOf(await names.toArrow()).toEqualTypeOf<import('apache-arrow').Table>()
  const signed = customers.select('signup')
  const date = new Date('2024-01-01')
  expect(await signed.rows({ dates: 'date' })).toEqual([{ signup: date }])
  expect(await signed.execute({ dates: 'date' })).toEqual([{ signup: date }])
  expect(await signed.first({ dates: 'date' })).toEqual({ signup: date })
  for await (const row of signed.stream({ dates: 'date' })) expect(row).toEqual({ signup: date })
})

it('the compiler and the query refuse the same mistakes', () => {
  const mistakes = [
    // @ts-expect-error no such column
    () => customers.orderBy('mmr'),
    // @ts-expect-error no such column
    () => customers.filter({ mmr: 5 }),
    // @ts-expect-error text against a number
    () => customers.filter((r) => r.mrr.gt('x')),
    // @ts-expect-error text against a number
    () => customers.filter({ mrr: { gt: 'x' } }),
    // @ts-expect-error a number against text
    () => customers.filter({ plan: { in: [true] } }),
    // @ts-expect-error null is compared with isNull()
    () => customers.filter((r) => r.plan.eq(null)),
    // @ts-expect-error no condition
    () => customers.filter((r) => r.mrr),
    // @ts-expect-error no such operator
    () => customers.filter({ mrr: { graeter: 1 } }),
    // @ts-expect-error no such column any more
    () => customers.select('plan').filter({ mrr: 1 }),
    // @ts-expect-error renamed
    () => customers.rename({ plan: 'tier' }).select('plan'),
    // @ts-expect-error no such column
    () => customers.rename({ pln: 'tier' }),
    // @ts-expect-error no such column
    () => customers.drop('pln'),
    // @ts-expect-error no such column
    () => customers.mutate({ x: (r) => r.mmr }),
    // @ts-expect-error no such column
    () => customers.groupBy('pln'),
    // @ts-expect-error only keys and measures are left
    () => customers.groupBy('plan').agg({ n: count() }).orderBy('mrr'),
    // @ts-expect-error no such column on the right
    () => customers.join(orders, { left: 'plan', right: 'pln' }),
    // @ts-expect-error not on both sides
    () => customers.join(orders, 'total'),
    // @ts-expect-error no such kind
    () => customers.join(orders, 'plan', { how: 'outer' }),
    // @ts-expect-error no such unit
    () => customers.select({ x: (r) => r.signup.dateTrunc('eon') }),
    // @ts-expect-error no such kind
    () => customers.select({ x: (r) => r.plan.jsonPath('$.a', 'text') }),
  ]
  for (const mistake of mistakes) expect(mistake).toThrow()
})
