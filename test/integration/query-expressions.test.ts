import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { caseWhen, col, count, desc, lag, lit, max, rank, rowNumber, sum } from '../../src/query/expression.ts'
import type { QueryRoot } from '../../src/query/root.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'

const JAN = '2024-01-01T00:00:00+00:00'

for (const backend of BACKENDS)
  backend.describe(`expressions on ${backend.name}`, () => {
    let store: AnyQueryStore
    let root: QueryRoot
    beforeAll(async () => {
      store = await backend.open()
      await insertCustomers(store)
      root = store.root
    })
    afterAll(() => store.close())

    describe('windows', () => {
      it('are computed over the rows that the steps before them leave', async () => {
        const numbered = root
          .history('customer')
          .filter({ mrr: { notNull: true } })
          .mutate({
            n: rowNumber().over({ partitionBy: 'customer_id', orderBy: desc('valid_from') }),
            before: lag('mrr').over({ partitionBy: 'customer_id', orderBy: 'valid_from' }),
            all: sum('mrr').over(),
            running: sum('mrr').over({ orderBy: ['customer_id', 'valid_from'] }),
          })
        const newest = numbered
          .filter({ n: 1 })
          .orderBy('customer_id')
          .select('customer_id', 'n', 'before', 'all', 'running')
        expect(await newest.rows()).toEqual([
          { customer_id: 'a', n: 1, before: 0, all: 143, running: 100 },
          { customer_id: 'b', n: 1, before: null, all: 143, running: 150.5 },
          { customer_id: 'd', n: 1, before: null, all: 143, running: 143 },
        ])
        // The filter on another column comes after the window too.
        expect(await numbered.filter({ customer_id: 'd' }).select('all').rows()).toEqual([{ all: 143 }])
        expect(
          await numbered
            .groupBy('customer_id')
            .agg({ top: max('n') })
            .orderBy('customer_id')
            .rows(),
        ).toEqual([
          { customer_id: 'a', top: 2 },
          { customer_id: 'b', top: 1 },
          { customer_id: 'd', top: 1 },
        ])
        const limited = root.table('customer').orderBy('customer_id').limit(2).select({ n: count().over() })
        expect(await limited.rows()).toEqual([{ n: 2 }, { n: 2 }])
        const ranked = root.table('customer').groupBy('customer_state').agg({ n: count() })
        expect(
          await ranked
            .mutate({ r: rank().over({ orderBy: desc('n') }) })
            .orderBy('customer_state')
            .rows(),
        ).toEqual([
          { customer_state: 'lead', n: 2, r: 1 },
          { customer_state: 'paying', n: 2, r: 1 },
        ])
      })

      it('need their window, and only they have one', () => {
        expect(() => root.table('customer').mutate({ n: rowNumber() })).toThrow(/needs \.over/)
        expect(() => col('mrr').over()).toThrow(/belongs to an aggregate/)
        expect(() => root.table('customer').mutate({ n: rank().over({ orderBy: 'mmr' }) })).toThrow(/no column "mmr"/)
      })
    })

    describe('expressions', () => {
      const value = async (build: (r: never) => unknown, id = 'a'): Promise<unknown> => {
        const row = await root
          .table('customer')
          .filter({ customer_id: id })
          .select({ x: build as never })
          .first()
        return row?.x
      }
      type R = { [name: string]: ReturnType<typeof col<never>> }
      const e = (build: (r: R) => unknown, id?: string) => value(build as never, id)

      it('arithmetic', async () => {
        expect(await e((r) => r.seats!.div(2 as never))).toBe(2.5)
        expect(await e((r) => r.seats!.div(0 as never))).toBeNull()
        expect(await e((r) => r.seats!.mod(3 as never))).toBe(2)
        expect(await e((r) => r.mrr!.mod(7.5 as never))).toBe(2.5)
        expect(await e((r) => r.seats!.mod(0 as never))).toBeNull()
        expect(
          await e((r) =>
            r
              .seats!.add(1 as never)
              .mul(2 as never)
              .sub(3 as never),
          ),
        ).toBe(9)
        expect(await e((r) => r.mrr!.neg().abs())).toBe(100)
        expect(await e((r) => r.mrr!.div(3 as never).round(2))).toBe(33.33)
        expect(await e((r) => r.mrr!.neg().round(), 'b')).toBe(-51)
        expect(await e((r) => r.seats!.add(1 as never), 'c')).toBe(2n ** 60n + 1n)
        expect(() => root.table('customer').select({ x: (r) => r.mrr!.round(99) })).toThrow(/digits must be 0–15/)
      })

      it('text', async () => {
        expect(await e((r) => r.plan!.upper())).toBe('PRO')
        expect(await e((r) => r.plan!.lower(), 'b')).toBe('pro')
        expect(await e((r) => r.plan!.length())).toBe(3)
        expect(await e((r) => r.plan!.concat('-', r.customer_id as never))).toBe('pro-a')
        expect(await e((r) => r.plan!.coalesce('none' as never), 'c')).toBe('none')
        expect(await e((r) => r.seats!.cast('string').concat('x'))).toBe('5x')
        expect(() => root.table('customer').select({ x: (r) => r.plan!.concat(r.seats as never) })).toThrow(
          /cast\('string'\)/,
        )
      })

      it('casts', async () => {
        expect(await e((r) => r.mrr!.cast('integer'), 'b')).toBe(50)
        expect(await e((r) => r.active!.cast('string'))).toBe('true')
        expect(await e((r) => r.active!.cast('integer'), 'b')).toBe(0)
        expect(await e(() => lit('12.5').cast('number'))).toBe(12.5)
        expect(await e(() => lit('12x').cast('number'))).toBeNull()
        expect(await e(() => lit('12.5').cast('integer'))).toBeNull()
        expect(await e((r) => r.signup!.cast('string'))).toBe('2024-01-15T10:30:45.123456+00:00')
        expect(() => root.table('customer').select({ x: (r) => r.mrr!.cast('datetime') })).toThrow(
          /number cannot become datetime/,
        )
        expect(() => root.table('customer').select({ x: (r) => r.mrr!.cast('int' as never) })).toThrow(
          /did you mean 'integer'|no type 'int'/,
        )
      })

      it('instants', async () => {
        expect(await e((r) => r.signup!.year())).toBe(2024)
        expect(await e((r) => r.signup!.month())).toBe(1)
        expect(await e((r) => r.signup!.day())).toBe(15)
        expect(await e((r) => r.signup!.date())).toBe('2024-01-15')
        const units = ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'] as const
        const cut = await Promise.all(units.map((unit) => e((r) => r.signup!.dateTrunc(unit))))
        expect(cut).toEqual([
          JAN,
          JAN,
          JAN,
          '2024-01-15T00:00:00+00:00',
          '2024-01-15T00:00:00+00:00',
          '2024-01-15T10:00:00+00:00',
          '2024-01-15T10:30:00+00:00',
          '2024-01-15T10:30:45+00:00',
        ])
        expect(await e((r) => r.signup!.dateTrunc('week'), 'b')).toBe('2024-02-26T00:00:00+00:00')
        expect(() => root.table('customer').select({ x: (r) => r.plan!.year() })).toThrow(/year needs datetime/)
        expect(() => root.table('customer').select({ x: (r) => r.signup!.dateTrunc('eon' as never) })).toThrow(
          /no such unit/,
        )
      })

      it('caseWhen and values', async () => {
        const size = caseWhen<string>(
          [
            [col('mrr').gt(99), 'big'],
            [col('mrr').gt(0), 'small'],
          ],
          'none',
        )
        expect(await e(() => size)).toBe('big')
        expect(await e(() => size, 'b')).toBe('small')
        expect(await e(() => size, 'c')).toBe('none')
        expect(await e(() => caseWhen([[col('mrr').gt(0), 1]]), 'd')).toBeNull()
        expect(await e(() => lit(null))).toBeNull()
        expect(await e(() => lit(true))).toBe(true)
      })
    })
  })
