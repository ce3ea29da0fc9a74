/** What is particular to state history and checkpoints in Postgres (spec 06 §1, 04 §4.4, 07 §6). */
import pg from 'pg'
import { expect, it } from 'vitest'
import type { EntityWrite, HistoryLayout } from '../../src/core/history.ts'
import { shardHash } from '../../src/core/shard.ts'
import { ConfigError } from '../../src/errors.ts'
import type { Store, Unit } from '../../src/ports/store.ts'
import { inUnit } from '../../src/testing/contract/backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres } from '../support/postgres.ts'
import {
  checkpoint,
  client,
  makeShadow,
  members,
  open,
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

describePostgres('tables as people see them', () => {
  it('have typed columns in the documented order', async () => {
    await prepared()
    const columns = await values(
      `select column_name || ' ' || data_type from information_schema.columns
        where table_schema = $1 and table_name = 'member_history' order by ordinal_position`,
      [schema()],
    )
    expect(columns).toEqual([
      'member_id text',
      'member_state text',
      'email text',
      'fee double precision',
      'loans bigint',
      'active boolean',
      'joined timestamp with time zone',
      'order text',
      'valid_from timestamp with time zone',
      'valid_to timestamp with time zone',
      'merged_into text',
      'last_event_time timestamp with time zone',
      'state_entered_time timestamp with time zone',
      'created_time timestamp with time zone',
      '_generation bigint',
      '_revision bigint',
      '_sequence bigint',
    ])
    const edges = await values(
      `select column_name || ' ' || data_type from information_schema.columns
        where table_schema = $1 and table_name = 'rel_took_out_history' order by ordinal_position`,
      [schema()],
    )
    expect(edges.slice(0, 6)).toEqual([
      'source_id text',
      'target_id text',
      'relationship_type text',
      'deposit double precision',
      'valid_from timestamp with time zone',
      'valid_to timestamp with time zone',
    ])
  })

  it('hold any text; what Postgres cannot hold is U+FFFD in columns and exact in checkpoints', async () => {
    const store = await prepared()
    const email = 'tab\t new\nline \\N \\. "quoted" {1,2} \u{1f600}'
    await put(
      store,
      write('member', 'm\t1', { rows: [row(day(1), { properties: { email, order: 'a\u0000b\ud800c' } })] }),
    )
    const { rows } = await client.query(`select member_id, email, "order" from ${schema()}.member_history`)
    expect(rows).toEqual([{ member_id: 'm\t1', email, order: 'a\ufffdb\ufffdc' }])
    const body = JSON.stringify({ a: 'x\u0000\ud800', email })
    for (const target of ['live', 'shadow'] as const) {
      await inUnit(store, (unit) => store.history.beginShadow(unit, LAYOUT))
      await inUnit(store, (unit) => store.checkpoints.save(unit, target, [checkpoint('m', { body })]))
      if (target === 'shadow') await swap(store)
      expect((await store.checkpoints.load(null, 'v1', ['m'])).get('m')?.body).toBe(body)
    }
  })

  it('make null of values that are not of the column’s type', async () => {
    const store = await prepared()
    const redacted = { fee: '[REDACTED]', loans: '****', active: '****', joined: '[REDACTED]', email: '[REDACTED]' }
    await put(store, write('member', 'm', { rows: [row(day(1), { properties: redacted })] }))
    const { rows } = await client.query(`select fee, loans, active, joined, email from ${schema()}.member_history`)
    expect(rows).toEqual([{ fee: null, loans: null, active: null, joined: null, email: '[REDACTED]' }])
  })

  it('belong to one namespace and version, whatever the names could be read as', async () => {
    const first = await open({ namespace: `${place.namespace}_b` })
    await inUnit(first, (unit) => first.history.ensure(unit, LAYOUT), 'c')
    const second = await open()
    const taken = inUnit(second, (unit) => second.history.ensure(unit, LAYOUT), 'b_c')
    await expect(taken).rejects.toThrow(ConfigError)
    await expect(taken).rejects.toThrow(/belongs to namespace \w+_b, version c; choose another name/)
    await inUnit(first, (unit) => first.history.ensure(unit, LAYOUT), 'c')

    await client.query(`create schema ${place.namespace}_mine; create table ${place.namespace}_mine.notes (n text)`)
    const foreign = inUnit(second, (unit) => second.history.ensure(unit, LAYOUT), 'mine')
    await expect(foreign).rejects.toThrow(/belongs to another application/)
    await client.query(`create schema ${place.namespace}_ready`)
    await inUnit(second, (unit) => second.history.ensure(unit, LAYOUT), 'ready')
  })

  it('refuses properties named like columns that Postgres keeps to itself', async () => {
    const store = await open()
    const layout: HistoryLayout = {
      entities: [{ type: 'thing', columns: [{ name: 'xmin', type: 'string' }] }],
      relationships: [],
    }
    await expect(inUnit(store, (unit) => store.history.ensure(unit, layout))).rejects.toThrow(/'xmin'.*reserved/)
  })

  it('are made once by processes that come at the same time', async () => {
    const all = await Promise.all([open(), open(), open()])
    await Promise.all(all.map((store) => inUnit(store, (unit) => store.history.ensure(unit, LAYOUT))))
    expect(await schemas()).toEqual([schema()])
  })
})

describePostgres('indexes', () => {
  it('serve current rows by id, points in time, open edges, due times, merges', async () => {
    const store = await prepared()
    const ids = Array.from({ length: 4000 }, (_, i) => `m${i}`)
    const writes = ids.map((id, i) =>
      write('member', id, {
        rows: [row(day(1 + (i % 9)), { validTo: day(10 + (i % 9)) }), row(day(10 + (i % 9)))],
        edges: [edge('took_out', `loan ${i}`, day(10))],
      }),
    )
    const loans = ids.map((id, i) =>
      write('loan', `loan ${i}`, { rows: [row(day(10))], edges: [edge('taken_by', id, day(11))] }),
    )
    await inUnit(store, (unit) => store.history.beginShadow(unit, LAYOUT))
    await inUnit(store, async (unit) => {
      await store.history.write(unit, 'shadow', LAYOUT, writes)
      await store.history.write(unit, 'shadow', LAYOUT, loans)
      const due = (i: number): string => `2024-01-01T00:00:00.${String(100_000 + i).slice(0, 6)}+00:00`
      await store.checkpoints.save(
        unit,
        'shadow',
        ids.map((id, i) => checkpoint(id, { nextDue: due(i) })),
      )
    })
    await swap(store)
    const plan = async (sql: string): Promise<string> => (await values(`explain ${sql}`)).join('\n')
    const history = `${schema()}.member_history`
    expect(await plan(`select * from ${history} where member_id = 'm7' and valid_to is null`)).toMatch(
      /member_history~open|member_history_pkey/,
    )
    expect(
      await plan(`select * from ${history} where member_id = 'm7' and valid_from <= '2024-01-05'
        and (valid_to is null or valid_to > '2024-01-05')`),
    ).toMatch(/member_history_pkey/)
    expect(await plan(`select * from ${history} where valid_from < '2024-01-01 00:00:01'`)).toMatch(
      /member_history~from/,
    )
    expect(await plan(`select * from ${history} where merged_into = 'm3'`)).toMatch(/member_history~into/)
    const edges = `${schema()}.rel_took_out_history`
    expect(await plan(`select * from ${edges} where source_id = 'm7' and valid_to is null`)).toMatch(
      /rel_took_out~edges_pkey[\s\S]*rel_taken_by~target/,
    )
    expect(await plan(`select * from ${edges} where target_id = 'loan 7'`)).toMatch(/rel_took_out~target/)
    expect(
      await plan(`select id from ${schema()}.entity_state where next_due < '2024-01-01 00:00:00.1001'
        order by next_due, id limit 10`),
    ).toMatch(/Index Only Scan using "entity_state~due"|Index Scan using "entity_state~due"/)
    expect(await store.checkpoints.due(null, 'v1', day(2), 2)).toEqual(['m0', 'm1'])
  })
})

describePostgres('full builds and readers', () => {
  it('never wait for each other', async () => {
    const store = await prepared({ lockTimeoutMs: 500 })
    await put(store, simple('old 1'), simple('old 2'), simple('old 3'))
    await client.query('begin')
    await client.query(`declare slow cursor for select member_id from ${schema()}.member_history order by 1`)
    expect(await values('fetch 1 from slow')).toEqual(['old 1'])
    await rebuild(store, [simple('new')])

    const other = new pg.Client({ connectionString: place.url })
    await other.connect()
    await other.query('set lock_timeout = 500')
    const seen = await other.query(`select member_id from ${schema()}.member_history`)
    expect(seen.rows).toEqual([{ member_id: 'new' }])
    await other.end()
    expect(await values('fetch all from slow')).toEqual(['old 2', 'old 3'])
    // The same transaction finds the new table by its name.
    expect(await members()).toEqual(['new'])
    expect(await schemas()).toEqual([schema(), `${schema()}~old1`])

    // Further builds go on beside a reader that stays, who has read both by now.
    await rebuild(store, [simple('newer')])
    expect(await schemas()).toEqual([schema(), `${schema()}~old1`, `${schema()}~old2`])
    await client.query('commit')
    await inUnit(store, (unit) => store.history.ensure(unit, LAYOUT))
    expect(await schemas()).toEqual([schema()])
  })

  it('lead prepared statements to the new tables', async () => {
    const store = await prepared()
    await put(store, simple('old'))
    const statement = { name: 'members', text: `select member_id from ${schema()}.member_history where member_id > $1` }
    for (let i = 0; i < 7; i++) {
      expect((await client.query({ ...statement, values: [''] })).rows).toEqual([{ member_id: 'old' }])
    }
    await rebuild(store, [simple('new')])
    expect((await client.query({ ...statement, values: [''] })).rows).toEqual([{ member_id: 'new' }])
  })

  it('leave one version alone when another one is rebuilt', async () => {
    const store = await prepared()
    await put(store, simple('one'))
    await inUnit(
      store,
      async (unit) => {
        await prepareVersion(store, unit)
        await store.history.beginShadow(unit, LAYOUT)
        await store.history.write(unit, 'shadow', LAYOUT, [simple('two')])
        await store.history.swapShadow(unit, LAYOUT)
      },
      'v1_x',
    )
    expect(await members()).toEqual(['one'])
    expect(await schemas()).toEqual([schema(), `${schema()}_x`])
  })

  it('begin anew after a kill in the middle, of this division or another', async () => {
    const first = await prepared()
    await put(first, simple('live'))
    await makeShadow(first, [simple('half')])
    const third = await open({ shard: { id: 2, total: 3 } })
    await makeShadow(third, [simple('third')])
    await first.close()
    expect(await schemas()).toEqual([schema(), `${schema()}~next2`])

    const again = await open()
    await makeShadow(again, [simple('half')])
    expect(await schemas()).toEqual([schema(), `${schema()}~next`])
    await rebuild(again, [simple('whole')])
    expect(await members()).toEqual(['whole'])
    expect(await schemas()).toEqual([schema()])
  })
})

describePostgres('shards', () => {
  const total = 2
  const ids = Array.from({ length: 40 }, (_, i) => `entity ${i}`)
  const own = (id: number): string[] => ids.filter((entity) => shardHash(entity) % total === id)

  async function pair(): Promise<[Store, Store]> {
    const first = await prepared({ shard: { id: 0, total } })
    return [first, await open({ shard: { id: 1, total } })]
  }

  it('replace the rows of their own entities, at the same time', async () => {
    const [zero, one] = await pair()
    await put(zero, ...ids.map((id) => simple(id, 1, { edges: [edge('knows', 'x', day(1))] })))
    await inUnit(zero, (unit) =>
      zero.checkpoints.save(
        unit,
        'live',
        ids.map((id) => checkpoint(id)),
      ),
    )
    await rebuild(
      zero,
      own(0)
        .slice(1)
        .map((id) => simple(id, 2, { generation: 1, edges: [edge('knows', 'y', day(2))] })),
    )
    const state = async (): Promise<unknown> =>
      (
        await client.query(`select member_id, extract(day from valid_from)::int as day, (select string_agg(target_id, ' ')
        from ${schema()}."rel_knows~edges" where source_id = member_id) as knows, exists (select 1 from
        ${schema()}.entity_state where id = member_id) as checkpoint from ${schema()}.member_history order by 1`)
      ).rows
    const expected = (rebuilt: readonly string[], rest: readonly string[]): unknown =>
      [
        ...rebuilt.map((member_id) => ({ member_id, day: 2, knows: 'y', checkpoint: true })),
        ...rest.map((member_id) => ({ member_id, day: 1, knows: 'x', checkpoint: true })),
      ].sort((a, b) => (a.member_id < b.member_id ? -1 : 1))
    expect(await state()).toEqual(expected(own(0).slice(1), own(1)))

    await Promise.all([
      rebuild(
        zero,
        own(0).map((id) => simple(id, 2, { generation: 2, edges: [edge('knows', 'y', day(2))] })),
      ),
      rebuild(
        one,
        own(1).map((id) => simple(id, 2, { generation: 2, edges: [edge('knows', 'y', day(2))] })),
      ),
    ])
    expect(await state()).toEqual(expected(ids, []))
    expect(await schemas()).toEqual([schema()])
  })

  it('carry over their own losers', async () => {
    const [zero, one] = await pair()
    await put(zero, ...ids.map((id) => simple(id)))
    const losers = [own(0)[0] as string, own(1)[0] as string]
    await inUnit(zero, async (unit) => {
      const retired = losers.map((from) => ({ entityType: 'member', from, into: 'winner' }))
      await zero.identity.reset(unit, [], retired)
    })
    await rebuild(zero, [])
    expect(await members()).toEqual([losers[0], ...own(1)].sort())
    await rebuild(one, [])
    expect(
      await values(`select member_id from ${schema()}.member_history where merged_into = 'winner' and valid_to
      is not null order by 1`),
    ).toEqual([...losers].sort())
  })

  it('absorb and fall due for their own entities', async () => {
    const [zero, one] = await pair()
    const [loser, winner, ...others] = own(0)
    const strangers = own(1)
    const both = (id: string): EntityWrite =>
      simple(id, 1, { edges: [edge('knows', loser as string, day(1)), edge('knows', winner as string, day(1))] })
    await put(zero, ...[...others, ...strangers].map(both), simple(loser as string), simple(winner as string))
    const absorb = (store: Store, unit: Unit): Promise<string[]> =>
      store.history.absorb(unit, LAYOUT, 'member', loser as string, winner as string, day(9))
    expect((await inUnit(one, (unit) => absorb(one, unit))).sort()).toEqual([...strangers].sort())
    expect(await values(`select count(*) from ${schema()}.member_history where merged_into is not null`)).toEqual(['0'])
    expect((await inUnit(zero, (unit) => absorb(zero, unit))).sort()).toEqual([...others].sort())
    expect(await values(`select member_id from ${schema()}.member_history where merged_into = $1`, [winner])).toEqual([
      loser,
    ])
    expect(await values(`select count(*) from ${schema()}."rel_knows~edges" where target_id = $1`, [loser])).toEqual([
      '0',
    ])

    const due = ids.map((id, i) => checkpoint(id, { nextDue: day(1 + (i % 20)).toString() }))
    await inUnit(zero, (unit) => zero.checkpoints.save(unit, 'live', due))
    const [a, b] = await Promise.all([zero, one].map((store) => store.checkpoints.due(null, 'v1', day(30), 99)))
    expect([a?.length, b?.length]).toEqual([own(0).length, own(1).length])
    expect([...(a ?? [])].sort()).toEqual([...own(0)].sort())
  })
})
