/** Rows of another database as input: cursors, ties, overlap, interruptions; and the run log on Postgres (spec 10 §3.2–3.3). */
import pg from 'pg'
import { expect, test } from 'vitest'
import { hasNewParts } from '../../src/orchestration/ingest/plan.ts'
import { pipelineOf } from '../../src/orchestration/pinned.ts'
import type { Json } from '../../src/ports/runs.ts'
import { type Disturbance, IngestWorld, type Outcome, sale, sales, secret } from '../support/ingest-world.ts'
import { describePostgres, execute, freshDatabase } from '../support/postgres.ts'

/** Minutes of the first of January; several rows share one. */
const minute = (n: number): string =>
  `2024-01-01 ${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}:00.123456+00`

interface Outbound extends AsyncDisposable {
  readonly url: string
  add(rows: readonly { readonly record: object; readonly minute: number }[]): Promise<void>
}

async function outbound(): Promise<Outbound> {
  const { url, drop } = await freshDatabase()
  await execute(url, 'create table outbound(id bigserial primary key, record jsonb, changed_at timestamptz not null)')
  return {
    url,
    async add(rows) {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      for (const { record, minute: at } of rows)
        await client.query('insert into outbound(record, changed_at) values ($1, $2)', [record, minute(at)])
      await client.end()
    },
    [Symbol.asyncDispose]: drop,
  }
}

const INPUT: Record<string, Json> = {
  kind: 'postgres',
  database: secret('SHOP'),
  query: 'select record, changed_at from outbound where changed_at > :cursor order by changed_at, id;',
  cursor: { column: 'changed_at', initial: '2024-01-01T00:00:00Z' },
  batch: 5,
}

async function worldOf(outbound: Outbound, database?: string): Promise<IngestWorld> {
  const world = await IngestWorld.open(database)
  world.secrets['SHOP'] = outbound.url
  return world
}

describePostgres('a query with a cursor', () => {
  test('goes on behind the last value, ties and all, wherever it was interrupted', async () => {
    await using source = await outbound()
    // Seven rows a minute: more than a batch.
    await source.add(sales(0, 40).map((record, i) => ({ record, minute: 1 + Math.floor(i / 7) })))
    const read = async (disturbances: readonly Disturbance[], batch = 5): Promise<Outcome> => {
      await using world = await worldOf(source)
      const { runId } = await world.ofInput({ ...INPUT, batch })
      const { run, error } = await world.endure(runId, disturbances)
      expect(error).toBeNull()
      return await world.outcome(run)
    }
    const wanted = await read([])
    expect(wanted.rows).toHaveLength(40)
    expect(wanted.stats).toEqual({ events_read: 40, events_ingested: 40, duplicates: 0, events_failed: 0 })
    for (const at of [1, 2, 3, 4, 5]) {
      expect(await read([{ stopAfter: at }])).toEqual(wanted)
      expect(await read([{ failAt: at }])).toEqual(wanted)
    }
    expect(await read([{ stopAfter: 1 }, { failAt: 1 }], 1)).toEqual(wanted)
  })

  test('sees new rows only, and with an overlap those that were committed late', async () => {
    await using source = await outbound()
    await using world = await worldOf(source)
    await source.add([
      { record: sale(1), minute: 1 },
      { record: sale(2), minute: 20 },
    ])
    expect((await world.ingest(INPUT)).run.stats).toMatchObject({ events_ingested: 2 })
    expect((await world.ingest(INPUT)).run.stats['events_read']).toBeUndefined()
    expect((await world.ingest({ ...INPUT, required: true })).error).toMatchObject({ code: 'E_INPUT_MISSING' })
    await source.add([
      { record: sale(3), minute: 15 },
      { record: sale(4), minute: 20 },
      { record: sale(5), minute: 21 },
    ])
    expect((await world.ingest(INPUT)).run.stats).toMatchObject({ events_read: 1, events_ingested: 1 })
    const cursor = { column: 'changed_at', initial: '2024-01-01T00:00:00Z', overlap: '10m' }
    const late = await world.ingest({ ...INPUT, cursor })
    expect(late.run.stats).toMatchObject({ events_read: 4, events_ingested: 2, duplicates: 2 })
    // The overlap never moves the cursor back.
    expect((await world.ingest(INPUT)).run.stats['events_read']).toBeUndefined()
    const run = await world.ofInput({ ...INPUT, cursor })
    const pipeline = pipelineOf(run)
    if (pipeline === null) throw new Error('the run has no pipeline')
    expect(await hasNewParts(world.context(), pipeline)).toBe(false)
    await source.add([{ record: sale(6), minute: 22 }])
    expect(await hasNewParts(world.context(), pipeline)).toBe(true)
  })

  test('reads one state of the database, however long it takes', async () => {
    await using source = await outbound()
    await using world = await worldOf(source)
    await source.add(sales(0, 20).map((record, i) => ({ record, minute: i + 1 })))
    const { runId } = await world.ofInput(INPUT)
    let chunks = 0
    const { run } = await world.drive(runId, {
      inCommit: async () => {
        chunks += 1
        if (chunks === 1) await source.add([{ record: sale(100), minute: 300 }])
      },
    })
    expect(run.stats).toMatchObject({ events_ingested: 20 })
    expect((await world.ingest(INPUT)).run.stats).toMatchObject({ events_ingested: 1 })
  })

  test('may be a number, and rows may be the records', async () => {
    await using source = await outbound()
    await execute(
      source.url,
      `create table t(id bigint, kind text, at timestamptz, no numeric, amount int);
      insert into t select i + 9007199254740990, 'sold', '2024-01-01 00:00+00'::timestamptz + i * interval '1 second', i, i from generate_series(1, 12) i`,
    )
    await using world = await worldOf(source)
    const query = 'select * from t where id::bigint > :cursor::bigint order by id'
    const input = { ...INPUT, query, cursor: { column: 'id', initial: 0 } }
    const { runId } = await world.ofInput(input)
    const { run, error } = await world.endure(runId, [{ stopAfter: 1 }])
    expect(error).toBeNull()
    expect(run.stats).toMatchObject({ events_read: 12, events_ingested: 12 })
    const { rows } = await world.outcome(run)
    expect(rows[11]?.[2]).toMatchObject({ id: 9007199254741002n, at: '2024-01-01T00:00:12+00:00', no: 12 })
  })

  test.each([
    ['select record from outbound where changed_at > :cursor', /no column 'changed_at'/],
    ['select record, changed_at from outbound', /does not use :cursor/],
    ['select record, changed_at from outbound where changed_at > :cursor order by id desc', /order by/],
  ])('that cannot be followed is refused: %s', async (query, message) => {
    await using source = await outbound()
    await using world = await worldOf(source)
    await source.add(sales(0, 3).map((record, i) => ({ record, minute: i + 1 })))
    const { error } = await world.ingest({ ...INPUT, query })
    expect(error).toMatchObject({ name: 'ConfigError' })
    expect(error?.message).toMatch(message)
  })

  test('cannot write, and a database that is away is worth another try', async () => {
    await using source = await outbound()
    await using world = await worldOf(source)
    const query = `with gone as (delete from outbound returning record) select record from gone`
    expect((await world.ingest({ kind: 'postgres', database: secret('SHOP'), query })).error?.name).toBe('StorageError')
    world.secrets['SHOP'] = 'postgres://nobody@127.0.0.1:1/none'
    expect((await world.ingest(INPUT)).error).toMatchObject({ name: 'StorageError', recoverable: true })
  })
})

describePostgres('a query without a cursor', () => {
  test('is read anew by every run, and dedup keeps what is known', async () => {
    await using source = await outbound()
    await using world = await worldOf(source)
    await source.add(sales(0, 12).map((record, i) => ({ record, minute: i })))
    const input = {
      kind: 'postgres',
      database: secret('SHOP'),
      query: 'select record from outbound order by id',
      batch: 5,
    }
    const { runId } = await world.ofInput(input)
    const { run, error } = await world.endure(runId, [{ stopAfter: 1 }])
    expect(error).toBeNull()
    expect(run.stats).toMatchObject({ events_ingested: 12 })
    expect((await world.ingest(input)).run.stats).toMatchObject({ events_read: 12, duplicates: 12 })
  })
})

describePostgres('a space in Postgres', () => {
  test('keeps rows, letters, marks and counters together wherever a run was interrupted', async () => {
    const lines = sales(0, 30)
      .map((record, i) => (i % 7 === 3 ? 'no record\n' : `${JSON.stringify(record)}\n`))
      .join('')
    const read = async (disturbances: readonly Disturbance[]): Promise<Outcome> => {
      const { url, drop } = await freshDatabase()
      try {
        await using world = await IngestWorld.open(url)
        world.write('in/a.ndjson', lines)
        world.write('in/b.ndjson', lines)
        const limits = { action: 'warn' }
        const { runId } = await world.ofInput({ kind: 'files', path: 'in/*', settle: '0s', batch: 7, on_error: limits })
        const { run, error } = await world.endure(runId, disturbances)
        expect(error).toBeNull()
        return await world.outcome(run)
      } finally {
        await drop()
      }
    }
    const wanted = await read([])
    expect(wanted.stats).toEqual({ events_read: 60, events_ingested: 26, duplicates: 26, events_failed: 8 })
    for (const at of [1, 3, 5, 6, 9]) {
      expect(await read([{ stopAfter: at }])).toEqual(wanted)
      expect(await read([{ failAt: at }])).toEqual(wanted)
    }
  })
})
