/**
 * Parquet files (spec 06 §7): rows gather in a DuckDB file beside, compressed and by row groups as DuckDB stores them, from
 * where one COPY makes the Parquet file. Memory stays flat however many rows there are; a table in memory grows with them.
 */
import type { ExportTable, WriteOptions } from '../../ports/exports.ts'
import { writeError } from './errors.ts'
import { literal, openDuckdb } from './instance.ts'
import { Limit } from './limit.ts'
import { appendChunks, createTable, rowBytes } from './tables.ts'

const TABLE = 'rows'
/** The least that row groups of `GROUP_BYTES`, two at a time, are written with. */
const MEMORY = '192MB'
const VECTOR = 2_048
/** What DuckDB makes unless told. */
const GROUP_ROWS = 60 * VECTOR
/** A row group is in memory while it is written. */
const GROUP_BYTES = 16 * 1024 * 1024

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
    const limit = new Limit(connection, signal === undefined ? {} : { signal })
    try {
      // Never committed: what is thrown away is neither logged nor put in order when the file is closed.
      await connection.run('begin')
      await createTable(connection, TABLE, table.columns)
      const scale = { rowBytes: 1 }
      const rows = await appendChunks(connection, TABLE, { ...table, chunks: weighed(table.chunks, scale) }, options)
      const groupRows = Math.min(GROUP_ROWS, Math.ceil(GROUP_BYTES / scale.rowBytes / VECTOR) * VECTOR)
      const format = `format parquet, compression zstd, row_group_size ${groupRows}`
      await limit.during(() => connection.run(`copy ${TABLE} to ${literal(path)} (${format})`))
      signal?.throwIfAborted()
      await connection.run('rollback')
      return rows
    } finally {
      connection.closeSync()
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw writeError(error, 'export', target)
  }
}

/** Finds out how large the rows of the largest chunk are, about. */
async function* weighed(
  chunks: ExportTable['chunks'],
  scale: { rowBytes: number },
): AsyncGenerator<readonly (readonly unknown[])[]> {
  for await (const chunk of chunks) {
    scale.rowBytes = Math.max(scale.rowBytes, rowBytes(chunk))
    yield chunk
  }
}
