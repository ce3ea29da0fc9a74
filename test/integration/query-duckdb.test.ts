/** Queries on DuckDB files: values, limits, what a text may be, and the file while others use it (spec 06 §1, §6, §10). */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTables } from '../../src/adapters/duckdb/history-file.ts'
import { openDuckdb } from '../../src/adapters/duckdb/instance.ts'
import { type OpenedReader, openDuckdbReader } from '../../src/adapters/duckdb/reader.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import { QueryError, StorageError } from '../../src/errors.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import { DUCKDB_ATTACKS } from '../support/duckdb-attacks.ts'
import { DuckdbProcess } from '../support/duckdb-process.ts'
import { DEFINITIONS } from '../support/query-store.ts'
import { room } from '../support/room.ts'

const layout = historyLayout(DEFINITIONS)
const AT = '2024-02-29T12:34:56.789012+00:00'
const CUSTOMERS = '"space_v1"."customer_history"'
/** Takes minutes, and no memory. */
const LONG = 'select count(*) as n from range(10000000) a, range(10000000) b where a.range + b.range < 0'

async function writeCustomers(path: string, rows: readonly (readonly [id: string, seats: bigint])[]): Promise<void> {
  const columns = [
    { name: 'customer_id', type: 'string' },
    { name: 'seats', type: 'integer' },
    { name: 'valid_from', type: 'datetime' },
  ] as const
  async function* chunks(): AsyncGenerator<unknown[][]> {
    yield rows.map(([id, seats]) => [id, seats, AT])
  }
  const version = { namespace: 'space', version: 'v1', layout, definitions: '{}' }
  await writeTables(path, { format: 'store', ...version }, [{ name: 'customer_history', columns, chunks: chunks() }])
}

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(room(), 'defacto-query-duckdb-'))
  file = join(folder, 'histories.duckdb')
  await writeCustomers(file, [
    ['a', 2n ** 62n],
    ['b', 7n],
  ])
  const own = await openDuckdb(file)
  await own.run('create macro peek() as (select count(*) from main._defacto_store)')
  await own.run('create macro peek_table() as table select * from main._defacto_store')
  await own.run('create schema other; create table other.customer_history as select 1 as x')
  own.closeSync()
})
afterAll(() => rm(folder, { recursive: true }))

async function withReader<T>(path: string, work: (opened: OpenedReader) => Promise<T>): Promise<T> {
  const opened = await openDuckdbReader({ path, namespace: 'space' })
  try {
    return await work(opened)
  } finally {
    await opened.close()
  }
}

describe('a reader', () => {
  it('gives values as every store does', () =>
    withReader(file, async ({ reader }) => {
      const { columns, rows } = await reader.all(
        `select seats, valid_from, valid_to, $1::double as x, $2::bigint as n, $3 as t, $4::boolean as b
         from ${CUSTOMERS} order by customer_id`,
        [0.1, 2n ** 60n, 'ü', true],
      )
      expect(columns).toEqual(['seats', 'valid_from', 'valid_to', 'x', 'n', 't', 'b'])
      expect(rows).toEqual([
        [2n ** 62n, AT, null, 0.1, 2n ** 60n, 'ü', true],
        [7n, AT, null, 0.1, 2n ** 60n, 'ü', true],
      ])
      const [others] = (
        await reader.all(
          `select 1.5, 12::decimal(10, 0), 2::hugeint ** 2, [1, null], {'a': [true]}, date '2024-02-29', interval 1 day,
           'ab'::blob, timestamp '1969-12-31 23:59:59.999999', timestamptz 'infinity', null`,
          [],
        )
      ).rows
      expect(others).toEqual([
        1.5,
        12n,
        4,
        [1, null],
        { a: [true] },
        '2024-02-29',
        '1 day',
        new Uint8Array([97, 98]),
        '1969-12-31T23:59:59.999999+00:00',
        'infinity',
        null,
      ])
    }))

  it('streams batches of the size asked for, in the order of the query, and can be left', () =>
    withReader(file, async ({ reader }) => {
      const sizes: number[] = []
      let next = 0n
      for await (const { rows } of reader.stream('select range as n from range(10000)', [], { batchSize: 3000 })) {
        sizes.push(rows.length)
        for (const [n] of rows) expect(n).toBe(next++)
      }
      expect(sizes).toEqual([3000, 3000, 3000, 1000])
      for await (const { rows } of reader.stream('select range as n from range(1000000000)', [], { batchSize: 10 })) {
        expect(rows).toHaveLength(10)
        break
      }
      expect((await reader.all('select 1 as x', [])).rows).toEqual([[1]])
    }))

  it('ends queries that take too long, and those that are called off', () =>
    withReader(file, async ({ reader }) => {
      const late = await reader.all(LONG, [], { timeoutMs: 30 }).catch((error: unknown) => error)
      expect(late).toBeInstanceOf(QueryError)
      expect(late).toMatchObject({ code: 'E_TIMEOUT', message: expect.stringContaining('30 ms') })
      const stop = new AbortController()
      const running = reader.all(LONG, [], { signal: stop.signal })
      stop.abort(new Error('enough'))
      await expect(running).rejects.toThrow('enough')
      await expect(reader.all('select 1', [], { signal: stop.signal })).rejects.toThrow('enough')
      const streaming = (async () => {
        for await (const _ of reader.stream(LONG, [], { timeoutMs: 30 })) break
      })()
      await expect(streaming).rejects.toThrow(/took longer than 30 ms/)
      expect((await reader.all('select 1 as x', [], { timeoutMs: 1e12 })).rows).toEqual([[1]])
    }))

  it('blames the query for what is wrong in it, without values of rows', () =>
    withReader(file, async ({ reader }) => {
      const overflow = await reader.all(`select seats * 4 from ${CUSTOMERS}`, []).catch((error: unknown) => error)
      expect(overflow).toBeInstanceOf(QueryError)
      expect((overflow as Error).message).toContain('Out of Range Error')
      expect((overflow as Error).message).not.toContain(String(2n ** 62n))
      await expect(reader.all(`select nothing from ${CUSTOMERS}`, [])).rejects.toThrow(/"nothing" not found/)
      await expect(reader.all('select * from', [])).rejects.toThrow(/the SQL cannot be read: .*syntax error/)
    }))

  it('is told when it is closed', async () => {
    const { reader, close } = await openDuckdbReader({ path: file, namespace: 'space' })
    const left = reader.stream('select range from range(100000)', [], { batchSize: 10 })[Symbol.asyncIterator]()
    await left.next()
    const running = reader.all(LONG, []).catch((error: unknown) => error)
    await reader.all('select 1', [])
    await close()
    expect(await running).toMatchObject({ name: 'QueryError', message: expect.stringMatching(/is closed/) })
    const rest = (async () => {
      while (!(await left.next()).done);
    })()
    await expect(rest).rejects.toThrow(/is closed/)
    await close()
    await expect(reader.all('select 1', [])).rejects.toThrow(QueryError)
    await expect(reader.refresh()).rejects.toThrow(QueryError)
  })
})

describe('a text', () => {
  let opened: OpenedReader
  beforeAll(async () => {
    opened = await openDuckdbReader({ path: file, namespace: 'space' })
  })
  afterAll(() => opened.close())

  it('has many ways to be refused', () => expect(DUCKDB_ATTACKS.length).toBeGreaterThanOrEqual(90))

  it.each(DUCKDB_ATTACKS)('is refused: %s', async (sql) => {
    await expect(opened.reader.all(sql, [])).rejects.toThrow(QueryError)
    const root = createQueryRoot(opened.reader, { definitions: DEFINITIONS, layout }, 'v1')
    const unchecked = async (): Promise<unknown> => root.query(sql, [], { validate: false }).rows()
    await expect(unchecked()).rejects.toThrow(QueryError)
  })

  it.each([
    `from ${CUSTOMERS}`,
    `with a as (select * from ${CUSTOMERS}), b as (select count(*) as n from a) select * from a, b`,
    'with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select * from t',
    // The name of a table that may not be read, for something else.
    'with _defacto_store as (select 1 as x) select x from _defacto_store',
    'select * from "space_v1"."relationships"',
    'select * from space_v1.rel_ordered_by_history',
    `select * from ${CUSTOMERS} as c using sample 1 rows`,
    "select upper('a'), now() is not null, list_sum([1]), {'a': 1}, '{\"a\": 1}' ->> 'a', row_number() over (), 1 // 2",
    "select quantile_cont(n, 0.5), string_agg(n::varchar, ',' order by n), first(n) from range(3) as r (n)",
    'select unnest([1, 2]) as x, extract(year from current_timestamp), current_date',
    'values (1), (2)',
    'select \'a;b\' as "c;d" -- ;',
  ])('is run: %s', async (sql) => {
    expect((await opened.reader.all(sql, [])).columns.length).toBeGreaterThan(0)
  })

  it('cannot change the connection that callers are given', async () => {
    const connection = opened.reader.handle as Awaited<ReturnType<typeof openDuckdb>>
    for (const sql of [
      "set memory_limit = '1GB'",
      `delete from ${CUSTOMERS}`,
      "select * from read_text('/etc/passwd')",
      "copy (select 1) to '/tmp/out.csv'",
      "attach '/tmp/other.duckdb'",
      'install httpfs',
    ]) {
      await expect(connection.run(sql)).rejects.toThrow()
    }
    expect((await connection.runAndReadAll("select current_setting('TimeZone')")).getRows()).toEqual([['UTC']])
  })
})

describe('a file', () => {
  const failure = async (path: string): Promise<StorageError> => {
    const error = await openDuckdbReader({ path, namespace: 'space' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StorageError)
    return error as StorageError
  }

  it('that is missing, something else, damaged, or newer, is told apart', async () => {
    const path = join(folder, 'wrong.duckdb')
    expect((await failure(path)).message).toMatch(/there is no file .*wrong\.duckdb/)
    await writeFile(path, 'hello, this is no database'.repeat(1000))
    expect((await failure(path)).message).toMatch(/is not a DuckDB file/)
    await writeFile(path, '')
    expect((await failure(path)).message).toMatch(/is not a DuckDB file/)
    expect((await failure(folder)).message).toMatch(/is not a DuckDB file/)
    const good = await readFile(file)
    await writeFile(path, Buffer.concat([good.subarray(0, 4096), Buffer.alloc(16_384, 7), good.subarray(20_480)]))
    expect((await failure(path)).message).toMatch(/is damaged/)
    await writeFile(path, withFormat(good, 99n))
    expect(await failure(path)).toMatchObject({
      message: expect.stringMatching(/in a format that this one cannot read/),
      recoverable: false,
    })
  })

  it('that somebody writes to is for later; one that others read is not', async () => {
    const path = join(folder, 'shared.duckdb')
    await writeCustomers(path, [['a', 1n]])
    const { process: writer } = await DuckdbProcess.start('write', path)
    expect(await failure(path)).toMatchObject({
      recoverable: true,
      message: expect.stringMatching(/another process \(\d+\) holds .*try again when it is done/),
    })
    await writer.finish()
    await writeTables(path, { format: 'duckdb' }, [
      { name: 'customer', columns: [{ name: 'x', type: 'integer' }], chunks: (async function* () {})() },
    ])
    const { process: reader, said } = await DuckdbProcess.start('read', path)
    expect(said).toBe('half-way')
    await withReader(path, async (mine) => {
      expect((await mine.reader.all(`select count(*) from ${CUSTOMERS}`, [])).rows).toEqual([[1n]])
    })
    expect(await reader.finish()).toBe('0')
  })

  it('that another takes the place of is read to the end, and the other from the next query on', async () => {
    const path = join(folder, 'replaced.duckdb')
    await writeCustomers(path, [
      ['a', 1n],
      ['b', 2n],
    ])
    await withReader(path, async ({ reader }) => {
      const root = createQueryRoot(reader, { definitions: DEFINITIONS, layout }, 'v1')
      const statement = { text: `select customer_id from ${CUSTOMERS} order by 1`, params: [] }
      const names = async (stream: AsyncIterable<{ rows: unknown[][] }>): Promise<unknown[]> => {
        const found: unknown[] = []
        for await (const { rows } of stream) found.push(...rows.flat())
        return found
      }
      const seen = await reader.together([statement, statement], async ([first, second]) => {
        const before = await names(first as never)
        await writeCustomers(path, [['c', 3n]])
        expect(await root.history('customer').count()).toBe(1)
        return [before, await names(second as never)]
      })
      expect(seen).toEqual([
        ['a', 'b'],
        ['a', 'b'],
      ])
      expect(await root.history('customer').select('customer_id').rows()).toEqual([{ customer_id: 'c' }])
      await rm(path)
      expect(await root.history('customer').count()).toBe(1)
    })
  })

  it('gives Parquet by its own COPY, the same as rows that are read, of the file that is open', async () => {
    const path = join(folder, 'copied.duckdb')
    await writeCustomers(path, [
      ['a', 2n ** 40n],
      ['b', 2n ** 40n],
    ])
    await withReader(path, async ({ reader }) => {
      const statement = {
        text: `select sum(seats) as seats, max(valid_from) as at, $1::double as half from ${CUSTOMERS} where seats > $2::bigint`,
        params: [0.5, 1n],
      }
      const columns = [
        { name: 'seats', type: 'integer' },
        { name: 'at', type: 'datetime' },
        { name: 'half', type: 'number' },
      ] as const
      const target = join(folder, "it's.parquet")
      await reader.together([statement], async ([stream]) => {
        expect(await stream?.parquet?.(target, columns)).toBe(1)
        const parquet = await openDuckdb(':memory:', { files: true })
        const found = await parquet.runAndReadAll(`select * from read_parquet('${target.replace("'", "''")}')`)
        expect(found.columnTypes().map(String)).toEqual(['BIGINT', 'TIMESTAMP WITH TIME ZONE', 'DOUBLE'])
        expect(found.getRowsJson()).toEqual([[String(2n ** 41n), '2024-02-29 12:34:56.789012+00', 0.5]])
        parquet.closeSync()
        await writeCustomers(path, [['c', 1n]])
        // Not what is read here any more.
        expect(await stream?.parquet?.(target, columns)).toBeNull()
      })
      const refused = reader.together([{ text: 'select * from main._defacto_store', params: [] }], ([stream]) =>
        Promise.resolve(stream?.parquet?.(target, [{ name: 'version', type: 'string' }])),
      )
      await expect(refused).rejects.toThrow(/may only read/)
      const gone = reader.together([statement], async ([stream]) => stream?.parquet?.(target, columns), {
        signal: AbortSignal.abort(new Error('enough')),
      })
      await expect(gone).rejects.toThrow('enough')
    })
  })

  it('that is called like the schema in it cannot be read, and says so', async () => {
    const path = join(folder, 'space_v1.duckdb')
    await writeCustomers(join(folder, 'named.duckdb'), [['a', 1n]])
    await rename(join(folder, 'named.duckdb'), path)
    expect((await failure(path)).message).toMatch(/called like the schema "space_v1" in it.*rename the file/)
  })

  it('tells its versions, also those that somebody else has filled', async () => {
    const path = join(folder, 'filled.duckdb')
    await writeCustomers(path, [])
    const own = await openDuckdb(path)
    await own.run('create schema space_v2; create table space_v2.customer_history (customer_id varchar)')
    await own.run('create schema spacev3; create table spacev3.customer_history (customer_id varchar)')
    await own.run('create schema space_empty')
    own.closeSync()
    await withReader(path, async ({ versions }) => {
      expect(await versions()).toEqual([
        { version: 'v1', definitions: '{}' },
        { version: 'v2', definitions: null },
      ])
    })
  })
})

/** The file with another version of the format in its first block, and the checksum that belongs to it. */
function withFormat(file: Buffer, version: bigint): Buffer {
  const copy = Buffer.from(file)
  copy.writeBigUInt64LE(version, 12)
  let sum = 5381n
  for (let at = 8; at < 4096; at += 8) {
    sum ^= BigInt.asUintN(64, copy.readBigUInt64LE(at) * 0xbf58476d1ce4e5b9n)
  }
  copy.writeBigUInt64LE(sum, 0)
  return copy
}
