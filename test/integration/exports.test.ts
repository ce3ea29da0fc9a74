/** What queries write to files and databases, read back by DuckDB, SQLite and Postgres (spec 06 §7). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import { exportWriters } from '../../src/export-writers.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { duck, duckColumns } from '../support/duck.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'
import { DEFINITIONS, entityRow } from '../support/query-store.ts'

const ODD = [
  '',
  ' ',
  'a,b',
  'a"b',
  'line\nbreak',
  'cr\r\nlf',
  '\\.',
  'null',
  'NULL',
  "'",
  'Grüße 🦉',
  '#x',
  '=1+1',
  '1e3',
]

for (const backend of BACKENDS) {
  backend.describe(`exports from ${backend.name}`, () => {
    let store: AnyQueryStore
    let root: QueryRoot
    let folder: string
    const at = (name: string): string => join(folder, name)

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'exports-'))
      store = await backend.open()
      const program = { definitions: DEFINITIONS, layout: historyLayout(DEFINITIONS) }
      root = createQueryRoot(store.reader, program, 'v1', { writers: exportWriters(), log: null, now: () => day(3) })
      await insertCustomers(store)
    })
    afterEach(async () => {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    })

    it('Parquet: every type and value', async () => {
      const record = await root.table('customer').orderBy('customer_id').toParquet(at('deep/er/customers.parquet'))
      expect(record).toMatchObject({
        path: at('deep/er/customers.parquet'),
        format: 'parquet',
        version: 'v1',
        entityTypes: ['customer'],
        at: day(3).toString(),
        rows: 4,
        recorded: false,
      })
      const from = `'${at('deep/er/customers.parquet')}'`
      expect(record.bytes).toBe(readFileSync(at('deep/er/customers.parquet')).length)
      expect(await duckColumns(from)).toEqual([
        'customer_id VARCHAR',
        'customer_state VARCHAR',
        'plan VARCHAR',
        'mrr DOUBLE',
        'seats BIGINT',
        'active BOOLEAN',
        'signup TIMESTAMP WITH TIME ZONE',
        'valid_from TIMESTAMP WITH TIME ZONE',
        'valid_to TIMESTAMP WITH TIME ZONE',
        'merged_into VARCHAR',
        'last_event_time TIMESTAMP WITH TIME ZONE',
        'state_entered_time TIMESTAMP WITH TIME ZONE',
        'created_time TIMESTAMP WITH TIME ZONE',
      ])
      const rows = await duck(
        `select customer_id as id, plan, mrr, seats, active, epoch_us(signup) as signup from ${from}`,
      )
      const signup = (text: string, micros = 0): string => String(Date.parse(text) * 1000 + micros)
      expect(rows).toEqual([
        { id: 'a', plan: 'pro', mrr: 100, seats: '5', active: true, signup: signup('2024-01-15T10:30:45.123Z', 456) },
        { id: 'b', plan: 'Pro', mrr: 50.5, seats: '3', active: false, signup: signup('2024-03-01T00:00:00Z') },
        { id: 'c', plan: null, mrr: null, seats: String(2n ** 60n), active: null, signup: null },
        { id: 'd', plan: '100%_[x]*?', mrr: -7.5, seats: '0', active: true, signup: null },
      ])
      const codecs = await duck(`select distinct compression from parquet_metadata(${from})`)
      expect(codecs).toEqual([{ compression: 'ZSTD' }])
      const logical = await duck(`select name, logical_type from parquet_schema(${from}) where name = 'signup'`)
      expect(String(logical[0]?.['logical_type'])).toMatch(/isAdjustedToUTC=1.*MICROS|isAdjustedToUTC=true/)
      expect(readdirSync(at('deep/er'))).toEqual(['customers.parquet'])
    })

    it('CSV: null and empty text differ, every text comes back', async () => {
      await store.clear()
      await store.insert(
        'customer_history',
        ...ODD.map((plan, i) => entityRow('customer', `c${String(i).padStart(2, '0')}`, 'lead', { plan })),
        entityRow('customer', 'null', 'lead'),
      )
      const record = await root
        .table('customer')
        .select('customer_id', 'plan', 'mrr')
        .orderBy('customer_id')
        .toCsv(at('c.csv'))
      expect(record).toMatchObject({ format: 'csv', rows: ODD.length + 1 })
      const text = readFileSync(at('c.csv'), 'utf8')
      expect(text).toMatch(/^customer_id,plan,mrr\r\nc00,"",\r\n/)
      expect(text).toMatch(/\r\nnull,,\r\n$/)
      const types = "{'customer_id': 'VARCHAR', 'plan': 'VARCHAR', 'mrr': 'DOUBLE'}"
      const found = await duck(
        `select customer_id, plan from read_csv('${at('c.csv')}', columns = ${types}, nullstr = '', allow_quoted_nulls = false)
          order by customer_id`,
      )
      expect(found.map((row) => row['plan'])).toEqual([...ODD, null])
    })

    it('collections: a file for each type and relationship, edges of now', async () => {
      const records = await root.tables().toParquet(at('out'))
      expect(records.map(({ path, rows, entityTypes }) => [path, rows, entityTypes])).toEqual([
        [at('out/customer.parquet'), 4, ['customer']],
        [at('out/order.parquet'), 2, ['order']],
        [at('out/rel_placed_order.parquet'), 1, ['customer', 'order']],
      ])
      await root
        .tables({ types: ['customer'], relationships: false })
        .history()
        .toCsv(at('history'))
      expect(readdirSync(at('history'))).toEqual(['customer.csv'])
      expect(readFileSync(at('history/customer.csv'), 'utf8').trimEnd().split('\r\n')).toHaveLength(6)
      const history = await root.tables().history().toParquet(at('out'))
      expect(history.map(({ rows }) => rows)).toEqual([5, 2, 2])
      expect(
        await duck(`select source_id, target_id, channel from '${at('out/rel_placed_order.parquet')}' order by 2`),
      ).toEqual([
        { source_id: 'a', target_id: 'o1', channel: 'web' },
        { source_id: 'a', target_id: 'o2', channel: 'shop' },
      ])
      expect(readdirSync(at('out'))).toEqual(['customer.parquet', 'order.parquet', 'rel_placed_order.parquet'])
    })

    it('hidden columns leave only when they are selected', async () => {
      await root.table('customer').select('customer_id', '_generation').toParquet(at('a.parquet'))
      expect(await duckColumns(`'${at('a.parquet')}'`)).toEqual(['customer_id VARCHAR', '_generation BIGINT'])
      await root.tables().snapshot(at('flat.db'))
      const db = new DatabaseSync(at('flat.db'))
      expect(
        db
          .prepare('select * from pragma_table_info(?)')
          .all('customer')
          .map((column) => column['name']),
      ).toEqual([
        'customer_id',
        'customer_state',
        'plan',
        'mrr',
        'seats',
        'active',
        'signup',
        'last_event_time',
        'state_entered_time',
        'created_time',
      ])
      db.close()
    })

    it('results of hand-written SQL, whose types their values have', async () => {
      const sql = "select customer_id, mrr, seats, 'x' as label, null as missing from customer_history where mrr > $1"
      const record = await root.query(sql, [60]).toParquet(at('a.parquet'))
      expect(record).toMatchObject({ rows: 1, entityTypes: ['customer'] })
      const [row] = await duck(`select * from '${at('a.parquet')}'`)
      expect(row).toEqual({ customer_id: 'a', mrr: 100, seats: '5', label: 'x', missing: null })
      const none = `select 1 as one, 2 as two from ${store.reader.relation('v1', 'history', 'customer')} where 1 = 0`
      expect(await root.query(none, [], { validate: false }).toCsv(at('none.csv'))).toMatchObject({
        rows: 0,
        entityTypes: ['customer', 'order'],
      })
      expect(readFileSync(at('none.csv'), 'utf8')).toBe('one,two\r\n')
      await expect(
        root.query('select customer_id from customer_history', [], { maxRows: 2 }).toCsv(at('many.csv')),
      ).rejects.toMatchObject({ code: 'E_QUERY_MAX_ROWS' })
      expect(readdirSync(folder).sort()).toEqual(['a.parquet', 'none.csv'])
    })

    it('a DuckDB file: tables are replaced, others stay', async () => {
      const file = at('all.duckdb')
      await root.tables('customer', 'order').toDuckdb(file)
      const record = await root
        .tables({ types: ['customer'], relationships: false })
        .history()
        .toDuckdb(file)
      expect(record).toMatchObject({ format: 'duckdb', path: file, rows: 5, entityTypes: ['customer'] })
      const counts = await duck(
        'select (select count(*) from customer) c, (select count(*) from "order") o, (select count(*) from rel_placed_order) r',
        file,
      )
      expect(counts).toEqual([{ c: '5', o: '2', r: '1' }])
    })

    it('snapshots: to SQLite and DuckDB, replaced whole', async () => {
      for (const url of [`sqlite:///${at('a.db')}`, `duckdb:///${at('a.duckdb')}`]) {
        const record = await root.tables().snapshot(url)
        expect(record).toMatchObject({ format: 'snapshot', path: url.slice(url.indexOf('///') + 3), rows: 7 })
        await root.tables().snapshot(url)
      }
      const db = new DatabaseSync(at('a.db'), { readBigInts: true })
      expect(db.prepare('select customer_id, mrr, seats, active, signup from customer order by 1').all()).toEqual([
        { customer_id: 'a', mrr: 100, seats: 5n, active: 1n, signup: '2024-01-15T10:30:45.123456+00:00' },
        { customer_id: 'b', mrr: 50.5, seats: 3n, active: 0n, signup: '2024-03-01T00:00:00+00:00' },
        { customer_id: 'c', mrr: null, seats: 2n ** 60n, active: null, signup: null },
        { customer_id: 'd', mrr: -7.5, seats: 0n, active: 1n, signup: null },
      ])
      db.close()
      expect(await duck('select count(*) as n from rel_placed_order', at('a.duckdb'))).toEqual([{ n: '1' }])
      await expect(root.tables().snapshot(':memory:')).rejects.toMatchObject({ name: 'ConfigError' })
      await expect(root.tables().snapshot('mysql://user:secret@host/db')).rejects.toThrow(/mysql/)
    })

    it('what cannot be written says so, and leaves nothing', async () => {
      const customers = root.table('customer')
      writeFileSync(at('file'), 'old')
      await expect(customers.toParquet(folder)).rejects.toThrow(/it is a folder; name a file in it/)
      await expect(customers.toCsv(at('file/c.csv'))).rejects.toThrow(/a part of the path is a file/)
      await expect(customers.toCsv(at(`${'x'.repeat(300)}.csv`))).rejects.toThrow(/the name is too long/)
      await expect(customers.toCsv('/proc/c.csv')).rejects.toMatchObject({ name: 'StorageError' })
      await expect(customers.toCsv('/proc/none/c.csv')).rejects.toThrow(/folders cannot be made there/)
      await expect(customers.toParquet('/dev/null')).rejects.toThrow(/no ordinary file/)
      await expect(root.tables().toDuckdb(at('file'))).rejects.toMatchObject({ name: 'StorageError' })
      await expect(root.tables().snapshot(at('file'))).rejects.toThrow(/not a SQLite database/)
      expect(readFileSync(at('file'), 'utf8')).toBe('old')
      expect(readdirSync(folder)).toEqual(['file'])
    })

    it('an abort leaves the old file, and nothing else', async () => {
      writeFileSync(at('c.parquet'), 'old')
      for (const format of ['toParquet', 'toCsv'] as const) {
        const stop = new AbortController()
        const progress: number[] = []
        const running = root.history('customer')[format](at('c.parquet'), {
          signal: stop.signal,
          onProgress: ({ rows }) => {
            progress.push(rows)
            stop.abort(new Error('enough'))
          },
        })
        await expect(running).rejects.toThrow('enough')
        expect(progress).toEqual([5])
      }
      const gone = { signal: AbortSignal.abort(new Error('before')) }
      await expect(root.tables().toDuckdb(at('c.duckdb'), gone)).rejects.toThrow('before')
      await expect(root.tables().snapshot(at('c.db'), gone)).rejects.toThrow('before')
      expect(readFileSync(at('c.parquet'), 'utf8')).toBe('old')
      expect(readdirSync(folder)).toEqual(['c.parquet'])
    })

    it('a link goes on pointing at the file, whose permissions stay', async () => {
      writeFileSync(at('real.csv'), 'old', { mode: 0o600 })
      symlinkSync(at('real.csv'), at('link.csv'))
      await root.table('customer').select('customer_id').toCsv(at('link.csv'))
      expect(readFileSync(at('real.csv'), 'utf8')).toMatch(/^customer_id\r\n/)
    })

    it('two exports to one path at once: the file is one of them, whole', async () => {
      const path = at('same.csv')
      expect(await root.table('customer').count()).toBe(4)
      const [one, two] = await Promise.all([
        root.table('customer').select('customer_id').toCsv(path),
        root.history('customer').select('customer_id').toCsv(path),
      ])
      const lines = readFileSync(path, 'utf8').trimEnd().split('\r\n').length - 1
      expect([one.rows, two.rows]).toEqual([4, 5])
      expect([4, 5]).toContain(lines)
      expect(readdirSync(folder)).toEqual(['same.csv'])
    })
  })
}
