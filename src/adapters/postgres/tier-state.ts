/** The state of a tiered ledger, one row for each key (spec 07 §4.1). */
import { StorageError } from '../../errors.ts'
import type { Unit } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Row } from './connection.ts'
import type { Space } from './space.ts'

const KEYS: Readonly<Record<keyof TierState, string>> = {
  pruned: 'last_pruned_sequence',
  flushed: 'last_flushed_sequence',
  claimed: 'claimed_sequence',
  tableId: 'cold_table_id',
  tableVersion: 'cold_version',
  job: 'change_job',
  filled: 'filled_upto',
}

/** What a ledger begins with. All rows are there from then on, so that those who lock them all see the same. */
export const START: Readonly<Record<string, string | null>> = {
  [KEYS.pruned]: '0',
  [KEYS.flushed]: '0',
  [KEYS.claimed]: '0',
  [KEYS.tableId]: null,
  [KEYS.tableVersion]: null,
  // An archive counts 0 as done.
  [KEYS.job]: '1',
  [KEYS.filled]: '0',
}

export async function readState({ database, names }: Space, unit?: Unit): Promise<TierState | null> {
  return tierState(
    await database.query(unit?.tx, 'tiers.state', `select key, value from ${names.infra('tiered_state')}`),
  )
}

/**
 * Locks the state until the unit ends and returns it as it is under the lock. A ledger with one tier has nothing to lock;
 * then it stays one until the unit ends.
 */
export async function lockState(space: Space, unit: Unit): Promise<TierState | null> {
  const { database, names } = space
  const lock = async (): Promise<TierState | null> =>
    tierState(
      await database.query(
        unit.tx,
        'tiers.lock',
        `select key, value from ${names.infra('tiered_state')} order by key for no key update`,
      ),
    )
  const state = await lock()
  if (state !== null) return state
  // `begin` needs the head for itself; appends do not mind. Somebody may have begun before this.
  const [head] = await database.query(
    unit.tx,
    'tiers.lock',
    `select tiers = 'off' from ${names.infra('head')} for key share`,
  )
  return head?.[0] === true ? null : lock()
}

/** Changes some values. `StorageError` if the ledger has one tier. */
export async function putState({ database, names }: Space, unit: Unit, next: Partial<TierState>): Promise<void> {
  const changes = Object.entries(next) as [keyof TierState, number | string | null][]
  if (changes.length === 0) return
  const changed = await database.execute(
    unit.tx,
    'tiers.put',
    `update ${names.infra('tiered_state')} s set value = n.value
      from unnest($1::text[], $2::text[]) n (key, value) where s.key = n.key`,
    [changes.map(([field]) => KEYS[field]), changes.map(([, value]) => (value === null ? null : String(value)))],
  )
  if (changed === changes.length) return
  throw new StorageError('tiers.put: the ledger has one tier; begin first', { details: { operation: 'tiers.put' } })
}

function tierState(rows: readonly Row[]): TierState | null {
  if (rows.length === 0) return null
  const values = new Map(rows as [string, string | null][])
  const text = (field: keyof TierState): string | null => values.get(KEYS[field]) ?? null
  const number = (field: keyof TierState): number | null => {
    const value = text(field)
    return value === null ? null : Number(value)
  }
  return {
    pruned: number('pruned') ?? 0,
    flushed: number('flushed') ?? 0,
    claimed: number('claimed') ?? 0,
    tableId: text('tableId'),
    tableVersion: number('tableVersion'),
    job: number('job') ?? 0,
    filled: number('filled'),
  }
}
