/** The state of a tiered ledger, one row for each key (spec 07 §4.1). */
import { StorageError } from '../../errors.ts'
import type { Unit } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import { tierRows, tierStateOf } from '../sql/tier-state.ts'
import type { Space } from './space.ts'

export async function readState({ database, names }: Space, unit?: Unit): Promise<TierState | null> {
  return tierStateOf(
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
    tierStateOf(
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
  const changes = tierRows(next)
  if (changes.length === 0) return
  const changed = await database.execute(
    unit.tx,
    'tiers.put',
    `update ${names.infra('tiered_state')} s set value = n.value
      from unnest($1::text[], $2::text[]) n (key, value) where s.key = n.key`,
    [changes.map(([key]) => key), changes.map(([, value]) => value)],
  )
  if (changed === changes.length) return
  throw new StorageError('tiers.put: the ledger has one tier; begin first', { details: { operation: 'tiers.put' } })
}
