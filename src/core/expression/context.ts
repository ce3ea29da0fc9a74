/** What a compiled expression reads while it runs. One object may be filled anew for every evaluation. */
import type { LedgerEvent } from '../event.ts'
import type { Instant } from '../instant.ts'
import type { EntityState } from '../snapshot.ts'
import type { Value } from '../value.ts'

export type EventView = Pick<LedgerEvent, 'data' | 'treated' | 'timestamp' | 'eventType' | 'eventId' | 'source'>
/** A `state` of null is an entity that was not created yet: all of `entity.*` is null then. */
export type EntityView = Pick<
  EntityState,
  'id' | 'state' | 'properties' | 'createdTime' | 'stateEnteredTime' | 'lastEventTime'
>

export interface EvalContext {
  /** The raw record of a mapping: JSON values as `parseJson` gives them. */
  raw: unknown
  event: EventView | null
  entity: EntityView | null
  /** The hint under `normalize`. */
  value: Value
  /** What `now()` gives (spec 02 §8). */
  now: Instant
}
