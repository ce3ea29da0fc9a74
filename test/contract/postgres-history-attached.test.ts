/** What people attach to history tables in Postgres outlives full builds and new definitions (spec 06 §1, 04 §4.4). */
import { expect, it } from 'vitest'
import type { HistoryLayout } from '../../src/core/history.ts'
import { StorageError } from '../../src/errors.ts'
import { inUnit } from '../../src/testing/contract/backend.ts'
import { day, edge, LAYOUT, row, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres } from '../support/postgres.ts'
import {
  client,
  makeShadow,
  members,
  place,
  prepared,
  put,
  rebuild,
  schema,
  schemas,
  simple,
  swap,
  values,
} from '../support/postgres-history.ts'

describePostgres('what people attach', () => {
  it('privileges outlive a full build, and what was taken away stays away', async () => {
    const store = await prepared()
    const [reader, columns] = [`r_${place.namespace}`, `c_${place.namespace}`]
    await client.query(`create role ${reader}; create role ${columns}`)
    try {
      await client.query(`
        grant usage on schema ${schema()} to ${reader} with grant option;
        grant select on ${schema()}.member_history, ${schema()}.rel_took_out_history to ${reader};
        grant select (member_id) on ${schema()}.member_history to ${columns};
        alter default privileges in schema ${schema()} grant select on tables to ${reader};
        alter default privileges grant select on tables to ${columns}`)
      await makeShadow(store, [simple('new')])
      await client.query(`alter default privileges revoke select on tables from ${columns}`)
      await swap(store)
      const can = async (who: string, table: string): Promise<unknown> =>
        (await values(`select has_table_privilege($1, $2, 'select')`, [who, `${schema()}.${table}`]))[0]
      expect(await can(reader, 'member_history')).toBe(true)
      expect(await can(reader, 'rel_took_out_history')).toBe(true)
      expect(await can(reader, 'loan_history')).toBe(false)
      expect(await can(columns, 'member_history')).toBe(false)
      expect(
        await values(`select has_column_privilege($1, $2, 'member_id', 'select')`, [
          columns,
          `${schema()}.member_history`,
        ]),
      ).toEqual([true])
      expect(
        await values(`select has_schema_privilege($1, $2, 'usage with grant option')`, [reader, schema()]),
      ).toEqual([true])
      await client.query(`create table ${schema()}.later (n int)`)
      expect(await can(reader, 'later')).toBe(true)
    } finally {
      await client.query(`drop owned by ${reader}, ${columns}; drop role ${reader}, ${columns}`)
    }
  })

  it('views, keys and indexes of their own see the new rows', async () => {
    const store = await prepared()
    await put(store, simple('kept'), simple('old'))
    await client.query(`
      create schema ${place.namespace}_bi;
      create view ${place.namespace}_bi.report as select member_id from ${schema()}.member_history;
      create table ${place.namespace}_bi.notes (id text, since timestamptz, foreign key (id, since)
        references ${schema()}.member_history);
      insert into ${place.namespace}_bi.notes select member_id, valid_from from ${schema()}.member_history
        where member_id = 'kept'`)
    await client.query(`create index mine on ${schema()}.member_history (email)`)
    await rebuild(store, [simple('kept', 1, { generation: 1, edges: [edge('took_out', 'l', day(1))] }), simple('new')])
    expect(await values(`select member_id from ${place.namespace}_bi.report order by 1`)).toEqual(['kept', 'new'])
    expect(await values(`select to_regclass($1) is not null`, [`${schema()}.mine`])).toEqual([true])
    expect(await values(`select id from ${place.namespace}_bi.notes`)).toEqual(['kept'])
    expect([...(await store.checkpoints.load(null, 'v1', ['kept', 'old', 'new'])).keys()].sort()).toEqual([
      'kept',
      'new',
    ])
    expect(await schemas()).toEqual([`${place.namespace}_bi`, schema()])
  })

  it.each([
    ['a view', 'create view %S.mine as select 1 from %S.member_history'],
    ['a table', 'create table %S.mine (n int)'],
    ['a table of that row type', 'create table public.%N (m %S.member_history)'],
    ['a child table', 'create table public.%N () inherits (%S.member_history)'],
    ['a function', `create function %S.mine() returns int language sql as 'select 1'`],
    ['an index', 'create index on %S.entity_state (type)'],
    [
      'a trigger',
      `create function public.%N() returns trigger language plpgsql as 'begin return new; end';
      create trigger mine after insert on %S.member_history execute function public.%N()`,
    ],
    ['a policy', 'create policy mine on %S.member_history using (true)'],
    ['a publication', 'create publication %N for table %S.member_history'],
    ['statistics', 'create statistics %S.mine on email, fee from %S.member_history'],
  ])('%s keeps its tables', async (_, sql) => {
    const store = await prepared()
    const name = `x_${place.namespace}`
    const tables = `select oid from pg_class where relname = 'member_history' and relnamespace = $1::regnamespace`
    try {
      await client.query(sql.replaceAll('%S', schema()).replaceAll('%N', name))
      const before = await values(tables, [schema()])
      await rebuild(store, [simple('new')])
      expect(await values(tables, [schema()])).toEqual(before)
      expect(await members()).toEqual(['new'])
    } finally {
      await client.query(`drop publication if exists ${name}; drop table if exists public.${name};
        drop function if exists public.${name} cascade`)
    }
  })

  it('stands in the way of a column that goes, and is named', async () => {
    const store = await prepared()
    await client.query(`create view ${place.namespace}_v1.mine as select fee from ${schema()}.member_history`)
    const layout = { ...LAYOUT, entities: [{ type: 'member', columns: [{ name: 'email', type: 'string' as const }] }] }
    const failed = rebuild(store, [simple('new')], layout)
    await expect(failed).rejects.toThrow(StorageError)
    await expect(failed).rejects.toThrow(/view \S*mine depends on column fee/)
    await client.query(`drop view ${schema()}.mine`)
    await swap(store, layout)
    expect(await members()).toEqual(['new'])
  })
})

describePostgres('new definitions of one version', () => {
  const changed: HistoryLayout = {
    entities: [
      {
        type: 'member',
        columns: [
          { name: 'email', type: 'string' },
          { name: 'fee', type: 'string' },
        ],
      },
      { type: 'branch', columns: [] },
    ],
    relationships: [
      { type: 'took_out', inverses: [], columns: [{ name: 'deposit', type: 'integer' }] },
      { type: 'knows', inverses: ['knows'], columns: [{ name: 'since', type: 'datetime' }] },
    ],
  }
  const columnsOf = (table: string): Promise<unknown[]> =>
    values(
      `select column_name || ' ' || data_type from information_schema.columns
        where table_schema = $1 and table_name = $2 and column_name in ('email', 'fee', 'loans', 'deposit', 'since')
        order by column_name`,
      [schema(), table],
    )

  it.each([
    ['by exchange', null],
    ['row by row', { id: 0, total: 1 }],
  ])('take effect with the swap, %s', async (_, shard) => {
    const store = await prepared(shard === null ? {} : { shard })
    await put(store, simple('old', 1, { edges: [edge('took_out', 'l', day(1))] }))
    await client.query(`grant select on ${schema()}.rel_took_out_history to public`)
    await inUnit(store, (unit) => store.history.ensure(unit, changed))
    expect(await columnsOf('member_history')).toEqual(['email text', 'fee double precision', 'loans bigint'])
    const fresh = write('member', 'new', {
      rows: [row(day(1), { properties: { fee: 'free' } })],
      edges: [{ ...edge('took_out', 'l', day(1)), properties: { deposit: 3 } }],
    })
    await rebuild(store, [fresh], changed)
    expect(await columnsOf('member_history')).toEqual(['email text', 'fee text'])
    expect(await columnsOf('rel_took_out_history')).toEqual(['deposit bigint'])
    expect(await columnsOf('rel_knows_history')).toEqual(['since timestamp with time zone'])
    expect(await values(`select deposit from ${schema()}.rel_took_out_history`)).toEqual(['3'])
    expect(
      await values(`select has_table_privilege('public', $1, 'select')`, [`${schema()}.rel_took_out_history`]),
    ).toEqual([true])
    const tables = await values(
      `select relname from pg_class where relnamespace = $1::regnamespace
      and relkind in ('r', 'v') order by relname collate "C"`,
      [schema()],
    )
    expect(tables).toEqual([
      'branch_history',
      'entity_state',
      'member_history',
      'rel_knows_history',
      'rel_knows~edges',
      'rel_took_out_history',
      'rel_took_out~edges',
      'relationships',
    ])
    await inUnit(store, (unit) => store.history.ensure(unit, changed))
    await inUnit(store, (unit) => store.history.write(unit, 'live', changed, [simple('newer')]))
    expect(await members()).toEqual(['new', 'newer'])
  })
})
