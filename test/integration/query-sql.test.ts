import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QueryError } from '../../src/errors.ts'
import { count } from '../../src/query/expression.ts'
import type { RawParams } from '../../src/query/raw/params.ts'
import { ALWAYS_REFUSED, ATTACKS } from '../support/query-attacks.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

async function drain(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of rows);
}

const FEB = '2024-02-01T00:00:00+00:00'

async function fill(target: AnyQueryStore): Promise<void> {
  await target.insert(
    'customer_history',
    entityRow('customer', 'a', 'lead', { plan: 'free', mrr: 0, valid_to: FEB }),
    entityRow('customer', 'a', 'paying', { plan: 'pro', mrr: 100, seats: 5, active: true, valid_from: FEB }),
    entityRow('customer', 'b', 'paying', { plan: "o'k", mrr: 50.5, seats: 2n ** 60n, active: false }),
  )
  await target.insert('order_history', entityRow('order', 'o1', 'open', { total: 10, plan: 'pro' }))
  await target.insert('rel_placed_order_history', {
    source_id: 'a',
    target_id: 'o1',
    relationship_type: 'placed_order',
    channel: 'web',
    valid_from: FEB,
  })
}

interface Problem {
  message: string
  line: number
  column: number
  suggestion: string | null
}

for (const backend of BACKENDS)
  backend.describe(`SQL on ${backend.name}`, () => {
    const onPostgres = backend.name === 'Postgres'
    let store: AnyQueryStore
    beforeAll(async () => {
      store = await backend.open()
      await fill(store)
    })
    afterAll(() => store.close())

    function problemsOf(sql: string, params?: RawParams, validate = true): Problem[] {
      try {
        store.root.query(sql, params, { validate })
      } catch (error) {
        expect(error).toBeInstanceOf(QueryError)
        return (error as QueryError).details.errors as Problem[]
      }
      return []
    }

    describe('accepted', () => {
      type Case = [sql: string, expected: unknown, params?: RawParams]
      const cases: Case[] = [
        [
          'select customer_id from customer_history where valid_to is null order by customer_id',
          [{ customer_id: 'a' }, { customer_id: 'b' }],
        ],
        ['SELECT c.plan AS p FROM customer_history AS c WHERE c.mrr > 60', [{ p: 'pro' }]],
        ['select C.Plan from Customer_History c where MRR = 100;', [{ plan: 'pro' }]],
        ['select "plan" from "customer_history" where "mrr" = 0', [{ plan: 'free' }]],
        ['select count(*) from customer_history', [{ count: 3 }]],
        [
          'select count(*), count(plan), sum(mrr) as total from customer_history',
          [{ count: 3, count_2: 3, total: 150.5 }],
        ],
        [
          'select plan, mrr * 12 as arr from customer_history where mrr > 0 order by arr limit 1',
          [{ plan: "o'k", arr: 606 }],
        ],
        [
          'with big as (select customer_id, mrr from customer_history where mrr > 60) select * from big',
          [{ customer_id: 'a', mrr: 100 }],
        ],
        [
          'with x (id, m) as (select customer_id, mrr from customer_history) select id from x where m = 0',
          [{ id: 'a' }],
        ],
        ['with a as (select 1 as n), b as (select n + 1 as n from a) select n from b', [{ n: 2 }]],
        [
          'with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select n from t',
          [{ n: 1 }, { n: 2 }, { n: 3 }],
        ],
        ['with m as materialized (select 1 as x) select x from m', [{ x: 1 }]],
        ['select s.m from (select max(mrr) as m from customer_history) s', [{ m: 100 }]],
        [
          'select c.customer_id from customer_history c where exists (select 1 from rel_placed_order_history r where r.source_id = c.customer_id) and c.valid_to is null',
          [{ customer_id: 'a' }],
        ],
        [
          'select customer_id from customer_history where customer_id in (select source_id from relationships) and mrr > 0',
          [{ customer_id: 'a' }],
        ],
        ['select (select max(total) from order_history) as top', [{ top: 10 }]],
        [
          'select c.mrr, o.total from customer_history c join rel_placed_order_history r on r.source_id = c.customer_id join order_history o on o.order_id = r.target_id where c.valid_to is null',
          [{ mrr: 100, total: 10 }],
        ],
        [
          'select c.customer_id, r.channel from customer_history c left join rel_placed_order_history r on r.source_id = c.customer_id where c.customer_id = $1',
          [{ customer_id: 'b', channel: null }],
          ['b'],
        ],
        [
          'select plan, order_id from customer_history join order_history using (plan)',
          [{ plan: 'pro', order_id: 'o1' }],
        ],
        [
          'select customer_id, row_number() over (order by mrr desc) as n from customer_history order by n limit 1',
          [{ customer_id: 'a', n: 1 }],
        ],
        [
          'select mrr, sum(mrr) over (partition by customer_id order by valid_from rows between unbounded preceding and current row) as r from customer_history order by r desc limit 1',
          [{ mrr: 100, r: 100 }],
        ],
        [
          'select lag(mrr, 1) over w as before from customer_history window w as (partition by customer_id order by valid_from) order by before nulls last limit 1',
          [{ before: 0 }],
        ],
        ['select count(*) filter (where mrr > 0) as n from customer_history', [{ n: 2 }]],
        [
          "select case when mrr > 60 then 'big' when mrr > 0 then 'small' else 'none' end as size from customer_history order by size",
          [{ size: 'big' }, { size: 'none' }, { size: 'small' }],
        ],
        ['select cast(mrr as integer) as i from customer_history where mrr = 50.5', [{ i: 50 }]],
        [
          "select plan from customer_history where plan like 'p%' and mrr between 1 and 200 and seats is not null",
          [{ plan: 'pro' }],
        ],
        ["select plan from customer_history where plan in ('pro', 'x') or not (mrr >= 0)", [{ plan: 'pro' }]],
        [
          'select plan from customer_history union select plan from order_history order by plan',
          [{ plan: 'free' }, { plan: "o'k" }, { plan: 'pro' }],
        ],
        ['select plan from customer_history intersect select plan from order_history', [{ plan: 'pro' }]],
        [
          'select plan from customer_history except select plan from order_history order by 1',
          [{ plan: 'free' }, { plan: "o'k" }],
        ],
        [
          'values (1, 2), (3, 4)',
          [
            { column1: 1, column2: 2 },
            { column1: 3, column2: 4 },
          ],
        ],
        [
          'select distinct customer_state from customer_history order by customer_state',
          [{ customer_state: 'lead' }, { customer_state: 'paying' }],
        ],
        [
          '-- a comment; with a semicolon\nselect plan /* and another ; */ from customer_history where mrr = 100',
          [{ plan: 'pro' }],
        ],
        ["select plan from customer_history where plan = 'o''k'", [{ plan: "o'k" }]],
        ["select plan from customer_history where plan = '; drop table ledger --'", []],
        [
          'select plan from customer_history where mrr > :low and plan <> :not',
          [{ plan: 'pro' }],
          { low: 10, not: "o'k" },
        ],
        ['select $2 as b, $1 as a, $1 as c', [{ b: 'x', a: 1, c: 1 }], [1, 'x']],
        ['select plan from customer_history where valid_from = $1', [{ plan: 'pro' }], [new Date(FEB)]],
        ['select seats from customer_history where seats > 100', [{ seats: 2n ** 60n }]],
        ['select active from customer_history where active order by 1', [{ active: true }]],
        ['select r.target_id, o.* from relationships r join order_history o on o.order_id = r.target_id', undefined],
        ['select source_id from rel_ordered_by_history', [{ source_id: 'o1' }]],
        ['select _sequence from order_history', [{ _sequence: null }]],
        [
          'select a.plan from customer_history a, customer_history b where a.customer_id = b.customer_id and a.mrr < b.mrr',
          [{ plan: 'free' }],
        ],
        ['select upper(plan) || $1 as x from customer_history where mrr = 0', [{ x: 'FREE!' }], ['!']],
      ]
      const sqliteCases: Case[] = [
        [
          'select customer_state as s, count(*) as n from customer_history group by s having n > 1 order by n desc, s',
          [{ s: 'paying', n: 2 }],
        ],
        [
          'with recursive t as (select 1 as n union all select n + 1 from t where n < 3 union all select n + 2 from t where n < 1) select max(n) as m from t',
          [{ m: 3 }],
        ],
        ['select n from (select count(*) as n from order_history)', [{ n: 1 }]],
        [
          'select max(active) as a, min(valid_from) as v from customer_history',
          [{ a: true, v: '2024-01-01T00:00:00+00:00' }],
        ],
        [
          'select (select count(*) from (select r.target_id from relationships r where r.source_id = c.customer_id)) as n from customer_history c where c.mrr = 100',
          [{ n: 1 }],
        ],
      ]
      const postgresCases: Case[] = [
        [
          "select percentile_cont(0.5) within group (order by mrr) as m from customer_history where plan ~ '^[fp]'",
          [{ m: 50 }],
        ],
        [
          'select distinct on (customer_id) customer_id, mrr from customer_history order by customer_id, valid_from desc',
          [
            { customer_id: 'a', mrr: 100 },
            { customer_id: 'b', mrr: 50.5 },
          ],
        ],
        [
          'select customer_state as s, count(*) as n from customer_history group by s having count(*) > 1 order by n desc, s',
          [{ s: 'paying', n: 2 }],
        ],
        [
          'select bool_or(active) as a, min(valid_from) as v from customer_history',
          [{ a: true, v: '2024-01-01T00:00:00+00:00' }],
        ],
        ['select "customer_history".plan from customer_history where mrr = $1', [{ plan: 'pro' }], [100]],
        ['select left(plan, $1) as l from customer_history c (customer_id) where mrr = 0', [{ l: 'fr' }], [2]],
        [
          "select plan from customer_history where valid_from > $1::timestamptz - interval '1 day'",
          [{ plan: 'pro' }],
          [FEB],
        ],
        [
          "select to_char(valid_from at time zone 'UTC', 'YYYY') as y, extract(month from valid_from) as m from customer_history where mrr = 100",
          undefined,
        ],
        ['select seats + $1 as s from customer_history where seats = 5', [{ s: 2 ** 40 + 5 }], [2n ** 40n]],
        ["select plan from customer_history where plan like 'PR%' or plan ilike 'PR%'", [{ plan: 'pro' }]],
        [
          'select $1::text as t, $2 as b, $3 as n, $4 as r',
          [{ t: 'x', b: true, n: null, r: 2.5 }],
          ['x', true, null, 2.5],
        ],
      ]
      const duckdbCases: Case[] = [
        // A recursion of several branches is no SQL here either.
        ...sqliteCases.filter(([sql]) => !sql.startsWith('with recursive')),
        ['select count(*) as n from customer_history where valid_from > $1', [{ n: 1 }], ['2024-01-15T00:00:00Z']],
        ['select mode(plan) as p, median(mrr) as m from customer_history where mrr > 1', undefined],
      ]
      const own = { SQLite: sqliteCases, Postgres: postgresCases, DuckDB: duckdbCases }[backend.name]
      it.each([...cases, ...own])('%s', async (sql, expected, params) => {
        const rows = await store.root.query(sql, params).rows()
        if (expected !== undefined) expect(rows).toEqual(expected)
        else expect(rows.length).toBeGreaterThan(0)
      })

      it('SELECT * shows no hidden columns', async () => {
        const [row] = await store.root.query('select * from order_history').rows()
        expect(Object.keys(row ?? {})).toEqual(store.root.table('order').columns)
        const [edge] = await store.root.query('select r.*, 1 as one from rel_placed_order_history r').rows()
        expect(edge).toEqual({
          source_id: 'a',
          target_id: 'o1',
          relationship_type: 'placed_order',
          channel: 'web',
          valid_from: FEB,
          valid_to: null,
          one: 1,
        })
      })

      it('the result is a query with typed columns', async () => {
        const query = store.root.query('select customer_id, mrr, active, count(*) over () as n from customer_history')
        expect(query.columns).toEqual(['customer_id', 'mrr', 'active', 'n'])
        expect(
          await query
            .filter({ mrr: { gt: 1 } })
            .groupBy('active')
            .agg({ n: count() })
            .orderBy('active')
            .rows(),
        ).toEqual([
          { active: false, n: 1 },
          { active: true, n: 1 },
        ])
        expect(() => query.filter({ mrr: 'x' })).toThrow(/needs number/)
        expect(() => query.filter({ mmr: 1 })).toThrow(/did you mean 'mrr'/)
        expect(await query.count()).toBe(3)
        const seen = []
        for await (const row of query.stream({ batchSize: 2 })) seen.push(row.n)
        expect(seen).toEqual([3, 3, 3])
      })

      it('names mean the tables of the version asked for', async () => {
        const other = await backend.open(undefined, 'v2')
        await fill(other)
        expect(
          await other.root.query('select customer_history.plan from customer_history where mrr = 0').rows(),
        ).toEqual([{ plan: 'free' }])
        expect(await other.root.query('select count(*) as n from relationships').rows()).toEqual([{ n: 1 }])
        expect(() => other.root.query('select * from customer_history__v2')).toThrow(QueryError)
        await other.close()
      })

      it('runs as written, apart from names, values and comments', () => {
        const query = store.root.query('select plan -- x\nfrom customer_history where mrr > $1 order by plan;', [1])
        const name = store.reader.relation('v1', 'history', 'customer')
        const parameter = backend.name === 'SQLite' ? '?' : '$1::integer'
        expect(query.sql()).toEqual({
          text: `select plan from ${name} as "customer_history" where mrr > ${parameter} order by plan`,
          params: [1n],
        })
      })

      it('maxRows is a limit, not a cut', async () => {
        const query = (maxRows: number) => store.root.query('select 1 as x from customer_history', [], { maxRows })
        expect(await query(3).rows()).toHaveLength(3)
        await expect(query(2).rows()).rejects.toThrow(/more than maxRows = 2/)
        await expect(drain(query(2).stream())).rejects.toThrow(/more than maxRows = 2/)
        expect(await query(2).count()).toBe(3)
        expect(query(2).sql().params.at(-1)).toBe(3n)
      })

      it('validate: false skips names, not reading', async () => {
        const name = store.reader.relation('v1', 'history', 'order')
        const open = store.root.query(`select plan from ${name} where total = $1`, [10], { validate: false })
        expect(open.columns).toBeNull()
        expect(await open.rows()).toEqual([{ plan: 'pro' }])
        expect(await open.filter({ plan: 'pro' }).count()).toBe(1)
        expect(await open.select('plan').rows()).toEqual([{ plan: 'pro' }])
        expect(await open.groupBy('plan').agg({ n: count() }).rows()).toEqual([{ plan: 'pro', n: 1 }])
        expect(() => open.drop('plan')).toThrow(/not known/)
        const table = onPostgres ? "jsonb_array_elements('[7]')" : "json_each('[7]')"
        const elements = store.root.query(`select value from ${table}`, [], { validate: false })
        expect((await elements.rows()).map((row) => Number(row.value))).toEqual([7])
        expect(await store.root.query("select replace('abc', 'b', 'x') as r", [], { validate: false }).rows()).toEqual([
          { r: 'axc' },
        ])
      })
    })

    describe('refused', () => {
      it('has many attacks', () => expect(ATTACKS.length).toBeGreaterThanOrEqual(100))
      it.each(ATTACKS)('%s', (sql) => {
        expect(() => store.root.query(sql, sql.includes('$1') ? ['x'] : [])).toThrow(QueryError)
      })

      it.each(ALWAYS_REFUSED)('even without validation: %s', (sql) => {
        expect(() => store.root.query(sql, [], { validate: false })).toThrow(QueryError)
      })
    })

    describe('problems', () => {
      it('are all reported, with place and suggestion', () => {
        const sql = 'select pln, c.mmr,\n  x.plan from custmer_history c\n where foo = 1 and upprr(plan) = 2'
        expect(problemsOf(sql)).toEqual([
          { message: 'no table or alias "x" here', line: 2, column: 3, suggestion: null },
          expect.objectContaining({ line: 2, column: 15, suggestion: 'customer_history' }),
          expect.objectContaining({
            message: expect.stringMatching(/"upprr" is not allowed.*"upper"/),
            line: 3,
            column: 20,
          }),
        ])
        const columns = 'select pln, c.mmr from customer_history c where foo = 1 order by sets'
        expect(problemsOf(columns).map(({ column, suggestion }) => [column, suggestion])).toEqual([
          [8, 'plan'],
          [15, 'mrr'],
          [49, null],
          [66, 'seats'],
        ])
      })

      it('ambiguous columns name the choices', () => {
        expect(problemsOf('select plan from customer_history c, order_history o')).toEqual([
          expect.objectContaining({ message: expect.stringContaining('ambiguous: c.plan or o.plan'), column: 8 }),
        ])
      })

      it('a type is not its table', () => {
        expect(problemsOf('select * from customer')).toEqual([
          expect.objectContaining({
            suggestion: 'customer_history',
            message: expect.stringContaining('order_history'),
          }),
        ])
      })

      it('two columns of one name need an alias', () => {
        expect(() => store.root.query('select * from customer_history c join order_history o on 1 = 1')).toThrow(
          /two columns are called "plan"/,
        )
      })

      it('parameters must fit', () => {
        expect(problemsOf('select $1, $2', ['x'])[0]?.message).toMatch(/no value for parameter \$2/)
        expect(problemsOf('select $1', ['x', 'y'])[0]?.message).toMatch(/no parameter \$2/)
        expect(problemsOf('select :a', { b: 1 })).toHaveLength(2)
        expect(problemsOf('select :a', ['x'])[0]?.message).toMatch(/params is an array/)
        expect(problemsOf('select $1', [undefined])[0]?.message).toMatch(/no value|is no value/)
        expect(problemsOf('select $1', [{}])[0]?.message).toMatch(/is no value/)
        expect(problemsOf('select :__proto__', JSON.parse('{"__proto__": 1}'))).toEqual([])
      })

      it('grammar errors have a place', () => {
        expect(problemsOf('select plan\nfrom customer_history\nwhere plan = = 1')).toEqual([
          { message: "unexpected '='", line: 3, column: 14, suggestion: null },
        ])
        expect(problemsOf('select plan from customer_history where')[0]?.message).toBe(
          'unexpected end of the statement',
        )
      })
    })
  })
