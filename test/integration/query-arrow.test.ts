/** `toArrow` holds what `rows` returns, typed as spec 06 §1 says, and others read it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../../infra/starters/host.ts'
import { instantFromText } from '../../src/core/instant.ts'
import { count, lit } from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { arrowPython, describeArrowJudged } from '../support/arrow-judge.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

const TYPES = {
  customer_id: 'Utf8',
  customer_state: 'Utf8',
  plan: 'Utf8',
  mrr: 'Float64',
  seats: 'Int64',
  active: 'Bool',
  signup: 'Timestamp<MICROSECOND, UTC>',
  valid_from: 'Timestamp<MICROSECOND, UTC>',
  valid_to: 'Timestamp<MICROSECOND, UTC>',
  merged_into: 'Utf8',
  last_event_time: 'Timestamp<MICROSECOND, UTC>',
  state_entered_time: 'Timestamp<MICROSECOND, UTC>',
  created_time: 'Timestamp<MICROSECOND, UTC>',
}

/** Rows of the table in the values `rows()` uses; microseconds are taken from the buffers. */
function rowsOf(table: Table): Record<string, unknown>[] {
  return Array.from({ length: table.numRows }, (_, row) =>
    Object.fromEntries(
      table.schema.fields.map((field, column) => {
        const vector = table.getChildAt(column)
        const value = vector?.get(row)
        if (value === null || value === undefined) return [field.name, null]
        if (typeof value === 'bigint') return [field.name, Number.isSafeInteger(Number(value)) ? Number(value) : value]
        // Exact below the millisecond up to the year 2255.
        if (String(field.type).startsWith('Timestamp')) return [field.name, Math.round(Number(value) * 1000)]
        return [field.name, value]
      }),
    ),
  )
}

function expected(rows: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        const timed = name.endsWith('_time') || name.startsWith('valid_') || name === 'signup'
        const instant = timed && typeof value === 'string' ? instantFromText(value) : null
        return [name, instant === null ? value : instant.ms * 1000 + instant.us]
      }),
    ),
  )
}

const typesOf = (table: Table): Record<string, string> =>
  Object.fromEntries(table.schema.fields.map((field) => [field.name, String(field.type)]))

for (const backend of BACKENDS)
  backend.describe(`Arrow from ${backend.name}`, () => {
    let store: AnyQueryStore
    beforeAll(async () => {
      store = await backend.open()
      await insertCustomers(store)
      await store.insert(
        'customer_history',
        entityRow('customer', 'ü😀', 'lead', { plan: 'é\n"', seats: -(2n ** 60n) }),
      )
    })
    afterAll(() => store.close())

    it('has the types and values of the table', async () => {
      const query = store.root.table('customer').orderBy('customer_id')
      const table = await query.toArrow()
      expect(typesOf(table)).toEqual(TYPES)
      expect(table.schema.fields.every((field) => field.nullable)).toBe(true)
      expect(rowsOf(table)).toEqual(expected(await query.rows()))
      expect(rowsOf(tableFromIPC(tableToIPC(table, 'file')))).toEqual(rowsOf(table))
    })

    it('an empty result keeps its columns', async () => {
      const table = await store.root.table('customer').filter({ plan: 'nobody' }).toArrow()
      expect(table.numRows).toBe(0)
      expect(typesOf(table)).toEqual(TYPES)
      expect(typesOf(tableFromIPC(tableToIPC(table, 'stream')))).toEqual(TYPES)
    })

    it('computed columns and groups are typed too', async () => {
      const groups = store.root.table('customer').groupBy('customer_state').agg({ n: count() })
      const table = await (groups as TableQuery).mutate({ none: lit(null), half: (r) => r.n!.div(2) }).toArrow()
      expect(typesOf(table)).toEqual({ customer_state: 'Utf8', n: 'Int64', none: 'Null', half: 'Float64' })
    })

    it('takes the types of hand-written SQL from the values', async () => {
      const sql = `select 1 as one, 2.5 as half, 'x' as text, null as empty, mrr as known, case when mrr > 60 then 1.5 when
        mrr < 60 then 2 end as mixed from customer_history where valid_to is null order by customer_id`
      const query = store.root.query(sql)
      const table = await query.toArrow()
      expect(typesOf(table)).toMatchObject({
        one: 'Int64',
        half: 'Float64',
        text: 'Utf8',
        empty: 'Null',
        mixed: 'Float64',
      })
      expect(rowsOf(table)).toEqual(await query.rows())
    })

    it('is made of batches, and keeps limits', async () => {
      const long = store.root
        .query('with recursive n(i) as (select 1 union all select i + 1 from n where i < 25000) select i from n')
        .orderBy('i')
      const table = await long.toArrow()
      expect([table.numRows, table.batches.length, table.get(24_999)?.toJSON()]).toEqual([25_000, 3, { i: 25_000n }])
      const stop = new AbortController()
      stop.abort(new Error('stopped'))
      await expect(long.toArrow({ signal: stop.signal })).rejects.toThrow('stopped')
      await expect(long.rows({ signal: stop.signal })).rejects.toThrow('stopped')
      const capped = store.root.query('select 1 as x from customer_history', [], { maxRows: 2 })
      await expect(capped.toArrow()).rejects.toThrow(/maxRows = 2/)
    })

    describeArrowJudged('read by pyarrow', () => {
      it('as an IPC file', async () => {
        const folder = await mkdtemp(join(tmpdir(), 'defacto-arrow-'))
        const path = join(folder, 'customers.arrow')
        const query = store.root.table('customer').orderBy('customer_id')
        await writeFile(path, tableToIPC(await query.toArrow(), 'file'))
        const code = `import json, sys, pyarrow as pa, pyarrow.ipc as ipc
table = ipc.open_file(sys.argv[1]).read_all()
table.validate(full=True)
micros = lambda t: t.cast(pa.int64()) if pa.types.is_timestamp(t.type) else t
columns = {f.name: micros(table[f.name]).to_pylist() for f in table.schema}
print(json.dumps({"types": {f.name: str(f.type) for f in table.schema}, "columns": columns}))`
        const { ok, output } = await run(arrowPython(), ['-c', code, path])
        await rm(folder, { recursive: true })
        expect(ok, output).toBe(true)
        const { types, columns } = JSON.parse(output) as { types: object; columns: Record<string, unknown[]> }
        expect(types).toMatchObject({
          plan: 'string',
          mrr: 'double',
          seats: 'int64',
          active: 'bool',
          signup: 'timestamp[us, tz=UTC]',
        })
        const rows = expected(await query.rows())
        expect(columns.plan).toEqual(rows.map((row) => row.plan))
        expect(columns.mrr).toEqual(rows.map((row) => row.mrr))
        expect(columns.signup).toEqual(rows.map((row) => row.signup))
        expect(columns.active).toEqual(rows.map((row) => row.active))
        expect(columns.seats?.map(Number)).toEqual(rows.map((row) => (row.seats === null ? 0 : Number(row.seats))))
      })
    })
  })
