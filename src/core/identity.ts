/** Which events belong to one entity: union-find over hints (spec 04 §3.4, §4.4 "Stable ids"). Pure. */
import type { Hints, LedgerEvent } from './event.ts'
import type { Program } from './program/types.ts'

/** Hints that name one target of a `relate` effect: joined with each other, never with the event's own. */
export interface HintGroup {
  readonly entityType: string
  readonly hints: Readonly<Record<string, string>>
}
export interface HintedEvent {
  readonly sequence: number
  readonly hints: Hints
  readonly groups: readonly HintGroup[]
}
/** One row of the identity table. */
export interface IdentityRow {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
  readonly entityId: string
}
export interface Merge {
  readonly entityType: string
  readonly from: string
  readonly into: string
}
export interface Resolution {
  /** One per (event, entity type), with the final id. */
  readonly mappings: { sequence: number; entityId: string; entityType: string }[]
  /** Hints not known before. */
  readonly inserts: IdentityRow[]
  /** One per losing id, straight to the winner. */
  readonly merges: Merge[]
  /** Events without any hint. */
  readonly unresolved: number
}

/** The lookup key of a hint (spec 04 §3.1) as one text. */
export function hintKey(entityType: string, hintType: string, value: string): string {
  return `${entityType}\u0000${hintType}\u0000${value}`
}

/**
 * Targets of the relate effects that could run for this event: of every handler of its type, in whatever state, of the
 * entity types it has hints for. Targets named by the event's own hints are included.
 */
export function relateGroups(_program: Program, _event: LedgerEvent, _hints: Hints): HintGroup[] {
  throw new Error('not available yet')
}

/** Resolves one batch against the ids already known (`hintKey` → id). `newId` is called once per new entity. */
export function resolveBatch(
  _events: readonly HintedEvent[],
  _known: ReadonlyMap<string, string>,
  _newId: () => string,
): Resolution {
  throw new Error('not available yet')
}

/** Union-find over a whole ledger, for identity resets. */
export class Grouping {
  /**
   * Takes in the hints of one event. `previous` are the hints the event had before they were extracted again: they
   * tell which component an old hint belongs to now although its text has changed.
   */
  add(_hints: Hints, _groups: readonly HintGroup[], _previous?: Hints): void {
    throw new Error('not available yet')
  }

  /** Ids for all components (spec 04 §4.4): old ones where the grouping is unchanged, else new ones. */
  components(_old: Iterable<IdentityRow>, _newId: () => string): Components {
    throw new Error('not available yet')
  }
}

export interface Components {
  idOf(entityType: string, hintType: string, value: string): string | undefined
  /** The new identity table. */
  rows(): Iterable<IdentityRow>
  /** Old ids that are no more, whose hints all continue in one other id. */
  readonly retired: Merge[]
}
