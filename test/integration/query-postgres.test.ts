/** What queries on Postgres may touch, how they end, and which indexes they use (spec 06 §1, §6). */
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { QueryError, StorageError } from '../../src/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { day, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, type FreshDatabase, freshDatabase } from '../support/postgres.ts'

const ENDLESS = 'with recursive n(i) as (select 1 union all select i + 1 from n) select i from n'

describePostgres('queries on Postgres', () => {
  let space: FreshDatabase & { readonly namespace: string }
  let store: Store
  let pool: Pool
  let schema: string
  let member: string

  const rows = async (sql: string, params: readonly unknown[] = []): Promise<unknown[][]> =>
    (await store.reader.all(sql, params)).rows
  const streamed = async (sql: string, options = {}): Promise<unknown[][]> => {
    const all: unknown[][] = []
    for await (const batch of store.reader.stream(sql, [], options)) all.push(...batch.rows)
    return all
  }

  beforeAll(async () => {
    space = { ...(await freshDatabase()), namespace: 'shop' }
    store = await openPostgresStore({ url: space.url, namespace: space.namespace, max: 4, now: () => day(20) })
    await store.transaction(async (tx) => {
      const unit = { tx, epoch: 1, version: 'v1', now: day(20) }
      await prepareVersion(store, unit)
      const writes = ['a', 'b', 'c', 'd', 'e'].map((id) => write('member', id, { rows: [row(day(1))] }))
      await store.history.write(unit, 'live', LAYOUT, writes)
    })
    pool = store.reader.handle as Pool
    schema = `"${space.namespace}_v1"`
    member = store.reader.relation('v1', 'history', 'member')
    await pool.query(`create schema ${space.namespace}_other; create table ${space.namespace}_other.x_history (a text);
      create function ${schema}.peek() returns bigint language sql as 'select count(*) from ${space.namespace}.ledger';
      create operator ${schema}.@@@@ (leftarg = int, rightarg = int, function = int4pl);
      create view ${schema}.ledger_history as select * from ${space.namespace}.ledger`)
  })
  afterAll(async () => {
    await store.close()
    await space.drop()
  })

  describe('refuse, whatever was checked before', () => {
    const refused = (ns: string): string[] => [
      // relations, at every place
      `select * from ${ns}.ledger`,
      'select * from ledger',
      `table ${ns}.ledger`,
      `select count(*) from only ${ns}.identity`,
      `select * from ${ns}_v1.entity_state`,
      `select * from ${ns}_v1.ledger_history`,
      `select * from ${ns}_other.x_history`,
      `select 1 where false and exists (select 1 from ${ns}.ledger)`,
      `select 1 limit (select count(*) from ${ns}.ledger)`,
      `values ((select count(*) from ${ns}.ledger))`,
      `with l as (select * from ${ns}.ledger) select 1`,
      `select (select max(raw) from ${ns}.ledger) from ${ns}_v1.member_history`,
      `select 1 from ${ns}_v1.member_history m order by (select raw from ${ns}.ledger)`,
      'select * from pg_class',
      'select * from pg_catalog.pg_authid',
      'select * from pg_settings',
      'select * from pg_stat_activity',
      'select * from information_schema.tables',
      // functions
      `select ${ns}_v1.peek()`,
      'select peek()',
      `select 1 operator(${ns}_v1.@@@@) 2`,
      "select pg_read_file('/etc/passwd')",
      'select "pg_read_file"(\'/etc/passwd\')',
      "select PG_READ_FILE/* */\n('/etc/passwd')",
      "values (pg_read_file('/etc/passwd')), ('x')",
      "select pg_catalog.pg_ls_dir('/')",
      "select * from pg_ls_dir('/') as x(a)",
      "select lo_import('/etc/passwd')",
      'select lo_create(0)',
      'select pg_sleep(10)',
      "select current_setting('data_directory')",
      "select set_config('statement_timeout', '0', false)",
      "select nextval('x')",
      'select pg_terminate_backend(1)',
      'select pg_advisory_lock(1)',
      "select pg_notify('a', 'b')",
      `select query_to_xml('select * from ${ns}.ledger', true, true, '')`,
      `select table_to_xml('${ns}.ledger', true, true, '')`,
      `select ts_stat('select raw from ${ns}.ledger')`,
      "select * from dblink('dbname=x', 'select 1') as (a int)",
      'select 1 order by pg_sleep(1)',
      'select count(*) filter (where pg_sleep(1) is null)',
      'select x from (values (1)) v(x) where pg_sleep(1) is null',
      // other statements, and several
      `delete from ${ns}_v1.member_history`,
      `with x as (delete from ${ns}_v1.member_history returning *) select * from x`,
      `select * into ${ns}.copy from ${ns}_v1.member_history`,
      `select * from ${ns}_v1.member_history for update`,
      "copy (select 1) to '/tmp/x'",
      'select 1; select 2',
      `select 1; delete from ${ns}_v1.member_history`,
      'commit',
      'explain analyze select 1',
      'set role postgres',
      "do 'begin end'",
      // what reads one way here and another there
      "select E'\\' || pg_sleep(1) --'",
      "select U&'\\0041'",
      'select $$a$$',
      "select 'a",
      'select "a',
      'select /* /* */ 1',
      'select 1 \0',
    ]
    it.each(refused('{ns}'))('%s', async (sql) => {
      const text = sql.replaceAll('{ns}', space.namespace)
      await expect(rows(text)).rejects.toThrow(QueryError)
      await expect(streamed(text)).rejects.toThrow(QueryError)
    })

    it('and change nothing', async () => {
      expect(await rows(`select count(*) from ${member}`)).toEqual([[5]])
      expect((await pool.query('show statement_timeout')).rows[0]).toEqual({ statement_timeout: '0' })
    })
  })

  it('allow what reads histories and computes', async () => {
    const allowed = [
      `with recursive x(n) as (select 1), y (m) as not materialized (values (2)), z(k) as ((select 3)) select n, m, k from x, y, z`,
      `select lower('A'), extract(year from now()) > 2000, count(*) filter (where true) from generate_series(1, 3) as g(i)`,
      `select cast(1.5 as numeric(4, 1)), trim(both from ' a '), position('b' in 'abc'), substring('abc' from 2)`,
      `select row_number() over (order by m.member_id), rank() over w from ${member} m window w as (order by valid_from)`,
      `select "count"(*), 'pg_sleep(1)', "m"."email" as "pg_sleep" -- pg_sleep(1)\n from ${member} "m" /* lo_import(1) */ group by (3)`,
      `select now() at time zone ('UTC'), coalesce(null, (1)), array(select 1), row(1, 2)`,
      `select x.a from ${store.reader.relationshipsView('v1')} x (a)`.replace('x (a)', 'as x (a)'),
      `select source_id from ${store.reader.relation('v1', 'relationship', 'taken_by')} union all select 'x'`,
    ]
    for (const sql of allowed) await expect(rows(sql), sql).resolves.toBeDefined()
  })

  it('say what is wrong, without values', async () => {
    const failing = async (sql: string, params: unknown[] = []): Promise<QueryError> => {
      const error: unknown = await rows(sql, params).catch((thrown: unknown) => thrown)
      expect(error, sql).toBeInstanceOf(QueryError)
      return error as QueryError
    }
    expect((await failing(`select nope from ${member}`)).message).toMatch(/column "nope" does not exist/)
    expect((await failing('select * from ledger')).message).toMatch(/only read history tables/)
    expect((await failing('select 1 / 0')).message).toMatch(/division by zero/)
    expect((await failing('select $1::int', ['secret'])).message).not.toMatch(/secret/)
    expect((await failing('selec 1')).details['sqlstate']).toBe('42601')
  })

  const BUSY = `from pg_stat_activity where state = 'active' and datname = current_database() and pid <> pg_backend_pid()
    and backend_type = 'client backend'`
  /** Waits until others have this many statements under way. */
  async function underWay(count: number): Promise<void> {
    while ((await pool.query<{ n: number }>(`select count(*)::int as n ${BUSY}`)).rows[0]?.n !== count);
  }

  it('end at their time limit', async () => {
    await expect(store.reader.all(ENDLESS, [], { timeoutMs: 50 })).rejects.toMatchObject({ code: 'E_TIMEOUT' })
    await expect(streamed(ENDLESS, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'E_TIMEOUT' })
    expect(await rows('select 1', [])).toEqual([[1]])
  })

  it.each(['all', 'stream'] as const)('end on the server when they are given up: %s', async (how) => {
    const stop = new AbortController()
    const options = { signal: stop.signal }
    const reading = how === 'all' ? store.reader.all(ENDLESS, [], options) : streamed(ENDLESS, options)
    const outcome = expect(reading).rejects.toThrow('stopped')
    await underWay(1)
    stop.abort(new Error('stopped'))
    await outcome
    await underWay(0)
  })

  it('a broken connection is the storage, not the query', async () => {
    const outcome = expect(store.reader.all(ENDLESS, [])).rejects.toThrow(StorageError)
    await underWay(1)
    await pool.query(`select pg_terminate_backend(pid) ${BUSY}`)
    await outcome
    expect(await rows('select 1')).toEqual([[1]])
  })

  it('a stream keeps the rows of its start, without a transaction or a lock', async () => {
    const stream = store.reader.stream(`select member_id from ${member} order by member_id`, [], { batchSize: 2 })
    const batches = stream[Symbol.asyncIterator]()
    const seen = [(await batches.next()).value.rows]
    const held = await pool.query(`select 1 from pg_locks where relation = $1::regclass`, [member])
    expect(held.rowCount).toBe(0)
    await pool.query(`update ${member} set member_id = 'z' where member_id = 'e'`)
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) seen.push(next.value.rows)
    await pool.query(`update ${member} set member_id = 'e' where member_id = 'z'`)
    expect(seen.flat(2)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('more streams than connections wait for each other; closing the store ends unfinished ones', async () => {
    const other = await openPostgresStore({ url: space.url, namespace: space.namespace, max: 3, now: () => day(20) })
    const begin = async () => {
      const batches = other.reader
        .stream(`select member_id from ${member}`, [], { batchSize: 2 })
        [Symbol.asyncIterator]()
      await batches.next()
      return batches
    }
    const [first, second] = await Promise.all([begin(), begin()])
    const third = begin()
    await first?.return?.()
    await third
    await other.close()
    await expect(second?.next()).rejects.toThrow(StorageError)
  })

  it('the handle gives values as the tables hold them', async () => {
    const { rows: found } = await pool.query(
      `select valid_from, 2::bigint ^ 3 as n, '[1]'::json as j, true as b from ${member} limit 1`,
    )
    expect(found[0]).toEqual({ valid_from: '2024-01-01T00:00:00+00:00', n: 8, j: '[1]', b: true })
  })

  describe('use the indexes', () => {
    let root: QueryRoot

    beforeAll(async () => {
      // 5000 members of three rows each, and as many loans.
      await pool.query(`
        insert into ${member} (member_id, member_state, valid_from, valid_to, merged_into, last_event_time,
          state_entered_time, created_time, _generation, _revision)
        select 'm' || i, 's', timestamptz '2024-01-01' + k * interval '1 day', case when k < 2 then timestamptz '2024-01-02' + k * interval '1 day' end,
          case when i % 100 = 0 then 'm1' end, now(), now(), now(), 1, 1 from generate_series(1, 5000) i, generate_series(0, 2) k;
        insert into ${schema}."rel_took_out~edges" (source_id, target_id, valid_from, _generation, _revision)
        select 'm' || i, 'l' || i, '2024-01-01', 1, 1 from generate_series(1, 5000) i;
        insert into ${schema}."rel_taken_by~edges" (source_id, target_id, valid_from, _generation, _revision)
        select 'x' || i, 'm' || i, '2024-01-01', 1, 1 from generate_series(1, 5000) i;
        analyze ${member}; analyze ${schema}."rel_took_out~edges"; analyze ${schema}."rel_taken_by~edges"`)
      const program = { definitions: { entities: {}, sources: {}, schemas: {}, pipelines: {} }, layout: LAYOUT }
      root = createQueryRoot(store.reader, program, 'v1')
    })

    /** Indexes of the plan; a table read from end to end counts as `all of …`. */
    async function indexesOf(query: TableQuery): Promise<string[]> {
      const { text, params } = query.sql()
      const { rows: found } = await pool.query({
        text: `explain (format json) ${text}`,
        values: [...params],
        rowMode: 'array',
      })
      const names = new Set<string>()
      const walk = (value: unknown): void => {
        if (typeof value !== 'object' || value === null) return
        const node = value as Record<string, unknown>
        if (node['Node Type'] === 'Seq Scan') names.add(`all of ${String(node['Relation Name'])}`)
        if (typeof node['Index Name'] === 'string') names.add(node['Index Name'])
        Object.values(node).forEach(walk)
      }
      walk(JSON.parse(found[0]?.[0] as string))
      return [...names].sort()
    }

    it('of one entity, now and at an instant', async () => {
      expect(await indexesOf(root.table('member').filter({ member_id: 'm77' }))).toEqual(['member_history~open'])
      expect(await indexesOf(root.history('member').filter({ member_id: 'm77' }))).toEqual(['member_history_pkey'])
      expect(await indexesOf(root.history('member').filter({ member_id: 'm77' }).asOf('2024-01-02'))).toEqual([
        'member_history_pkey',
      ])
      expect(await indexesOf(root.table('member').filter({ member_id: ['m1', 'm2'] }))).toEqual(['member_history~open'])
    })

    it('of merges', async () => {
      const merged = root.table('member').filter({ member_id: 'm1' }).resolveMerges()
      expect(await indexesOf(merged)).not.toContain('all of member_history')
    })

    it('of changes since an instant', async () => {
      expect(await indexesOf(root.history('member').filter({ valid_from: { gt: '2024-02-01' } }))).toEqual([
        'member_history~from',
      ])
    })

    it('of edges, from either end and under either name', async () => {
      const scans = async (query: TableQuery): Promise<string[]> =>
        (await indexesOf(query)).filter((name) => name.startsWith('all of'))
      for (const name of ['took_out', 'taken_by']) {
        for (const end of ['source_id', 'target_id']) {
          const query = root.relationship(name).filter({ [end]: 'm77' })
          expect(await scans(query), `${name} by ${end}`).toEqual([])
        }
      }
      expect(await scans(root.relationships().filter({ source_id: 'm77' }))).toEqual([])
      expect(await scans(root.relationships().filter({ target_id: 'm77' }))).toEqual([])
      const loans = root.relationship('took_out')
      const joined = root
        .table('member')
        .filter({ member_id: 'm77' })
        .join(loans, { left: 'member_id', right: 'source_id' })
      expect(await scans(joined as TableQuery)).toEqual([])
    })
  })
})
