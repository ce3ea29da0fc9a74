/** From the changes of a replay to the entries of a timeline (spec 06 §8). Pure. */
import type { EntityDef } from '../core/definition/model.ts'
import { textOf } from '../core/expression/text.ts'
import type { Change, Snapshot } from '../core/snapshot.ts'
import type { Value } from '../core/value.ts'
import type { TimelineEntry } from '../results.ts'

export interface TimelineOptions {
  /** All events of the entity in replay order; those without a change appear too. */
  events?: readonly TimelineEvent[]
  /** Direct merges into the entity; `timestamp` is when the merge was made. */
  merges?: readonly { readonly from: string; readonly timestamp: string; readonly reason: string }[]
}
export interface TimelineEvent {
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string | { toString(): string }
}

/** Entries in the order of the changes; merges and unchanged events stand where their time puts them. */
export function describeChanges(
  entity: EntityDef,
  changes: readonly Change[],
  options: TimelineOptions = {},
): TimelineEntry[] {
  const names = Object.keys(entity.properties ?? {})
  const entries = changes.map((change, i) => entryOf(change, changes[i - 1], names))
  const changed = new Set(changes.map(({ cause }) => (cause.kind === 'event' ? cause.sequence : null)))
  const quiet = (options.events ?? []).filter((event) => !changed.has(event.sequence))
  const merges = (options.merges ?? []).map((merge) => ({
    timestamp: merge.timestamp,
    eventType: '_merge',
    eventId: merge.reason,
    effects: [`Merged: ${merge.from}`],
  }))
  const others = [
    ...quiet.map((event) => ({
      timestamp: event.timestamp.toString(),
      eventType: event.eventType,
      eventId: event.eventId,
      effects: [],
    })),
    ...merges,
  ]
  return interleave(entries, others)
}

function entryOf(change: Change, before: Change | undefined, names: readonly string[]): TimelineEntry {
  const { cause, snapshot, stateBefore } = change
  const effects: string[] = []
  if (before === undefined) effects.push('Entity created')
  // Creation brings the entity into its first state; that is no transition.
  else if (stateBefore !== snapshot.state) effects.push(`State: ${stateBefore} → ${snapshot.state}`)
  for (const name of names) {
    const effect = propertyEffect(name, propertyOf(before?.snapshot, name), propertyOf(snapshot, name))
    if (effect !== null) effects.push(effect)
  }
  for (const edge of snapshot.relationships) if (!edge.ended) effects.push(`Related: ${edge.type} → ${edge.targetId}`)
  return {
    timestamp: snapshot.validFrom.toString(),
    eventType: cause.kind === 'event' ? cause.eventType : '_time_rule',
    eventId: cause.kind === 'event' ? cause.eventId : cause.rule,
    effects,
    stateBefore: before === undefined ? null : stateBefore,
    stateAfter: snapshot.state,
  }
}

/** Own fields only: a property may be called `constructor`. */
function propertyOf(snapshot: Snapshot | undefined, name: string): Value {
  if (snapshot === undefined || !Object.hasOwn(snapshot.properties, name)) return null
  return snapshot.properties[name] ?? null
}

/** Texts decide what "changed" means: what reads the same is not listed. */
function propertyEffect(name: string, old: Value, now: Value): string | null {
  if (old === null) return now === null ? null : `${name}: ${textOf(now)}`
  if (now === null) return `${name}: ${textOf(old)} → (none)`
  const [from, to] = [textOf(old), textOf(now)]
  return from === to ? null : `${name}: ${from} → ${to}`
}

/** Puts stateless entries between the changes by time, after changes of the same instant. */
function interleave(
  entries: readonly TimelineEntry[],
  others: readonly Pick<TimelineEntry, 'timestamp' | 'eventType' | 'eventId' | 'effects'>[],
): TimelineEntry[] {
  const sorted = others
    .map((entry, order) => ({ entry, order }))
    .sort((a, b) => compareText(a.entry.timestamp, b.entry.timestamp) || a.order - b.order)
  const out: TimelineEntry[] = []
  let next = 0
  let state: string | null = null
  const flush = (until: string | null): void => {
    for (; next < sorted.length; next++) {
      const { entry } = sorted[next] as (typeof sorted)[number]
      if (until !== null && compareText(entry.timestamp, until) >= 0) return
      out.push({ ...entry, stateBefore: state, stateAfter: state })
    }
  }
  for (const entry of entries) {
    flush(entry.timestamp)
    out.push(entry)
    state = entry.stateAfter
  }
  flush(null)
  return out
}

/** Canonical instants order as text. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
