/** Stores of one namespace, as several processes would open them, and a look behind them. */
import assert from 'node:assert/strict'
import { Database } from '../../src/adapters/postgres/database.ts'
import { Names } from '../../src/adapters/postgres/names.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import type { Shard } from '../../src/core/shard.ts'
import type { Store } from '../../src/ports/store.ts'
import { NOW } from '../../src/testing/contract/backend.ts'
import { freshNamespace } from './postgres.ts'

export interface Opened {
  readonly store: Store
  readonly open: (shard?: Shard) => Promise<Store>
  /** Reads and changes tables directly. */
  readonly admin: Database
  readonly names: Names
}

/** A store of a new namespace, which goes with everything that was opened. */
export async function withPostgres(work: (opened: Opened) => Promise<void>): Promise<void> {
  const { url, namespace, drop } = freshNamespace()
  const stores: Store[] = []
  const open = async (shard?: Shard): Promise<Store> => {
    const store = await openPostgresStore({ url, namespace, now: () => NOW, ...(shard === undefined ? {} : { shard }) })
    stores.push(store)
    return store
  }
  const admin = new Database({ url, max: 3 })
  try {
    await work({ store: await open(), open, admin, names: new Names(namespace) })
  } finally {
    for (const store of stores) await store.close()
    await admin.close()
    await drop()
  }
}

/** Resolves when some session waits for a lock with a statement about this namespace. */
export async function untilSomeoneWaits(admin: Database, names: Names): Promise<void> {
  const sql = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and strpos(query, $1) > 0`
  while ((await admin.query(null, 'test', sql, [`"${names.namespace}".`])).length === 0);
}

/** Rows that the ledger and `event_ids` both have are the same rows. */
export async function assertSameIds(admin: Database, names: Names): Promise<void> {
  const columns = (table: string): string =>
    `${table}.event_id, ${table}.source, ${table}.duplicate_of, ${table}.excluded`
  const different = await admin.query(
    null,
    'test',
    `select sequence from ${names.infra('ledger')} l join ${names.infra('event_ids')} i using (sequence)
      where (${columns('l')}) is distinct from (${columns('i')})`,
  )
  assert.deepEqual(different, [])
}
