/**
 * Parquet files (spec 06 §7): rows gather in a DuckDB file beside, compressed and by row groups as DuckDB stores them, from
 * where one COPY makes the Parquet file. Memory stays flat however many rows there are; a table in memory grows with them.
 */
import type { ExportTable, WriteOptions } from '../../ports/exports.ts'
import { writeError } from './errors.ts'
import { literal, openDuckdb } from './instance.ts'
import { appendChunks, createTable } from './tables.ts'

const TABLE = 'rows'
const MEMORY = '256MB'

/**
 * Writes the file, and returns how many rows there are. Files whose names begin with `path.` are left to the caller to
 * remove. `target` is what failures call the file.
 */
export async function writeParquet(
  path: string,
  target: string,
  table: ExportTable,
  options: WriteOptions = {},
): Promise<number> {
  const { signal } = options
  const gathered = `${path}.duckdb`
  try {
    const connection = await openDuckdb(gathered, { files: true, memory: MEMORY })
    const interrupt = (): void => connection.interrupt()
    try {
      signal?.addEventListener('abort', interrupt, { once: true })
      await createTable(connection, TABLE, table.columns)
      const rows = await appendChunks(connection, TABLE, table, options)
      signal?.throwIfAborted()
      await connection.run(`copy ${TABLE} to ${literal(path)} (format parquet, compression zstd)`)
      signal?.throwIfAborted()
      return rows
    } finally {
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw writeError(error, 'export', target)
  }
}
