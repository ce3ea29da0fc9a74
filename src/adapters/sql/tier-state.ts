/** Table `tiered_state(key, value)`, one row for each key (spec 07 §4.1): the same in every database. */
import type { TierState } from '../../ports/tiers.ts'

export const TIER_KEYS: Readonly<Record<keyof TierState, string>> = {
  pruned: 'last_pruned_sequence',
  flushed: 'last_flushed_sequence',
  claimed: 'claimed_sequence',
  tableId: 'cold_table_id',
  tableVersion: 'cold_version',
  job: 'change_job',
  filled: 'filled_upto',
}

/** What a tiered ledger begins with. An archive that was never changed has recorded number 0, so the first changes have 1. */
export const BEGUN: TierState = {
  pruned: 0,
  flushed: 0,
  claimed: 0,
  tableId: null,
  tableVersion: null,
  job: 1,
  filled: 0,
}

/** The rows that say so, values as text. */
export function tierRows(state: Partial<TierState>): [key: string, value: string | null][] {
  const given = Object.entries(state) as [keyof TierState, number | string | null | undefined][]
  return given.flatMap(([field, value]) =>
    value === undefined ? [] : [[TIER_KEYS[field], value === null ? null : String(value)] as [string, string | null]],
  )
}

/** Null if the ledger has one tier: the table is empty then. */
export function tierStateOf(rows: readonly (readonly unknown[])[]): TierState | null {
  if (rows.length === 0) return null
  const values = new Map(rows as [string, string | null][])
  const text = (field: keyof TierState): string | null => values.get(TIER_KEYS[field]) ?? null
  const number = (field: keyof TierState): number | null => (text(field) === null ? null : Number(text(field)))
  return {
    pruned: number('pruned') ?? BEGUN.pruned,
    flushed: number('flushed') ?? BEGUN.flushed,
    claimed: number('claimed') ?? BEGUN.claimed,
    tableId: text('tableId'),
    tableVersion: number('tableVersion'),
    job: number('job') ?? BEGUN.job,
    filled: number('filled'),
  }
}
