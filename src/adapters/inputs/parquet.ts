/** Rows of a Parquet file as records; a row is known by its number. The library is loaded when it is needed. */
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { RawRecord } from '../../core/event.ts'
import { ConfigError } from '../../errors.ts'

/** A record and the number of the row behind it. */
export interface ParquetRecord extends RawRecord {
  readonly next: number
}

const MEMORY = '512MB'
const PROBLEM = 'parquet data are broken; the rest is not read'

/** Rows from number `from` on, in the order of the file. What cannot be read is one record with a problem. */
export async function* parquetRecords(path: string, part: string, from: number): AsyncGenerator<ParquetRecord> {
  const { DuckDBInstance } = await load()
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY,
    threads: '1',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  })
  let row = from
  try {
    const connection = await instance.connect()
    try {
      for await (const texts of rowTexts(connection, path, from)) {
        for (const text of texts) {
          row += 1
          yield { value: JSON.parse(text), text, origin: { part, line: row, byte: null }, next: row }
        }
      }
    } finally {
      connection.closeSync()
    }
  } catch (error) {
    if (!isBroken(error)) throw error
    yield { value: undefined, text: '', origin: { part, line: row + 1, byte: null }, problem: PROBLEM, next: row }
  } finally {
    instance.closeSync()
  }
}

async function* rowTexts(connection: DuckDBConnection, path: string, from: number): AsyncGenerator<string[]> {
  const file = `'${path.replaceAll("'", "''")}'`
  const sql = `select to_json(r)::varchar from (select * exclude (file_row_number) from
    read_parquet(${file}, file_row_number = true, hive_partitioning = false, union_by_name = false)
    where file_row_number >= ${from}) r`
  const result = await connection.stream(sql)
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    yield chunk.getColumnValues(0) as string[]
  }
}

async function load(): Promise<{ DuckDBInstance: typeof DuckDBInstance }> {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    throw new ConfigError('inputs in format parquet need the package @duckdb/node-api; install it', { cause: error })
  }
}

/** The library's errors are texts; whatever it says about a file it cannot read further. */
function isBroken(error: unknown): boolean {
  const text = error instanceof Error ? error.message : ''
  if (/No space left|out of memory|failed to allocate/i.test(text)) return false
  return /^(Invalid Input|IO|Invalid|Serialization|Conversion|INTERNAL|TProtocol)\b.*|parquet|snappy|thrift|zstd/i.test(
    text,
  )
}
