/** The DuckDB store of query tests: a file that is written anew when rows have been inserted since it was read. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeTables } from '../../src/adapters/duckdb/history-file.ts'
import { openDuckdbReader } from '../../src/adapters/duckdb/reader.ts'
import { storeTables } from '../../src/adapters/duckdb/store-tables.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import type { QueryReader } from '../../src/ports/reading.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import type { AnyQueryStore } from './query-backends.ts'
import { type Cells, DEFINITIONS } from './query-store.ts'
import { room } from './room.ts'

export async function openDuckdbStore(
  definitions: DefinitionsObject = DEFINITIONS,
  version = 'v1',
): Promise<AnyQueryStore> {
  const folder = await mkdtemp(join(room(), 'defacto-duckdb-'))
  const path = join(folder, 'histories.duckdb')
  const layout = historyLayout(definitions)
  const store = { namespace: 'space', version, layout, definitions: JSON.stringify(definitions) }
  const rows = new Map<string, Cells[]>()
  const tables = [...storeTables(store)].map(([name, { columns }]) => ({ name, columns }))
  const write = async (): Promise<void> => {
    const filled = tables.map(({ name, columns }) => {
      const cells = (rows.get(name) ?? []).map((row) => columns.map((column) => row[column.name] ?? null))
      return { name, columns, chunks: once(cells) }
    })
    await writeTables(path, { format: 'store', ...store }, filled)
  }
  await write()
  const { reader, close } = await openDuckdbReader({ path, namespace: store.namespace })
  let isStale = false
  const refresh = async (): Promise<void> => {
    if (isStale) {
      isStale = false
      await write()
    }
    await reader.refresh()
  }
  const fresh: QueryReader = {
    dialect: 'duckdb',
    relation: (...args) => reader.relation(...args),
    relationshipsView: (of) => reader.relationshipsView(of),
    refresh,
    async all(...args) {
      await refresh()
      return reader.all(...args)
    },
    async *stream(...args) {
      await refresh()
      yield* reader.stream(...args)
    },
    async together(...args) {
      await refresh()
      return reader.together(...args)
    },
    get handle() {
      return reader.handle
    },
  }
  return {
    root: createQueryRoot(fresh, { definitions, layout }, version),
    reader: fresh,
    async insert(table, ...more) {
      rows.set(table, [...(rows.get(table) ?? []), ...more])
      isStale = true
    },
    async clear() {
      rows.clear()
      isStale = true
    },
    async close() {
      await close()
      await rm(folder, { recursive: true })
    },
  }
}

async function* once(rows: readonly (readonly unknown[])[]): AsyncGenerator<typeof rows> {
  yield rows
}
