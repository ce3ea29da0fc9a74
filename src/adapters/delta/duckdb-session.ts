/** DuckDB as the Parquet library: one instance in memory, a connection per use, no network, no extensions. */
import { rm } from 'node:fs/promises'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { StorageError } from '../../errors.ts'
import { CodecError } from './codec.ts'

/** Spec 07 §5.3; DuckDB rounds to whole vectors of 2 048 rows. */
export const ROW_GROUP_ROWS = 18_432

export interface SessionOptions {
  /** Folder for what does not fit into memory. */
  readonly spill: string
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
    const { spill, memory } = this.#options
    this.#instance ??= DuckDBInstance.create(':memory:', {
      memory_limit: memory,
      temp_directory: spill,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      preserve_insertion_order: 'true',
    })
    return (await this.#instance).connect()
  }

  /** Runs `work` on a connection of its own. */
  async use<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.connect()
    try {
      return await work(connection)
    } finally {
      connection.closeSync()
    }
  }

  async close(): Promise<void> {
    const instance = await this.#instance?.catch(() => null)
    this.#instance = null
    instance?.closeSync()
    await rm(this.#options.spill, { recursive: true, force: true })
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
