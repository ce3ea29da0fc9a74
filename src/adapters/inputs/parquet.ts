/** Rows of a Parquet file as records; a row is known by its number. The library is loaded when it is needed. */
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { RawRecord } from '../../core/event.ts'
import { parseJson } from '../../core/expression/json.ts'
import { ConfigError, StorageError } from '../../errors.ts'

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
          yield recordOf(text, part, row)
        }
      }
    } finally {
      connection.closeSync()
    }
  } catch (error) {
    if (!isBroken(error)) throw failure(error)
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

function recordOf(text: string, part: string, row: number): ParquetRecord {
  const origin = { part, line: row, byte: null }
  try {
    return { value: parseJson(text), text, origin, next: row }
  } catch {
    // Infinite and undefined numbers have no JSON.
    return { value: undefined, text, origin, next: row, problem: 'record is not valid JSON' }
  }
}

/** The library's errors are texts: these are about what is in the file. */
function isBroken(error: unknown): boolean {
  return (
    error instanceof Error && /^(Invalid Input|Serialization|Conversion|INTERNAL|Invalid|TProtocol)/.test(error.message)
  )
}

function failure(error: unknown): Error {
  const kind = /^([A-Za-z -]{3,40} Error)/.exec(error instanceof Error ? error.message : '')?.[1]
  if (kind === undefined) return error as Error
  return new StorageError(
    `a Parquet file of the input cannot be read (${kind}); check it, memory and disk, and try again`,
    {
      details: { operation: 'parquet', driver: 'duckdb' },
      recoverable: true,
    },
  )
}
