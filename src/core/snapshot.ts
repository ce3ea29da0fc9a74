/** The working state of one entity and what interpretation makes of it (spec 03 §9). Pure data. */
import type { Instant } from './instant.ts'
import type { Value } from './value.ts'

/** An open edge written by this entity, or a change to one. */
export interface Edge {
  readonly type: string
  readonly targetId: string
  readonly targetType: string
  readonly properties: Readonly<Record<string, Value>>
}

export interface EdgeChange extends Edge {
  /** True: the edge ends at the snapshot's `validFrom`; false: it starts, or has new properties. */
  readonly ended: boolean
}

/**
 * Working state of one entity under one version. `state === null`: the id has events but the entity was not created
 * yet; then properties are empty and the created/entered times null, but `lastEventTime` and `horizon` count.
 */
export interface EntityState {
  readonly id: string
  readonly type: string
  readonly state: string | null
  /** All declared properties, computed included. */
  readonly properties: Readonly<Record<string, Value>>
  readonly createdTime: Instant | null
  readonly stateEnteredTime: Instant | null
  readonly lastEventTime: Instant | null
  /** Newest crossing time of a time-rule firing, successful or not; an event at or before it is late (spec 03 §8). */
  readonly lastFiring: Instant | null
  /** `valid_from` of the newest snapshot. */
  readonly lastSnapshot: Instant | null
  /** Indexes of the current state's time rules that fired in this stay (spec 03 §10). */
  readonly fired: readonly number[]
  readonly edges: readonly Edge[]
}

export interface Snapshot {
  readonly entityId: string
  readonly entityType: string
  readonly state: string
  readonly properties: Readonly<Record<string, Value>>
  /** Only the edges this change touched. */
  readonly relationships: readonly EdgeChange[]
  readonly lastEventTime: Instant
  readonly stateEnteredTime: Instant
  readonly createdTime: Instant
  readonly validFrom: Instant
}

/** What made a snapshot: an event, or a time rule as `<state>.after[<index>]`. */
export type Cause =
  | { readonly kind: 'event'; readonly sequence: number; readonly eventId: string; readonly eventType: string }
  | { readonly kind: 'rule'; readonly rule: string }

/** One committed change of an entity, before changes of one instant are folded into one history row. */
export interface Change {
  readonly cause: Cause
  readonly stateBefore: string | null
  readonly snapshot: Snapshot
  /** Last event time just before this change: what the row that it closes ends up with. */
  readonly lastEventBefore: Instant | null
}

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
