/** Exports of queries and collections to files and databases (spec 06 §7). */
import { join, resolve } from 'node:path'
import type { ExportFormat, ExportRecord, WriteOptions, Written } from '../../ports/exports.ts'
import type { TableQuery } from '../table-query.ts'
import { exportsOf } from './access.ts'
import { checkPlace, shownPlace } from './place.ts'
import { recorded } from './record.ts'
import { type NamedQuery, withTables } from './tables.ts'

export interface StoreOptions extends WriteOptions {
  /** Under which the version is found in the file; default `defacto`. */
  readonly namespace?: string
}

/** Formats of one table in one file. */
export type FileFormat = 'parquet' | 'csv'

export function exportQuery(
  query: TableQuery,
  format: FileFormat,
  path: string,
  options: WriteOptions = {},
): Promise<ExportRecord> {
  const access = exportsOf(query.context)
  checkPlace(path, `export to ${format}`)
  const file = resolve(path)
  const what = { path: file, format, entityTypes: access.typesIn([query.relation]) }
  return recorded(access, what, () =>
    withTables([{ name: 'rows', query }], options, async ([table]) => {
      if (table === undefined) throw new TypeError('a query is one table')
      return access.writers[format](file, table, options)
    }),
  )
}

/** A file for each query, all of one snapshot. Files that are complete when a later one fails stay, and stay recorded. */
export async function exportFiles(
  queries: readonly NamedQuery[],
  format: FileFormat,
  folder: string,
  options: WriteOptions = {},
): Promise<ExportRecord[]> {
  checkPlace(folder, `export to ${format}`)
  return withTables(queries, options, async (tables) => {
    const records: ExportRecord[] = []
    for (const [i, table] of tables.entries()) {
      const { query } = queries[i] as NamedQuery
      const access = exportsOf(query.context)
      const file = join(resolve(folder), `${table.name}.${format}`)
      const what = { path: file, format, entityTypes: access.typesIn([query.relation]) }
      records.push(await recorded(access, what, () => access.writers[format](file, table, options)))
    }
    return records
  })
}

/** Whole histories into a DuckDB file that queries can be connected to. */
export async function exportStore(
  queries: readonly NamedQuery[],
  path: string,
  { namespace = 'defacto', ...options }: StoreOptions = {},
): Promise<ExportRecord> {
  const [first] = queries as [NamedQuery]
  const access = exportsOf(first.query.context)
  checkPlace(path, 'toStore')
  const file = resolve(path)
  const what = {
    path: file,
    format: 'store',
    entityTypes: access.typesIn(queries.map(({ query }) => query.relation)),
  } as const
  return recorded(access, what, () =>
    withTables(queries, options, (tables) => access.writers.store(file, access.stored(namespace), tables, options)),
  )
}

/** All queries into one database; `place` is a path or an address. */
export async function exportDatabase(
  queries: readonly NamedQuery[],
  format: Extract<ExportFormat, 'duckdb' | 'snapshot'>,
  place: string,
  options: WriteOptions = {},
): Promise<ExportRecord> {
  const [first] = queries as [NamedQuery]
  const access = exportsOf(first.query.context)
  checkPlace(place, `export to ${format}`)
  const target = format === 'duckdb' ? resolve(place) : place
  const what = {
    path: shownPlace(target),
    format,
    entityTypes: access.typesIn(queries.map(({ query }) => query.relation)),
  }
  return recorded(
    access,
    what,
    (): Promise<Written> => withTables(queries, options, (tables) => access.writers[format](target, tables, options)),
  )
}
