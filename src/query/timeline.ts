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

/**
 * Entries in the order of the changes; merges and unchanged events stand where their time puts them, those of one instant
 * in the order in which they were interpreted.
 */
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
    sequence: Number.POSITIVE_INFINITY,
    timestamp: merge.timestamp,
    eventType: '_merge',
    eventId: merge.reason,
    effects: [`Merged: ${merge.from}`],
  }))
  const others = [
    ...quiet.map((event) => ({
      sequence: event.sequence,
      timestamp: event.timestamp.toString(),
      eventType: event.eventType,
      eventId: event.eventId,
      effects: [],
    })),
    ...merges,
  ]
  return interleave(entries, changes.map(rankOf), others)
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

/**
 * Of the events of one instant, those with a smaller number come before the change. A rule comes after the events of the
 * instant at which it was due, but right behind the event that entered a state whose time had passed already.
 */
function rankOf({ cause, snapshot }: Change, index: number, changes: readonly Change[]): number {
  if (cause.kind === 'event') return cause.sequence
  const before = changes[index - 1]?.snapshot.validFrom.toString()
  return before === snapshot.validFrom.toString() ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

type Stateless = Pick<TimelineEntry, 'timestamp' | 'eventType' | 'eventId' | 'effects'> & { readonly sequence: number }

/** Puts stateless entries between the changes, `ranks[i]` being that of `entries[i]`; merges after the changes of an instant. */
function interleave(
  entries: readonly TimelineEntry[],
  ranks: readonly number[],
  others: readonly Stateless[],
): TimelineEntry[] {
  const sorted = [...others].sort((a, b) => compareText(a.timestamp, b.timestamp) || compare(a.sequence, b.sequence))
  const out: TimelineEntry[] = []
  let next = 0
  let state: string | null = null
  const flush = (until: string | null, rank: number): void => {
    for (; next < sorted.length; next++) {
      const { sequence, ...entry } = sorted[next] as Stateless
      const order = until === null ? -1 : compareText(entry.timestamp, until) || compare(sequence, rank)
      if (order >= 0) return
      out.push({ ...entry, stateBefore: state, stateAfter: state })
    }
  }
  for (const [i, entry] of entries.entries()) {
    flush(entry.timestamp, ranks[i] as number)
    out.push(entry)
    state = entry.stateAfter
  }
  flush(null, 0)
  return out
}

/** Canonical instants order as text. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Also of infinite numbers. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
