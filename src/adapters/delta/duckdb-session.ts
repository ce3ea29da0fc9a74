/** DuckDB as the Parquet library: one instance in memory, a connection per use, no network, no extensions. */
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import { StorageError } from '../../errors.ts'
import { CodecError } from './codec.ts'

/** Rows of a vector. */
export const VECTOR = 2_048

/** Spec 07 §5.3; DuckDB rounds to whole vectors. */
export const ROW_GROUP_ROWS = 9 * VECTOR

export interface SessionOptions {
  /** Folder for what does not fit into memory; asked for when it is first needed. */
  spill(): Promise<string>
  /** `256MB`. */
  readonly memory: string
}

export class DuckSession {
  readonly #options: SessionOptions
  #instance: Promise<DuckDBInstance> | null = null

  constructor(options: SessionOptions) {
    this.#options = options
  }

  async connect(): Promise<DuckDBConnection> {
    this.#instance ??= this.#start()
    return (await this.#instance).connect()
  }

  async #start(): Promise<DuckDBInstance> {
    return DuckDBInstance.create(':memory:', {
      memory_limit: this.#options.memory,
      temp_directory: await this.#options.spill(),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      preserve_insertion_order: 'true',
      // Local files are read once and grow where they were holes: memory has better uses.
      enable_external_file_cache: 'false',
    })
  }

  /** Runs `work` on a connection of its own. */
  async use<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.connect()
    try {
      return await this.guard(() => work(connection))
    } finally {
      connection.closeSync()
    }
  }

  /** The library's failures in `work` as ours. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw codecError(error)
    }
  }

  /** What the statement answers, a vector after the other: the values of its columns. */
  async *stream(connection: DuckDBConnection, statement: string): AsyncGenerator<DuckDBValue[][]> {
    const result = await this.guard(() => connection.stream(statement))
    for (;;) {
      const chunk = await this.guard(() => result.fetchChunk())
      if (chunk === null || chunk.rowCount === 0) return
      yield chunk.getColumns()
    }
  }

  async close(): Promise<void> {
    const instance = await this.#instance?.catch(() => null)
    this.#instance = null
    instance?.closeSync()
  }
}

export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/**
 * The library's failure without anything that could be a value: its kind, and what is known to be free of values. Lack of
 * memory or disk is no fault of the file.
 */
export function codecError(error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const text = error instanceof Error ? error.message : ''
  const details = { operation: 'parquet', driver: 'duckdb' }
  if (/No space left|out of memory|failed to allocate|could not allocate|max_temp_directory/i.test(text)) {
    const message = 'The Parquet library ran out of memory or of room in the temporary folder; make room and try again.'
    return new StorageError(message, { recoverable: true, details })
  }
  const kind = /^([A-Za-z -]{3,40} Error)/.exec(text)?.[1] ?? 'failure of the Parquet library'
  const known = ['too small to be a Parquet file', 'No magic bytes found at end of file', 'footer length']
  return new CodecError([kind, ...known.filter((phrase) => text.includes(phrase))].join(': '), { details })
}
