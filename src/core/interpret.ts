/** Interpreting events of one entity (spec 03 §8, §9). A pure function of definitions, state and events. */
import { holds, runEffects } from './effects.ts'
import type { LedgerEvent } from './event.ts'
import { faultOf } from './fault.ts'
import type { Instant } from './instant.ts'
import type { CompiledEntity, CompiledHandler } from './program/types.ts'
import type { EntityState, FoldOptions, FoldResult } from './snapshot.ts'
import { advance } from './time-rules.ts'
import { Working } from './working.ts'

export type { FoldFailure, FoldOptions, FoldResult } from './snapshot.ts'

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
  entity: CompiledEntity,
  state: EntityState,
  events: readonly LedgerEvent[],
  options: FoldOptions,
): FoldResult {
  const work = new Working(entity, state, options)
  for (let i = 0; i < events.length; i++) apply(work, events[i] as LedgerEvent)
  if (options.advanceTo) advance(work, options.advanceTo)
  return work.result()
}

function apply(work: Working, event: LedgerEvent): void {
  const { eventType, timestamp } = event
  // System events are not interpreted.
  if (eventType.startsWith('_defacto_')) return
  advance(work, timestamp)

  // Both handlers are chosen before either runs: a state entered on the way does not see the same event again.
  const first = ownHandler(work, eventType)
  const always = work.entity.always.get(eventType)
  const moved = (first !== undefined || always !== undefined) && handle(work, event, first, always)
  work.attend(timestamp)
  // A state entered after its expiration has passed is left at once.
  if (moved) advance(work, timestamp)
}

/** The handler of the current state; before creation that of the first state, if it creates. */
export function ownHandler(work: Working, eventType: string): CompiledHandler | undefined {
  const missing = work.current === null
  const own = (work.current ?? work.entity.starts).when.get(eventType)
  return own !== undefined && (!missing || own.creates) ? own : undefined
}

/** Runs the handlers as one unit; true if another state may have been entered. */
function handle(
  work: Working,
  event: LedgerEvent,
  first: CompiledHandler | undefined,
  always: CompiledHandler | undefined,
): boolean {
  const { eventType, eventId, sequence, timestamp } = event
  work.begin(timestamp)
  work.context.event = event
  try {
    if (first !== undefined) run(work, first, timestamp)
    if (always !== undefined && (work.current !== null || always.creates)) run(work, always, timestamp)
    work.commit({ kind: 'event', sequence, eventId, eventType }, timestamp, timestamp)
    return work.moved
  } catch (thrown) {
    const { message, field } = faultOf(thrown, work.field)
    work.rollback({ error: message, field, handler: eventType, sequence, eventId, at: timestamp })
    return false
  }
}

function run(work: Working, handler: CompiledHandler, at: Instant): void {
  work.field = null
  if (handler.guard !== null && !holds(work, handler.guard, 'guard')) return
  runEffects(work, handler.effects, at)
}
