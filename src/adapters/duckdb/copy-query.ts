/**
 * Rows of a query on a DuckDB file as a Parquet file, by DuckDB's own COPY: no row passes through this process. The only
 * instance on a file of histories that may touch other files; it runs one statement that was checked before.
 */
import type { DuckDBPreparedStatement } from '@duckdb/node-api'
import type { ExportColumn } from '../../ports/exports.ts'
import { literal, openDuckdb, quote } from './instance.ts'
import { Limit } from './limit.ts'
import { SQL_TYPES } from './tables.ts'

export interface CopiedQuery {
  readonly text: string
  /** Binds the values of the statement. */
  bind(prepared: DuckDBPreparedStatement): void
  readonly columns: readonly ExportColumn[]
}

/** Returns how many rows there are; null if rows do not fit into memory, or a value not into its column: read them instead. */
export async function copyToParquet(
  source: string,
  query: CopiedQuery,
  path: string,
  signal?: AbortSignal,
): Promise<number | null> {
  const connection = await openDuckdb(source, { readOnly: true, files: true })
  try {
    // What the columns are declared as: sums, for one, are wider here.
    const cells = query.columns.map(({ name, type }) => {
      const cell = quote(name)
      return type === 'unknown' ? cell : `cast(${cell} as ${SQL_TYPES[type]}) as ${cell}`
    })
    const prepared = await connection.prepare(
      `copy (select ${cells.join(', ')} from (${query.text}\n) as q) to ${literal(path)} (format parquet, compression zstd)`,
    )
    query.bind(prepared)
    const limit = new Limit(connection, signal === undefined ? {} : { signal })
    return Number((await limit.during(() => prepared.run())).rowsChanged)
  } catch (error) {
    signal?.throwIfAborted()
    // Who reads a sum that does not fit its column can name the column.
    if (error instanceof Error && /^(?:Out of Memory|Conversion) Error/i.test(error.message)) return null
    throw error
  } finally {
    connection.closeSync()
  }
}
