/**
 * Where event ids, duplicates and excluded rows are looked up (spec 07 §4.1). A ledger with one tier looks in itself; one
 * with tiers in `event_ids`, which keeps them when rows leave. The one-row table `head`, which appends lock anyway, says
 * which, so that a unit that appends cannot be mistaken.
 */
import type { Unit } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Names } from './names.ts'
import type { Space } from './space.ts'
import { lockState } from './tier-state.ts'

/** `filling`: `event_ids` lacks rows from before it was begun, so ids are still looked up in the ledger. */
export type IdMode = 'off' | 'filling' | 'on'

export interface IdTables {
  /** Where ids are looked up and rows are judged. */
  readonly lookup: string
  /** `event_ids`, if it is written; null: it is not. */
  readonly kept: string | null
}

export function idTables(names: Names, mode: IdMode): IdTables {
  const [ledger, eventIds] = [names.infra('ledger'), names.infra('event_ids')]
  return { lookup: mode === 'on' ? eventIds : ledger, kept: mode === 'off' ? null : eventIds }
}

export interface HeldTables extends IdTables {
  /** Null: the ledger has one tier. */
  readonly state: TierState | null
}

/**
 * The tables for a unit that changes ids or marks of stored rows. Until it ends `event_ids` is not begun, rows it changes
 * are not being filled in, and none is claimed for the archive.
 */
export async function holdIdTables(space: Space, unit: Unit): Promise<HeldTables> {
  const state = await lockState(space, unit)
  const tiered = state?.filled === null ? 'on' : 'filling'
  return { ...idTables(space.names, state === null ? 'off' : tiered), state }
}

/** Canonical rows with an id, of the ledger or of `event_ids`; their unique indexes have the same condition. */
export const CANONICAL = 'duplicate_of is null and not excluded'

/**
 * A relation of the sequences that replays leave out. The server asks the head once and reads only one of its halves:
 * ledger_skipped or event_ids_skipped.
 */
export function skippedRows(names: Names): string {
  const mode = `(select tiers from ${names.infra('head')})`
  return `(select sequence from ${names.infra('ledger')}
      where (duplicate_of is not null or excluded or event_type is null) and ${mode} <> 'on'
    union all select sequence from ${names.infra('event_ids')}
      where (duplicate_of is not null or excluded or source is null) and ${mode} = 'on')`
}
