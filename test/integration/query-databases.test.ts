/** The same query gives the same rows on every database (spec 06 §5.4): random expressions over random values. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  and,
  caseWhen,
  col,
  count,
  desc,
  type Expr,
  first,
  lag,
  last,
  lit,
  max,
  min,
  rank,
  sum,
} from '../../src/query/expression.ts'
import { describePostgres } from '../support/postgres.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

type Arb<T> = fc.Arbitrary<Expr<T>>

const TEXTS = [
  '',
  'a',
  'A',
  'äÄ',
  'zß',
  ' 12 ',
  '12',
  '-0.5',
  '1e3',
  '1e',
  '0x1',
  '99999999999999999999',
  '+1',
  '.5',
  '1e199',
  "o'k",
  '%',
  'a_',
  '\\',
  '😀',
  '1.0',
  'null',
  '007',
  '\t7\n',
]
const NUMBERS = [
  0, -0, 0.5, -0.5, 1.5, 2.5, -2.5, 2.675, 1.005, 0.1, 0.3, 1e-7, 123456.789, 1e15, -1e17, 9007199254740991, 1e19,
  -1e300, 0.49999999999999994,
]
const INTEGERS = [0, 1, -1, 2, 7, -7, 100, 2 ** 53 - 1, 2n ** 60n, -(2n ** 60n)]
const INSTANTS = [
  '0001-01-01T00:00:00+00:00',
  '1969-12-31T23:59:59.999999+00:00',
  '1970-01-01T00:00:00+00:00',
  '2024-02-29T12:34:56.789+00:00',
  '2024-02-29T12:34:56.700+00:00',
  '2024-12-31T23:59:59.000001+00:00',
  '2023-01-01T00:00:00+00:00',
  '9999-12-31T23:59:59.999+00:00',
]

const maybe = <T>(values: readonly T[]): fc.Arbitrary<T | null> => fc.option(fc.constantFrom(...values), { freq: 8 })
const rows = fc.array(
  fc.record({
    plan: fc.oneof(
      maybe(TEXTS),
      fc.double({ noNaN: true, min: 1e-300, max: 1e307 }).map(String),
      fc.bigInt(-(10n ** 20n), 10n ** 20n).map(String),
    ),
    mrr: fc.oneof(
      maybe(NUMBERS),
      fc.double({ min: 1e-100, max: 1e6, noNaN: true }),
      fc.integer({ min: -1e5, max: 1e5 }).map((n) => n / 100),
    ),
    seats: maybe(INTEGERS),
    active: maybe([true, false]),
    signup: maybe(INSTANTS),
  }),
  { minLength: 1, maxLength: 8 },
)
const { string, number, integer, boolean, datetime } = fc.letrec<{
  string: Expr<string>
  number: Expr<number>
  integer: Expr<number>
  boolean: Expr<boolean>
  datetime: Expr<string>
}>((tie) => {
  const [string, number, integer, boolean, datetime] = ['string', 'number', 'integer', 'boolean', 'datetime'].map((t) =>
    tie(t as 'string'),
  ) as unknown as [Arb<string>, Arb<number>, Arb<number>, Arb<boolean>, Arb<string>]
  const small = fc.constantFrom(-3, 1, 2, 10)
  // Texts put together can be numbers beyond a double, which databases read differently.
  const plain = fc.oneof(
    fc.constant(col<string>('plan')),
    fc.constantFrom(...TEXTS).map((t) => lit(t)),
  ) as Arb<string>
  const shared = { depthSize: 'small', withCrossShrink: true } as const
  return {
    string: fc.oneof(
      shared,
      fc.constant(col<string>('plan')),
      fc.constantFrom(...TEXTS).map((t) => lit(t)),
      string.map((e) => e.lower()),
      string.map((e) => e.upper()),
      fc.tuple(string, string).map(([a, b]) => a.concat(b)),
      fc.tuple(string, string).map(([a, b]) => a.coalesce(b as never)),
      integer.map((e) => e.cast('string')),
      boolean.map((e) => e.cast('string')),
      datetime.map((e) => e.cast('string')),
      datetime.map((e) => e.date()),
      fc.tuple(boolean, string, string).map(([c, a, b]) => caseWhen<string>([[c as never, a]], b)),
    ) as Arb<string>,
    number: fc.oneof(
      shared,
      fc.constant(col<number>('mrr')),
      fc.tuple(number, fc.integer({ min: 0, max: 15 })).map(([e, d]) => e.round(d)),
      number.map((e) => e.abs()),
      number.map((e) => e.neg()),
      fc.tuple(integer, integer).map(([a, b]) => a.div(b as never)),
      fc.tuple(number, fc.constantFrom(0.1, 2.5, -7, 0, 1000)).map(([a, b]) => a.mod(b)),
      plain.map((e) => e.cast('number')),
      integer.map((e) => e.cast('number')),
    ) as Arb<number>,
    integer: fc.oneof(
      shared,
      fc.constant(col<number>('seats')),
      string.map((e) => e.length()),
      plain.map((e) => e.cast('integer')),
      number.map((e) => e.cast('integer')),
      boolean.map((e) => e.cast('integer')),
      datetime.map((e) => e.year()),
      datetime.map((e) => e.month()),
      datetime.map((e) => e.day()),
      fc.tuple(integer, small).map(([a, b]) => a.mod(b)),
      fc.tuple(fc.constant(col<number>('seats')), small).map(([a, b]) => a.add(b).sub(1)),
    ) as Arb<number>,
    boolean: fc.oneof(
      shared,
      fc.constant(col<boolean>('active')),
      fc.tuple(string, string).map(([a, b]) => a.lt(b as never)),
      fc.tuple(string, string).map(([a, b]) => a.eq(b as never)),
      fc.tuple(number, number).map(([a, b]) => a.gte(b as never)),
      fc.tuple(datetime, datetime).map(([a, b]) => a.gt(b as never)),
      fc.tuple(string, string, string).map(([a, b, c]) => a.between(b as never, c as never)),
      fc.tuple(string, string).map(([a, b]) => a.contains(b as never)),
      fc.tuple(string, string).map(([a, b]) => a.startsWith(b as never)),
      fc.tuple(string, fc.constantFrom('a%', '_', '%Ä', 'A_', '\\%', '%\\_')).map(([a, p]) => a.like(p)),
      fc.tuple(string, fc.constantFrom('a%', '_', '%ä', 'A_', "O'K", '%\\_')).map(([a, p]) => a.ilike(p)),
      integer.map((e) => e.isNull()),
      boolean.map((e) => (e as never as ReturnType<typeof col<never>>).not() as never),
      fc.tuple(boolean, boolean).map(([a, b]) => and(a as never, b as never) as never),
    ) as Arb<boolean>,
    datetime: fc.oneof(
      shared,
      fc.constant(col<string>('signup')),
      fc
        .tuple(datetime, fc.constantFrom('year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'))
        .map(([e, u]) => e.dateTrunc(u as never)),
    ) as Arb<string>,
  }
})
const anything = fc.oneof(string, number, integer, boolean, datetime) as Arb<unknown>

describePostgres('SQLite, Postgres and DuckDB', () => {
  let stores: AnyQueryStore[]
  beforeAll(async () => {
    stores = await Promise.all(BACKENDS.map((backend) => backend.open()))
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
  })

  async function load(items: readonly Record<string, unknown>[]): Promise<void> {
    for (const store of stores) {
      await store.clear()
      await store.insert(
        'customer_history',
        ...items.map((cells, i) => entityRow('customer', `c${i}`, 'lead', cells as never)),
      )
    }
  }

  it('compute the same values', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.array(anything, { minLength: 1, maxLength: 6 }), async (items, expressions) => {
        await load(items)
        const shape = Object.fromEntries(expressions.map((e, i) => [`x${i}`, e]))
        const [lite, ...others] = await Promise.all(
          stores.map((store) =>
            store.root
              .table('customer')
              .orderBy('customer_id')
              .select(shape as never)
              .rows(),
          ),
        )
        for (const other of others) expect(other).toEqual(lite)
      }),
      { numRuns: 200 },
    )
  })

  it('join, group and rank the same rows', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.tuple(string, boolean, integer, datetime), async (items, keys) => {
        await load(items)
        const [key, flag, whole, at] = keys
        const results = await Promise.all(
          stores.map(async ({ root }) => {
            const all = root.table('customer').select({ id: col('customer_id'), key, flag, whole, at } as never)
            const measures = {
              n: count(),
              low: min('key'),
              high: max('key'),
              from: first('whole', { orderBy: 'id' }),
              to: last('at', { orderBy: 'id' }),
              total: sum(caseWhen<number>([[col('whole').gt(1000) as never, 1]], 0)),
            }
            const other = all.rename({ id: 'other' } as never)
            return [
              await all
                .groupBy('key' as never)
                .agg(measures as never)
                .orderBy('key' as never)
                .rows(),
              await all
                .groupBy('flag' as never)
                .agg(measures as never)
                .orderBy('flag' as never)
                .rows(),
              await all
                .mutate({
                  r: rank().over({ orderBy: [desc('key'), 'whole'] }),
                  before: lag('at').over({ partitionBy: 'flag', orderBy: 'id' }),
                } as never)
                .orderBy('id' as never)
                .rows(),
              await all
                .select('key' as never, 'whole' as never)
                .distinct()
                .orderBy('key' as never, desc('whole'))
                .rows(),
              await all
                .join(other as never, 'key' as never, { how: 'full' })
                .select('id' as never, 'other' as never)
                .orderBy('id' as never, 'other' as never)
                .rows(),
              await all
                .join(other as never, 'at' as never, { how: 'anti' })
                .select('id' as never)
                .orderBy('id' as never)
                .rows(),
              await all
                .union(all.limit(0), { distinct: true })
                .orderBy(desc('at'), 'id' as never)
                .limit(3, { offset: 1 })
                .rows(),
            ]
          }),
        )
        for (const other of results.slice(1)) expect(other).toEqual(results[0])
      }),
      { numRuns: 50 },
    )
  })
})
