/** Interpreting events of one entity (spec 03 §8, §9). A pure function of definitions, state and events. */
import type { LedgerEvent } from './event.ts'
import type { Instant } from './instant.ts'
import type { CompiledEntity } from './program/types.ts'
import type { Change, EntityState } from './snapshot.ts'

export interface FoldOptions {
  /** Id of a relate target by its canonical hints; undefined: not known, the effect does nothing. */
  readonly targets: (entityType: string, hints: Readonly<Record<string, string>>) => string | undefined
  /** Clock of expressions with `expressionClock: 'wall'`. */
  readonly wall?: Instant
  /** Advance time rules to this instant after the events. */
  readonly advanceTo?: Instant | null
}

/** One event, or one time-rule firing, that changed nothing because a step failed (spec 03 §11). */
export interface FoldFailure {
  readonly error: string
  /** Property or identity field at fault. */
  readonly field: string | null
  /** Event type; null for a time rule. */
  readonly handler: string | null
  readonly sequence: number | null
  readonly eventId: string | null
  /** Event time or crossing time. */
  readonly at: Instant
}

export interface FoldResult {
  readonly state: EntityState
  /** In order; changes of one instant are all here. */
  readonly changes: Change[]
  readonly failures: FoldFailure[]
  /** Effects applied, of events and time rules. */
  readonly effects: number
  /** Transitions among them. */
  readonly transitions: number
  readonly created: boolean
  /** The last event time moved. */
  readonly touched: boolean
}

/** An id without events. */
export function emptyState(type: string, id: string): EntityState {
  return {
    id,
    type,
    state: null,
    properties: {},
    createdTime: null,
    stateEnteredTime: null,
    lastEventTime: null,
    lastFiring: null,
    lastSnapshot: null,
    fired: [],
    edges: [],
  }
}

/**
 * Applies events (in order of timestamp, then sequence; none of them late) and then time rules. Failing events are
 * left out one by one. `state` is not changed. With no events and `advanceTo` this is a tick.
 */
export function fold(
  _entity: CompiledEntity,
  _state: EntityState,
  _events: readonly LedgerEvent[],
  _options: FoldOptions,
): FoldResult {
  throw new Error('not available yet')
}
