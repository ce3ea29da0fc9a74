/** Table `tiered_state`: how far rows have moved into the archive (spec 07 §4.1). */
import { StorageError } from '../../errors.ts'
import type { TierState } from '../../ports/tiers.ts'
import { BEGUN, tierRows, tierStateOf } from '../sql/tier-state.ts'
import type { Connection } from './connection.ts'

/** Null if the ledger has one tier. */
export function tierState(connection: Connection): TierState | null {
  return tierStateOf(connection.all('select key, value from tiered_state'))
}

/** As `tierState` for what only a tiered ledger can do. */
export function requireTiers(connection: Connection, operation: string): TierState {
  const state = tierState(connection)
  if (state !== null) return state
  const message = `${operation}: the ledger has one tier; connect it to an archive first`
  throw new StorageError(message, { details: { operation } })
}

export function beginTiers(connection: Connection): void {
  if (tierState(connection) !== null) return
  putTierState(connection, BEGUN)
  connection.run(`update head set tiering = 'filling'`)
}

export function putTierState(connection: Connection, next: Partial<TierState>): void {
  for (const [key, value] of tierRows(next)) {
    connection.run(
      'insert into tiered_state (key, value) values (?, ?) on conflict (key) do update set value = excluded.value',
      key,
      value,
    )
  }
}
