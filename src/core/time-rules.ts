/** Time rules: when they are due, what they do, and which events come too late for them (spec 03 §8, §10). */
import { runEffects } from './effects.ts'
import { faultOf } from './fault.ts'
import { compareTime, Instant, laterOf, makeInstant } from './instant.ts'
import type { CompiledEntity, CompiledState, CompiledTimeRule } from './program/types.ts'
import type { EntityState } from './snapshot.ts'
import type { Working } from './working.ts'

/** Firings of one entity in one call; more are taken for rules that never come to rest. */
const MAX_FIRINGS = 10_000

interface Times {
  readonly createdTime: Instant | null
  readonly stateEnteredTime: Instant | null
  readonly lastEventTime: Instant | null
}

/** What the threshold is measured from. */
function reference(rule: CompiledTimeRule, times: Times): Instant | null {
  switch (rule.type) {
    case 'inactivity':
      return laterOf(times.lastEventTime, times.stateEnteredTime)
    case 'expiration':
      return times.createdTime
    case 'state_duration':
      return times.stateEnteredTime
  }
}

/**
 * Earliest instant after which a rule of the current state that has not fired is overdue; it is due strictly after
 * this instant. Null: no such rule.
 */
export function nextDue(entity: CompiledEntity, state: EntityState): Instant | null {
  if (state.state === null) return null
  const rules = entity.states.get(state.state)?.rules ?? []
  let earliest: Instant | null = null
  for (const [index, rule] of rules.entries()) {
    if (state.fired.includes(index)) continue
    const from = reference(rule, state)
    // Beyond the year 9999 a rule is never due.
    const due = from === null ? null : makeInstant(from.ms + rule.threshold, from.us)
    if (due !== null && (earliest === null || compareTime(due, earliest) < 0)) earliest = due
  }
  return earliest
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

/** Fires what is overdue at `t`, in order of crossing, cascading through the states entered on the way. */
export function advance(work: Working, t: Instant): void {
  for (let firings = 0; work.current !== null && work.current.rules.length > 0; firings++) {
    const next = earliestOverdue(work, work.current, t)
    if (next === null) return
    if (firings === MAX_FIRINGS) {
      const error = `time_rule_loop: more than ${MAX_FIRINGS} firings at once, last '${next.rule.name}'`
      work.failures.push({ error, field: null, handler: null, sequence: null, eventId: null, at: t })
      return
    }
    fire(work, next)
  }
}

interface Firing {
  readonly rule: CompiledTimeRule
  readonly index: number
  readonly crossing: Instant
}

function earliestOverdue(work: Working, state: CompiledState, t: Instant): Firing | null {
  let first: Firing | null = null
  const entered = work.stateEnteredTime as Instant
  for (let index = 0; index < state.rules.length; index++) {
    const rule = state.rules[index] as CompiledTimeRule
    const from = reference(rule, work) as Instant
    const passed = t.ms - from.ms
    // An event exactly at the threshold still counts as in time.
    if (passed < rule.threshold || (passed === rule.threshold && t.us <= from.us)) continue
    if (work.fired.includes(index)) continue
    // Not before the state was entered; within the years there are, because `t` is later.
    const crossing = laterOf(new Instant(from.ms + rule.threshold, from.us), entered)
    if (first === null || compareTime(crossing, first.crossing) < 0) first = { rule, index, crossing }
  }
  return first
}

function fire(work: Working, { rule, index, crossing }: Firing): void {
  // History never goes back; only a call that ended in `time_rule_loop` leaves a crossing behind the last snapshot.
  const at = laterOf(crossing, work.lastSnapshot) as Instant
  work.fired = [...work.fired, index]
  work.begin(at)
  work.context.event = null
  try {
    runEffects(work, rule.effects, at)
    work.commit({ kind: 'rule', rule: rule.name }, at, work.lastEventTime as Instant)
  } catch (thrown) {
    const { message, field } = faultOf(thrown, work.field)
    work.rollback({ error: `${rule.name}: ${message}`, field, handler: null, sequence: null, eventId: null, at })
  }
  work.lastFiring = laterOf(work.lastFiring, at)
}
