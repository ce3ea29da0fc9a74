/** Opens a space in a SQLite file (spec 07 §1–2). */
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Instant } from '../../core/instant.ts'
import type { Holder, SignalPort, Store, Tx } from '../../ports/store.ts'
import { SqliteBuilds } from './builds.ts'
import { SqliteCheckpoints } from './checkpoints.ts'
import { Database } from './database.ts'
import { SqliteHistory } from './history.ts'
import { SqliteIdentity } from './identity.ts'
import { SqliteLedger } from './ledger.ts'
import { SqliteLocks } from './locks.ts'
import { SqliteMapping } from './mapping.ts'
import { prepareSpace } from './open.ts'
import { SqliteQueryReader } from './reader.ts'
import { sqliteExports, sqlitePrivacy, sqliteRunLog } from './run-log.ts'
import { scrubSqlite } from './scrub.ts'
import { SqliteTiers } from './tiers.ts'
import { SqliteVersions } from './versions.ts'

export interface SqliteStoreOptions {
  /** A file, or `:memory:` for a space that ends with the store. */
  readonly path: string
  /** Left out: what the file has, `defacto` in a new one. Another one than the file's is a `ConfigError`. */
  readonly namespace?: string
  /** `check` refuses a file whose tables are older than this package instead of changing them. Default `auto`. */
  readonly migrations?: 'auto' | 'check'
  readonly now: () => Instant
  /** The file must exist; every write is a `StorageError`. */
  readonly readOnly?: boolean
  /** Whether the holder of a lock is certainly gone, so that it can be taken over before it expires. Default: never. */
  readonly isDead?: (holder: Holder) => boolean
  /** How long a transaction waits for another writer, in milliseconds. Default 5000. */
  readonly lockTimeoutMs?: number
}

/** Other processes cannot be told; those that wait look again. */
const POLL_MS = 50
const POLLING: SignalPort = {
  send: async () => {},
  wait: (ms) => pause(Math.min(ms, POLL_MS)),
}

/**
 * Opens, creates or migrates the file. `StorageError` if it is no SQLite database, damaged, of another application or
 * cannot be opened; `ConfigError` for a wrong namespace or a file made by a newer package.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const path = options.path === ':memory:' ? options.path : resolve(options.path)
  const database = new Database(path, options)
  try {
    const space = await prepareSpace(database, options)
    const reader = new SqliteQueryReader(database)
    await reader.refresh()
    return {
      dialect: 'sqlite',
      spaceId: space.spaceId,
      namespace: space.namespace,
      shard: null,
      location: path,
      ledger: new SqliteLedger(database),
      tiers: new SqliteTiers(database),
      archive: null,
      identity: new SqliteIdentity(database, options.now),
      mapping: new SqliteMapping(database),
      history: new SqliteHistory(database),
      checkpoints: new SqliteCheckpoints(database),
      builds: new SqliteBuilds(database),
      versions: new SqliteVersions(database),
      locks: new SqliteLocks(database, options.isDead ?? (() => false)),
      signals: POLLING,
      reader,
      exports: sqliteExports(database, options.now),
      log: sqliteRunLog(database, options.now),
      privacy: sqlitePrivacy(database, options.now),
      transaction: <T>(work: (tx: Tx) => Promise<T>) => database.transaction(work),
      scrub: (call) => scrubSqlite(database, call),
      close: async () => {
        reader.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close().catch(() => undefined)
    throw error
  }
}
