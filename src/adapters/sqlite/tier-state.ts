/** Table `tiered_state`: how far rows have moved into the archive (spec 07 §4.1). */
import { StorageError } from '../../errors.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Connection } from './connection.ts'

const KEYS: { readonly [field in keyof TierState]: string } = {
  pruned: 'last_pruned_sequence',
  flushed: 'last_flushed_sequence',
  claimed: 'claimed_sequence',
  tableId: 'cold_table_id',
  tableVersion: 'cold_version',
  job: 'change_job',
  filled: 'filled_upto',
}

/** An archive that was never changed has recorded number 0, so the first changes have 1. */
const BEGUN: TierState = {
  pruned: 0,
  flushed: 0,
  claimed: 0,
  tableId: null,
  tableVersion: null,
  job: 1,
  filled: 0,
}

/** Null if the ledger has one tier: the table is empty then. */
export function tierState(connection: Connection): TierState | null {
  const values = new Map(connection.all('select key, value from tiered_state') as [string, string | null][])
  if (values.size === 0) return null
  const text = (field: keyof TierState): string | null => values.get(KEYS[field]) ?? null
  const number = (field: keyof TierState): number | null => (text(field) === null ? null : Number(text(field)))
  return {
    pruned: number('pruned') ?? 0,
    flushed: number('flushed') ?? 0,
    claimed: number('claimed') ?? 0,
    tableId: text('tableId'),
    tableVersion: number('tableVersion'),
    job: number('job') ?? 1,
    filled: number('filled'),
  }
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
  for (const [field, key] of Object.entries(KEYS) as [keyof TierState, string][]) {
    const value = next[field]
    if (value === undefined) continue
    connection.run(
      'insert into tiered_state (key, value) values (?, ?) on conflict (key) do update set value = excluded.value',
      key,
      value === null ? null : String(value),
    )
  }
}
