/** Time rules: when they are due, and which events come too late for what already fired (spec 03 §8, §10). */
import { compareTime, type Instant } from './instant.ts'
import type { CompiledEntity } from './program/types.ts'
import type { EntityState } from './snapshot.ts'

/**
 * Earliest instant after which a rule of the current state that has not fired is overdue; it is due strictly after
 * this instant. Null: no such rule.
 */
export function nextDue(_entity: CompiledEntity, _state: EntityState): Instant | null {
  throw new Error('not available yet')
}

/**
 * Whether an event of this time must not be applied in place (spec 03 §8). At the very instant of the newest firing it
 * is late, too: in a replay the event comes first (a rule fires strictly after its threshold), so the rule would see it.
 */
export function isLate(state: EntityState, timestamp: Instant): boolean {
  const { lastEventTime, lastSnapshot, lastFiring } = state
  return (
    (lastEventTime !== null && compareTime(timestamp, lastEventTime) < 0) ||
    (lastSnapshot !== null && compareTime(timestamp, lastSnapshot) < 0) ||
    (lastFiring !== null && compareTime(timestamp, lastFiring) <= 0)
  )
}
