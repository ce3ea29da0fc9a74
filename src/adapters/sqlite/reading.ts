/** A SQLite file opened for nothing but reading (spec 06 §10); its writers go on meanwhile. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { HistoryLayout } from '../../core/history.ts'
import { StorageError } from '../../errors.ts'
import type { HistoryReading } from '../../ports/reading.ts'
import { Database } from './database.ts'
import { primaryCode } from './errors.ts'
import { recognizeSpace } from './open.ts'
import { SqliteQueryReader } from './reader.ts'

export interface SqliteReadingOptions {
  readonly path: string
  /** Left out: what the file has. */
  readonly namespace?: string
}

/** Versions with tables; those that were only registered have none. */
const VERSIONS = `select l.version, v.definitions, l.layout from history_layouts l
  left join definition_versions v on v.version = l.version order by v.created_at, l.version`

/**
 * `StorageError` if the file does not exist, is no SQLite database, damaged, or of another application; `ConfigError` if
 * it holds no state history, another namespace, or was written by a newer package.
 */
export async function openSqliteReader(options: SqliteReadingOptions): Promise<HistoryReading> {
  const database = await openToRead(resolve(options.path), options.namespace)
  const reader = new SqliteQueryReader(database)
  return {
    reader,
    versions: async () => {
      const rows = await database.read(null, 'versions', (connection) => connection.all(VERSIONS))
      return rows.map(([version, definitions, layout]) => ({
        version: version as string,
        definitions: (definitions ?? null) as string | null,
        layout: JSON.parse(layout as string) as HistoryLayout,
      }))
    },
    close: async () => {
      reader.close()
      await database.close()
    },
  }
}

/**
 * Readers of a file in WAL mode share memory with its writers through a file beside it. Where they may not make one and
 * nobody else has, nobody writes, and the file can be read as it lies there.
 */
async function openToRead(path: string, namespace: string | undefined): Promise<Database> {
  const database = new Database(path, { readOnly: true })
  try {
    recognizeSpace(database, namespace)
    return database
  } catch (error) {
    await database.close()
    if (!isBarred(error) || existsSync(`${path}-wal`)) throw error
  }
  const still = new Database(path, { readOnly: true, immutable: true })
  try {
    recognizeSpace(still, namespace)
    return still
  } catch (error) {
    await still.close()
    throw error
  }
}

/** SQLITE_READONLY (8), SQLITE_CANTOPEN (14): a file beside the database is missing and cannot be made. */
function isBarred(error: unknown): boolean {
  return error instanceof StorageError && [8, 14].includes(primaryCode(error.cause))
}
