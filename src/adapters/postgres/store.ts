/** Opens a space in a Postgres database (spec 07 §1–2). */
import type { Instant } from '../../core/instant.ts'
import type { Shard } from '../../core/shard.ts'
import type { Holder, Store, Tx } from '../../ports/store.ts'
import { PostgresBuilds } from './builds.ts'
import { PostgresCheckpoints } from './checkpoints.ts'
import { Database, type DatabaseOptions } from './database.ts'
import { PostgresHistory } from './history.ts'
import { PostgresIdentity } from './identity.ts'
import { PostgresLedger } from './ledger.ts'
import { PostgresLocks } from './locks.ts'
import { PostgresMapping } from './mapping.ts'
import { Names } from './names.ts'
import { prepareSpace } from './open.ts'
import { PostgresQueryReader } from './reader.ts'
import { postgresExports, postgresPrivacy, postgresRunLog } from './run-log.ts'
import { scrubPostgres } from './scrub.ts'
import { PostgresSignals } from './signals.ts'
import { PostgresTiers } from './tiers.ts'
import { PostgresVersions } from './versions.ts'

export interface PostgresStoreOptions extends DatabaseOptions {
  /** Schema of the space; default `defacto`. */
  readonly namespace?: string
  /** `check` refuses a space whose tables are missing or older than this package instead of making them. Default `auto`. */
  readonly migrations?: 'auto' | 'check'
  readonly now: () => Instant
  /** The part of the entities this store works on; default: all. */
  readonly shard?: Shard
  /** Whether the holder of a lock is certainly gone, so that it can be taken over before it expires. Default: never. */
  readonly isDead?: (holder: Holder) => boolean
}

/**
 * Opens, creates or migrates the namespace. `StorageError` if the server cannot be reached or the schema is another
 * application's; `ConfigError` for a namespace Postgres cannot hold, a server that is too old, or tables made by a newer
 * package.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const names = new Names(options.namespace ?? 'defacto')
  const database = new Database(options)
  const space = { database, names, shard: options.shard ?? null }
  try {
    const spaceId = await prepareSpace(database, names, options)
    const reader = new PostgresQueryReader(space)
    await reader.refresh()
    const signals = new PostgresSignals(space)
    return {
      dialect: 'postgres',
      spaceId,
      namespace: names.namespace,
      shard: space.shard,
      location: database.location,
      ledger: new PostgresLedger(space),
      tiers: new PostgresTiers(space),
      archive: null,
      identity: new PostgresIdentity(space, options.now),
      mapping: new PostgresMapping(space),
      history: new PostgresHistory(space),
      checkpoints: new PostgresCheckpoints(space),
      builds: new PostgresBuilds(space),
      versions: new PostgresVersions(space),
      locks: new PostgresLocks(space, options.isDead ?? (() => false)),
      signals,
      reader,
      exports: postgresExports(space, options.now),
      log: postgresRunLog(space, options.now),
      privacy: postgresPrivacy(space, options.now),
      transaction: <T>(work: (tx: Tx) => Promise<T>) => database.transaction(work),
      scrub: (call) => scrubPostgres(space, call),
      close: async () => {
        await signals.close()
        reader.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close().catch(() => undefined)
    throw error
  }
}
