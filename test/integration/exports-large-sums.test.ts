/** Sums beyond 64 bits: exact in rows, refused where a column cannot hold them, never another number (spec 06 §1, §5.3). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import { exportWriters } from '../../src/export-writers.ts'
import { sum } from '../../src/query/expression.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { DEFINITIONS, entityRow } from '../support/query-store.ts'

const LARGE = 2n ** 62n

for (const backend of BACKENDS.filter(({ name }) => name !== 'SQLite'))
  backend.describe(`sums beyond 64 bits on ${backend.name}`, () => {
    let store: AnyQueryStore
    let folder: string
    let query: TableQuery
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sums-'))
      store = await backend.open()
      await store.insert(
        'customer_history',
        ...['a', 'b', 'c'].map((id) => entityRow('customer', id, 'lead', { seats: LARGE })),
      )
      const program = { definitions: DEFINITIONS, layout: historyLayout(DEFINITIONS) }
      const places = { writers: exportWriters(), log: null, now: () => day(3) }
      const root = createQueryRoot(store.reader, program, 'v1', places)
      query = root
        .table('customer')
        .groupBy('customer_state')
        .agg({ all: sum('seats') })
        .select('all') as TableQuery
    })
    afterEach(async () => {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    })

    it('are exact in rows and CSV', async () => {
      expect(await query.rows()).toEqual([{ all: 3n * LARGE }])
      await query.toCsv(join(folder, 'x.csv'))
      expect(readFileSync(join(folder, 'x.csv'), 'utf8')).toBe(`all\r\n${3n * LARGE}\r\n`)
    })

    it('do not become other numbers in Arrow and Parquet', async () => {
      await expect(query.toArrow()).rejects.toMatchObject({ name: 'QueryError', message: /"all".*64 bits/ })
      await expect(query.toParquet(join(folder, 'x.parquet'))).rejects.toMatchObject({ name: 'StorageError' })
    })
  })
