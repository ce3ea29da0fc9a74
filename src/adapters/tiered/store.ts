/**
 * A store whose ledger continues in the archive (spec 07 §4). It offers the same port as the hot store it wraps: who
 * reads and builds does not notice where a row lies.
 */
import type { Archive } from '../../ports/archive.ts'
import type { Store, Tx } from '../../ports/store.ts'
import { ColdRows } from './cold-rows.ts'
import { TieredLedger } from './ledger.ts'

/**
 * `archive` null: the space is used without its archive; reading a row that is only there is a `ConfigError`
 * (`E_CONFIG_COLD_LEDGER_MISSING`). Closing the store closes both.
 */
export function tieredStore(hot: Store, archive: Archive | null): Store {
  const cold = new ColdRows(hot, archive)
  return {
    dialect: hot.dialect,
    spaceId: hot.spaceId,
    namespace: hot.namespace,
    shard: hot.shard,
    location: hot.location,
    ledger: new TieredLedger(hot, cold),
    tiers: hot.tiers,
    archive,
    identity: hot.identity,
    mapping: hot.mapping,
    history: hot.history,
    checkpoints: hot.checkpoints,
    builds: hot.builds,
    versions: hot.versions,
    locks: hot.locks,
    signals: hot.signals,
    reader: hot.reader,
    exports: hot.exports,
    log: hot.log,
    privacy: hot.privacy,
    transaction: <T>(work: (tx: Tx) => Promise<T>) => cold.transaction(work),
    ...(hot.scrub && { scrub: hot.scrub.bind(hot) }),
    async close() {
      try {
        await archive?.close()
      } finally {
        await hot.close()
      }
    },
  }
}
