/** Random queries against a plain evaluation in memory: the database must give the same rows. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BoolExpr, col, count, desc, max, min, sum } from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

type Cell = string | number | boolean | null
type Item = Record<'customer_id' | 'plan' | 'mrr' | 'seats' | 'active' | 'signup', Cell>
const DATA_COLUMNS = ['customer_id', 'plan', 'mrr', 'seats', 'active', 'signup'] as const

const TEXTS = ['', 'a', 'A', 'ab', 'aB', '%', '_', 'a%', '*', '?[', "o'k", 'é', '\\', '😀b']
const NUMBERS = [-2.5, -1, 0, 1, 2.5, 3, 100]
const INTEGERS = [-3, 0, 1, 2, 7]
const INSTANTS = ['2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00.500+00:00', '2024-05-01T12:00:00+00:00']

const maybe = <T>(values: readonly T[]): fc.Arbitrary<T | null> => fc.option(fc.constantFrom(...values), { freq: 5 })
const item = fc.record({
  plan: maybe(TEXTS),
  mrr: maybe(NUMBERS),
  seats: maybe(INTEGERS),
  active: maybe([true, false]),
  signup: maybe(INSTANTS),
})
const data = fc
  .array(item, { maxLength: 12 })
  .map((items): Item[] => items.map((cells, i) => ({ customer_id: `c${i}`, ...cells })))

/** A condition in three forms: for the query, and as a three-valued function of a row. */
interface Condition {
  expr: BoolExpr
  holds(row: Item): boolean | null
}
const compare = (a: Cell, b: Cell): number => {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return Number(a) - Number(b)
}
const TESTS = {
  eq: (n: number) => n === 0,
  ne: (n: number) => n !== 0,
  gt: (n: number) => n > 0,
  gte: (n: number) => n >= 0,
  lt: (n: number) => n < 0,
  lte: (n: number) => n <= 0,
} as const
const VALUES = { plan: TEXTS, mrr: NUMBERS, seats: INTEGERS, signup: INSTANTS } as const
type Ordered = keyof typeof VALUES

const valueFor = (column: Ordered): fc.Arbitrary<Cell> => fc.constantFrom<Cell>(...VALUES[column])
const ordered = fc.constantFrom<Ordered>('plan', 'mrr', 'seats', 'signup')
const comparison: fc.Arbitrary<Condition> = fc
  .tuple(ordered, fc.constantFrom(...(Object.keys(TESTS) as (keyof typeof TESTS)[])))
  .chain(([column, test]) =>
    valueFor(column).map((value) => ({
      expr: col(column)[test](value),
      holds: (row) => (row[column] === null ? null : TESTS[test](compare(row[column], value))),
    })),
  )
const list: fc.Arbitrary<Condition> = fc.tuple(ordered, fc.boolean()).chain(([column, negated]) =>
  fc.array(valueFor(column), { maxLength: 3 }).map((values) => ({
    expr: negated ? col(column).notIn(values) : col(column).in(values),
    holds: (row) => {
      if (values.length === 0) return negated
      return row[column] === null ? null : values.includes(row[column]) !== negated
    },
  })),
)
const nullTest: fc.Arbitrary<Condition> = fc.constantFrom(...DATA_COLUMNS).chain((column) =>
  fc.boolean().map((isNull) => ({
    expr: isNull ? col(column).isNull() : col(column).notNull(),
    holds: (row) => (row[column] === null) === isNull,
  })),
)
const flag: fc.Arbitrary<Condition> = fc.boolean().map((value) => ({
  expr: col('active').eq(value),
  holds: (row) => (row.active === null ? null : row.active === value),
}))
const text: fc.Arbitrary<Condition> = fc
  .tuple(fc.constantFrom('startsWith', 'contains', 'like'), fc.constantFrom(...TEXTS))
  .map(([test, part]) => {
    const escaped = part.replace(/[\\%_]/g, '\\$&')
    return {
      expr: test === 'like' ? col('plan').like(`%${escaped}`) : col('plan')[test as 'contains'](part),
      holds: ({ plan }) => {
        if (typeof plan !== 'string') return null
        return test === 'like' ? plan.endsWith(part) : test === 'contains' ? plan.includes(part) : plan.startsWith(part)
      },
    }
  })
const between: fc.Arbitrary<Condition> = fc.tuple(valueFor('mrr'), valueFor('mrr')).map(([low, high]) => ({
  expr: col('mrr').between(low, high),
  holds: ({ mrr }) => (mrr === null ? null : compare(mrr, low) >= 0 && compare(mrr, high) <= 0),
}))
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    list,
    nullTest,
    flag,
    text,
    between,
    tie('condition').map(
      (inner): Condition => ({
        expr: inner.expr.not(),
        holds: (row) => {
          const held = inner.holds(row)
          return held === null ? null : !held
        },
      }),
    ),
    fc.tuple(tie('condition'), tie('condition'), fc.boolean()).map(
      ([a, b, both]): Condition => ({
        expr: both ? a.expr.and(b.expr) : a.expr.or(b.expr),
        holds: (row) => {
          const held = [a.holds(row), b.holds(row)]
          if (held.includes(!both)) return !both
          return held.includes(null) ? null : both
        },
      }),
    ),
  ),
}))

/** A step of a query and what it does to rows. */
interface Step {
  name: string
  query(query: TableQuery): TableQuery
  rows(rows: Record<string, Cell>[]): Record<string, Cell>[]
}
const byId = (rows: Record<string, Cell>[]): Record<string, Cell>[] =>
  rows.toSorted((a, b) => compare(a.customer_id ?? null, b.customer_id ?? null))
const step: fc.Arbitrary<Step> = fc.oneof(
  condition.map(
    (where): Step => ({
      name: 'filter',
      query: (query) => query.filter(where.expr),
      rows: (rows) => rows.filter((row) => where.holds(row as Item) === true),
    }),
  ),
  fc.constant<Step>({
    name: 'mutate',
    query: (query) => query.mutate({ mrr: (r) => r.mrr?.add(1) as never }) as unknown as TableQuery,
    rows: (rows) => rows.map((row) => ({ ...row, mrr: row.mrr === null ? null : Number(row.mrr) + 1 })),
  }),
  // Limits need an order that leaves no choice.
  fc.tuple(fc.nat(6), fc.nat(3), fc.boolean()).map(
    ([rows, offset, down]): Step => ({
      name: `limit ${rows} ${offset} ${down}`,
      query: (query) => query.orderBy(down ? desc('customer_id') : 'customer_id').limit(rows, { offset }),
      rows: (all) => {
        const sorted = byId(all)
        return (down ? sorted.reverse() : sorted).slice(offset, offset + rows)
      },
    }),
  ),
  fc.constant<Step>({
    name: 'distinct',
    query: (query) => query.distinct(),
    rows: (rows) => rows,
  }),
)

for (const backend of BACKENDS)
  backend.describe(`random queries on ${backend.name}`, () => {
    let store: AnyQueryStore
    beforeAll(async () => {
      store = await backend.open()
    })
    afterAll(() => store.close())

    async function load(items: readonly Item[]): Promise<TableQuery> {
      await store.clear()
      await store.insert(
        'customer_history',
        ...items.map(({ customer_id, ...cells }) => entityRow('customer', String(customer_id), 'lead', cells)),
      )
      return store.root.table('customer').select(...DATA_COLUMNS) as unknown as TableQuery
    }

    it('chains of steps give the rows that the steps say', async () => {
      await fc.assert(
        fc.asyncProperty(data, fc.array(step, { maxLength: 5 }), async (items, steps) => {
          const query = steps.reduce((q, s) => s.query(q), await load(items))
          const expected = steps.reduce<Record<string, Cell>[]>((rows, s) => s.rows(rows), items)
          expect(byId((await query.rows()) as Item[])).toEqual(byId(expected))
          expect(await query.count()).toBe(expected.length)
        }),
        { numRuns: 300 },
      )
    })

    it('groups have the measures of their rows', async () => {
      await fc.assert(
        fc.asyncProperty(data, condition, fc.constantFrom('plan', 'active', 'seats'), async (items, where, key) => {
          const query = (await load(items)).filter(where.expr).groupBy(key)
          const rows = await query
            .agg({ n: count(), filled: count('mrr'), total: sum('seats'), low: min('signup'), high: max('mrr') })
            .rows()
          const groups = Map.groupBy(
            items.filter((row) => where.holds(row) === true),
            (row) => row[key as 'plan'],
          )
          const values = (group: Item[], column: keyof Item): Cell[] =>
            group.flatMap((row) => (row[column] === null ? [] : [row[column]])).sort(compare)
          const expected = [...groups].map(([value, group]) => ({
            [key]: value,
            n: group.length,
            filled: values(group, 'mrr').length,
            total:
              values(group, 'seats').length === 0
                ? null
                : values(group, 'seats').reduce((a, b) => Number(a) + Number(b)),
            low: values(group, 'signup')[0] ?? null,
            high: values(group, 'mrr').at(-1) ?? null,
          }))
          const sorted = (list: Record<string, unknown>[]): string[] => list.map((row) => JSON.stringify(row)).sort()
          expect(sorted(rows)).toEqual(sorted(expected))
        }),
        { numRuns: 150 },
      )
    })

    it('orders text by code points and puts nulls last', async () => {
      await fc.assert(
        fc.asyncProperty(data, ordered, fc.boolean(), async (items, column, down) => {
          const query = (await load(items)).orderBy(down ? desc(column) : column, 'customer_id')
          const direction = down ? -1 : 1
          const expected = items.toSorted((a, b) => {
            const [x, y] = [a[column], b[column]]
            if (x === null || y === null)
              return Number(x === null) - Number(y === null) || compare(a.customer_id, b.customer_id)
            return direction * compare(x, y) || compare(a.customer_id, b.customer_id)
          })
          expect((await query.rows()).map((row) => row.customer_id)).toEqual(expected.map((row) => row.customer_id))
        }),
        { numRuns: 100 },
      )
    })
  })
