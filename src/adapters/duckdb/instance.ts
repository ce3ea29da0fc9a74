/**
 * Opening DuckDB, for files of histories and for files that are made (spec 06 §7, §10). An instance reaches nothing but its
 * own file: no other files, no network, no extensions, and no statement can change that.
 */
import { randomBytes } from 'node:crypto'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { ConfigError } from '../../errors.ts'
import { openError } from './errors.ts'

export type Driver = typeof import('@duckdb/node-api')

/** In memory. */
export const MEMORY = ':memory:'

/** What a query may use before it goes on on disk. */
const MEMORY_LIMIT = '512MB'
const THREADS = 2

export interface DuckdbOptions {
  /** The file must exist, others may read it at the same time, and nothing can be written. */
  readonly readOnly?: boolean
  /** Statements may read and write other files: for COPY of our own alone, never for statements of others. */
  readonly files?: boolean
  /** `512MB`. */
  readonly memory?: string
  readonly threads?: number
  /** Folder for what does not fit into memory; beside the file unless given, none for instances in memory. */
  readonly spill?: string
}

/** The driver is an optional package. */
export async function loadDriver(): Promise<Driver> {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    throw new ConfigError(
      'DuckDB needs the package @duckdb/node-api, which is not installed: npm install @duckdb/node-api',
      {
        code: 'E_CONFIG_DRIVER',
        details: { package: '@duckdb/node-api' },
        cause: error,
      },
    )
  }
}

/** A connection to an instance of its own, which ends with it: `closeSync()`. */
export async function openDuckdb(path: string, options: DuckdbOptions = {}): Promise<DuckDBConnection> {
  const instance = await openInstance(path, options)
  try {
    return await instance.connect()
  } finally {
    // The connection holds what it needs.
    instance.closeSync()
  }
}

/**
 * @throws StorageError if there is no such file, it is no DuckDB file, of a newer format, or held by another process
 * (recoverable)
 */
export async function openInstance(path: string, options: DuckdbOptions = {}): Promise<DuckDBInstance> {
  const { DuckDBInstance } = await loadDriver()
  const inMemory = path === MEMORY
  // Two instances must not share a folder.
  const spill = options.spill ?? (inMemory ? '' : `${path}.${randomBytes(6).toString('hex')}.tmp`)
  const settings: Record<string, string> = {
    // By its content a file might be taken for one of another database, and an extension be asked for.
    ...(inMemory ? {} : { access_mode: options.readOnly === true ? 'READ_ONLY' : 'READ_WRITE' }),
    memory_limit: options.memory ?? MEMORY_LIMIT,
    threads: String(options.threads ?? THREADS),
    temp_directory: spill,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    enable_external_file_cache: 'false',
    // The last one: folders cannot be named behind it.
    enable_external_access: String(options.files === true),
  }
  try {
    const instance = await DuckDBInstance.create(path, settings)
    try {
      await lockDown(instance)
      return instance
    } catch (error) {
      instance.closeSync()
      throw error
    }
  } catch (error) {
    throw openError(error, path)
  }
}

async function lockDown(instance: DuckDBInstance): Promise<void> {
  const connection = await instance.connect()
  try {
    await connection.run("set global TimeZone = 'UTC'")
    await connection.run('set lock_configuration = true')
  } finally {
    connection.closeSync()
  }
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
