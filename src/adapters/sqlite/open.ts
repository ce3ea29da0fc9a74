/** What happens before the first use of a file: is it ours, is it whole, are its tables current (spec 07 §2). */
import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Instant } from '../../core/instant.ts'
import { ConfigError, StorageError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import { isBusy, storageError } from './errors.ts'
import { LATEST, MIGRATIONS } from './migrations.ts'

/** Written into the file header, so that tools and we know whose file it is. */
export const APPLICATION_ID = 0x0defac70
const NAMESPACE = /^[A-Za-z_][A-Za-z0-9_]*$/
const DEFAULT_NAMESPACE = 'defacto'
/*
 * Measured over 400 000 appends in batches of 5 000: pages of 8 KiB with a log of 64 MiB need 3.1 s of CPU, the defaults
 * (4 KiB, 4 MiB) 4.8 s, because fewer pages are copied more than once from the log into the file.
 */
const NEW_FILE = 'pragma page_size = 8192'
const WAL = `pragma journal_mode = wal; pragma wal_autocheckpoint = 8000; pragma journal_size_limit = ${128 * 1024 * 1024}`

export interface OpenOptions {
  readonly namespace?: string
  readonly migrations?: 'auto' | 'check'
  readonly now: () => Instant
}

/** Makes the file usable and returns who it is. */
export async function prepareSpace(
  database: Database,
  options: OpenOptions,
): Promise<{ spaceId: string; namespace: string }> {
  const { namespace } = options
  if (namespace !== undefined && !NAMESPACE.test(namespace)) {
    throw new ConfigError(
      `namespace '${namespace}' is not a name: use letters, digits and _, not starting with a digit`,
    )
  }
  if (!database.inMemory) checkFile(database)
  const connection = database.guard('open', () => (database.readOnly ? database.reader : database.writer))
  const level = database.guard('open', () => recognize(connection, database.location))
  if (database.readOnly) {
    if (level < LATEST) throw outdated(database, level)
  } else {
    if (level === 0) database.guard('open', () => connection.exec(NEW_FILE))
    if (!database.inMemory) await useWal(connection, database)
    // From here on `Database` waits for the write lock itself, without blocking the event loop.
    connection.exec('pragma busy_timeout = 0')
    if (level < LATEST) {
      if (level > 0 && options.migrations === 'check') throw outdated(database, level)
      await migrate(database, options)
    }
  }
  return database.guard('open', () => identify(connection, database, namespace))
}

/** Who the file is, for readers alone: its tables may be of any level. Nothing is changed. */
export function recognizeSpace(
  database: Database,
  namespace: string | undefined,
): { spaceId: string; namespace: string } {
  checkFile(database)
  return database.guard('open', () => {
    const connection = database.reader
    if (recognize(connection, database.location) === 0) {
      throw new ConfigError(`${database.location} holds no state history; name the file that an engine has written`)
    }
    return identify(connection, database, namespace)
  })
}

function outdated(database: Database, level: number): ConfigError {
  const state = level === 0 ? 'has no tables yet' : `has tables of level ${level}, this package needs ${LATEST}`
  return new ConfigError(`${database.location} ${state}; run 'defacto migrate'`, { code: 'E_MIGRATION' })
}

/** Conditions the driver would report late or not at all. */
function checkFile(database: Database): void {
  const path = database.location
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) throw new ConfigError(`${path} is a folder; a SQLite store needs a file`)
  if (stat === undefined) {
    if (database.readOnly) throw new StorageError(`${path} does not exist`, { details: { operation: 'open' } })
    try {
      makeFolder(dirname(path))
    } catch (cause) {
      const message = `the folder of ${path} cannot be made; check the path and its permissions`
      throw new StorageError(message, { details: { operation: 'open' }, cause })
    }
    return
  }
  if (stat.size === 0) return
  const missing = truncatedBy(path, stat.size)
  if (missing > 0) {
    throw new StorageError(`${path} is truncated: its last ${missing} bytes are missing; restore it from a backup`, {
      details: { operation: 'open' },
    })
  }
}

/** Level by level: a recursive `mkdir` does not come back where the file system refuses folders with "not found". */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Somebody else was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Bytes missing at the end by the count in the header; 0 if whole or not to be judged (open WAL, other format). */
function truncatedBy(path: string, size: number): number {
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false })
  if (wal !== undefined && wal.size > 0) return 0
  const header = Buffer.alloc(100)
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return 0 // The driver reports it with its own words.
  }
  try {
    if (readSync(file, header, 0, 100, 0) < 100) return 0
  } finally {
    closeSync(file)
  }
  if (header.toString('latin1', 0, 15) !== 'SQLite format 3') return 0
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  return Math.max(0, header.readUInt32BE(28) * pageSize - size)
}

/** Level of the tables, 0 for an empty file; an error if the file is not ours. */
function recognize(connection: Connection, location: string): number {
  const application = Number(connection.get('pragma application_id')?.[0] ?? 0)
  if (application === APPLICATION_ID) return connection.hasTable('meta') ? Number(meta(connection, 'schema') ?? 0) : 0
  const tables = Number(connection.get('select count(*) from sqlite_schema')?.[0] ?? 0)
  if (application === 0 && tables === 0) return 0
  throw new StorageError(`${location} belongs to another application; choose another file`, {
    details: { operation: 'open', applicationId: application },
  })
}

/** Switching to WAL needs the file alone for a moment, and the driver does not wait for that. */
async function useWal(connection: Connection, database: Database): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      connection.exec(WAL)
      return
    } catch (error) {
      if (!isBusy(error) || attempt >= 250) throw storageError(error, 'open', database.location)
    }
    await pause(20)
  }
}

/** Applies what is missing in one transaction; another process may have been faster. */
async function migrate(database: Database, options: OpenOptions): Promise<void> {
  await database.transaction(async (tx) => {
    database.within(tx, 'migrate', (connection) => {
      const fresh = !connection.hasTable('meta')
      if (fresh) {
        connection.exec(`pragma application_id = ${APPLICATION_ID}`)
        connection.exec('create table meta (key text primary key, value text not null) without rowid')
        setMeta(connection, 'space_id', randomUUID())
        setMeta(connection, 'namespace', options.namespace ?? DEFAULT_NAMESPACE)
      }
      const level = Number(meta(connection, 'schema') ?? 0)
      for (const migration of MIGRATIONS) {
        if (migration.number <= level) continue
        connection.exec(migration.sql)
        setMeta(connection, `migration/${migration.number}`, `${options.now()} ${migration.name}`)
        setMeta(connection, 'schema', String(migration.number))
        if (migration.breaking) setMeta(connection, 'schema_minimum', String(migration.number))
      }
    })
  })
}

function identify(
  connection: Connection,
  database: Database,
  namespace: string | undefined,
): { spaceId: string; namespace: string } {
  const minimum = Number(meta(connection, 'schema_minimum') ?? 0)
  if (minimum > LATEST) {
    throw new ConfigError(
      `${database.location} was written by a newer package (table level ${minimum}, this one knows ${LATEST}); upgrade defacto`,
      { code: 'E_MIGRATION' },
    )
  }
  const stored = meta(connection, 'namespace') ?? DEFAULT_NAMESPACE
  if (namespace !== undefined && namespace !== stored) {
    throw new ConfigError(
      `${database.location} holds namespace '${stored}', not '${namespace}'; a SQLite file has one namespace, use another file`,
    )
  }
  return { spaceId: meta(connection, 'space_id') ?? '', namespace: stored }
}

export function meta(connection: Connection, key: string): string | undefined {
  return connection.get('select value from meta where key = ?', key)?.[0] as string | undefined
}

export function setMeta(connection: Connection, key: string, value: string): void {
  connection.run(
    'insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value',
    key,
    value,
  )
}
