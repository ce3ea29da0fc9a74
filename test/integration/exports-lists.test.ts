/** Lists in results of hand-written SQL on DuckDB leave as JSON text, with all digits (spec 06 §1, §7). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import { exportWriters } from '../../src/export-writers.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { duck } from '../support/duck.ts'
import type { AnyQueryStore } from '../support/query-backends.ts'
import { openDuckdbStore } from '../support/query-duckdb.ts'
import { DEFINITIONS } from '../support/query-store.ts'

const LIST = `[${2n ** 62n},1]`

let store: AnyQueryStore
let folder: string
let query: TableQuery
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lists-'))
  store = await openDuckdbStore()
  const program = { definitions: DEFINITIONS, layout: historyLayout(DEFINITIONS) }
  const root = createQueryRoot(store.reader, program, 'v1', { writers: exportWriters(), log: null, now: () => day(3) })
  query = root.query(`select list_value(${2n ** 62n}, 1) as list`, [], { validate: false })
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

it('CSV, Parquet and Arrow hold them', async () => {
  await query.toCsv(join(folder, 'x.csv'))
  expect(readFileSync(join(folder, 'x.csv'), 'utf8')).toBe(`list\r\n"${LIST}"\r\n`)
  await query.toParquet(join(folder, 'x.parquet'))
  expect(await duck(`select list from '${join(folder, 'x.parquet')}'`)).toEqual([{ list: LIST }])
  expect((await query.toArrow()).toArray().map((row) => row?.['list'])).toEqual([LIST])
})

it('a snapshot holds them', async () => {
  async function* chunks(): AsyncGenerator<readonly (readonly unknown[])[]> {
    yield [[[2n ** 62n, 1]]]
  }
  const table = { name: 'lists', columns: [{ name: 'list', type: 'unknown' } as const], chunks: chunks() }
  await exportWriters().snapshot(join(folder, 'x.db'), [table])
  using db = new DatabaseSync(join(folder, 'x.db'), { readOnly: true })
  expect(db.prepare('select list from lists').get()).toEqual({ list: LIST })
})
