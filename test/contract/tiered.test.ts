/**
 * The store's contract for a ledger in two tiers. After every unit of work all rows, or all but the last few, move to the
 * archive, so that every other suite reads what it wrote from there.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { createLogger } from '../../src/adapters/log/logger.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { tieredStore } from '../../src/adapters/tiered/store.ts'
import { flushCold } from '../../src/engine/cold/flush.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Store, Tx } from '../../src/ports/store.ts'
import { type Backend, inUnit, NOW, type OpenOptions } from '../../src/testing/contract/backend.ts'
import { ledgerContract } from '../../src/testing/contract/ledger.ts'
import { mappingContract } from '../../src/testing/contract/mapping.ts'
import { privacyLedgerContract } from '../../src/testing/contract/privacy-ledger.ts'
import { renormalizeContract } from '../../src/testing/contract/renormalize.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'
import { room } from '../support/room.ts'

interface HotSpace {
  open(options?: OpenOptions): Promise<Store>
  dispose(): Promise<void>
}

/** @param keep rows that stay in the database */
function tieredBackend(name: string, hotSpace: (folder: string) => HotSpace, keep: number): Backend {
  return {
    name: `${name}, ${keep === 0 ? 'all' : `all but ${keep}`} rows archived`,
    shared: true,
    async space() {
      const folder = await mkdtemp(join(room(), 'defacto-tiered-'))
      const hot = hotSpace(folder)
      return {
        async open(options) {
          const archive = await openDeltaArchive({ objects: openFolder(join(folder, 'cold')), temporary: folder })
          return archiving(tieredStore(await hot.open(options), archive), keep)
        },
        async dispose() {
          await hot.dispose()
          await rm(folder, { recursive: true })
        },
      }
    },
  }
}

/** The store, whose rows leave the database as soon as they are committed. */
function archiving(store: Store, keep: number): Store {
  const engine = new Engine({
    store,
    clock: () => new Date(),
    newId: () => crypto.randomUUID(),
    logger: createLogger({ target: { debug() {}, info() {}, warn() {}, error() {} } }),
    deadLetter: null,
    batchSize: 100,
    processStart: '',
  })
  let moving = Promise.resolve()
  const move = async (): Promise<void> => {
    const head = await store.ledger.head()
    if (head - ((await store.tiers.state())?.pruned ?? 0) <= keep) return
    const { flushed } = await flushCold(engine)
    await inUnit(store, (unit) => store.tiers.prune(unit, Math.max(0, flushed - keep)))
  }
  return {
    ...store,
    async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
      const result = await store.transaction(work)
      moving = moving.then(move)
      await moving
      return result
    },
  }
}

const sqlite = (folder: string): HotSpace => ({
  open: (options) => openSqliteStore({ path: join(folder, 'space.db'), now: () => NOW, ...options }),
  dispose: async () => {},
})

function postgres(): HotSpace {
  const { url, namespace, drop } = freshNamespace()
  return { open: (options) => openPostgresStore({ url, namespace, now: () => NOW, ...options }), dispose: drop }
}

const RUNS: readonly [Backend, typeof describePostgres][] = [
  [tieredBackend('SQLite', sqlite, 0), describe],
  [tieredBackend('SQLite', sqlite, 2), describe],
  [tieredBackend('Postgres', postgres, 0), describePostgres],
]

for (const [backend, scope] of RUNS) {
  for (const suite of [ledgerContract, privacyLedgerContract, renormalizeContract, mappingContract]) {
    suite({ backend, api: { describe: scope, it } })
  }
}
