/** Events that the engine itself puts into the ledger: what somebody decided about entities (spec 05 §3.2). Pure. */
import type { NormalizedEvent } from './event.ts'
import type { Instant } from './instant.ts'
import { setOwn } from './raw-path.ts'

export const MERGE_EVENT = '_defacto_merge'
/** The source of directives. */
const DIRECTIVES = '_defacto'

/** `{entity_type: {hint_type: [values]}}`; a token where a value was redacted. */
export type DirectiveHints = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

/** `data` of a merge event. */
export interface MergeData {
  readonly from_entity_id: string
  readonly into_entity_id: string
  readonly reason: string
  readonly from_hints: DirectiveHints
  readonly into_hints: DirectiveHints
}

export interface Hint {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
}

/** The id of such an event: the same two may be merged again, once a reset has parted them. */
export function mergeEventId(from: string, into: string, time: number): string {
  return `${MERGE_EVENT}:${from}:${into}${time === 1 ? '' : `:${time}`}`
}

/** The event that says that one entity is part of another, with the hints by which a replay finds both. */
export function mergeDirective(merge: {
  readonly eventId: string
  readonly timestamp: Instant
  readonly from: string
  readonly into: string
  readonly reason: string
  readonly fromHints: readonly Hint[]
  readonly intoHints: readonly Hint[]
}): NormalizedEvent {
  const ids = { from_entity_id: merge.from, into_entity_id: merge.into, reason: merge.reason }
  const data = { ...ids, from_hints: grouped(merge.fromHints), into_hints: grouped(merge.intoHints) }
  return {
    eventId: merge.eventId,
    eventType: MERGE_EVENT,
    timestamp: merge.timestamp,
    source: DIRECTIVES,
    data,
    hints: {},
    dataJson: JSON.stringify(data),
    kindsJson: null,
    hintsJson: '{}',
    rawJson: JSON.stringify(ids),
  }
}

function grouped(hints: readonly Hint[]): Record<string, Record<string, string[]>> {
  const types: Record<string, Record<string, string[]>> = {}
  for (const [entityType, ofType] of Map.groupBy(hints, (hint) => hint.entityType)) {
    const fields: Record<string, string[]> = {}
    for (const [hintType, own] of Map.groupBy(ofType, (hint) => hint.hintType)) {
      setOwn(
        fields,
        hintType,
        own.map(({ value }) => value),
      )
    }
    setOwn(types, entityType, fields)
  }
  return types
}

/** One side of a merge: the id it had, and the hints by which it is found. */
export interface DirectiveSide {
  readonly id: string
  readonly hints: DirectiveHints
}
export interface Directive {
  readonly from: DirectiveSide
  readonly into: DirectiveSide
}

/** What a row of the ledger says about two entities; null: it is no merge by hand. */
export function directiveOf(row: { readonly eventType: string; readonly data: string }): Directive | null {
  if (row.eventType !== MERGE_EVENT) return null
  const data = JSON.parse(row.data) as Partial<MergeData>
  return {
    from: { id: data.from_entity_id ?? '', hints: data.from_hints ?? {} },
    into: { id: data.into_entity_id ?? '', hints: data.into_hints ?? {} },
  }
}

/** Every hint of a side, one by one. */
export function* hintsOf({ hints }: DirectiveSide): Generator<Hint> {
  for (const [entityType, fields] of Object.entries(hints)) {
    for (const [hintType, values] of Object.entries(fields)) {
      for (const value of values) yield { entityType, hintType, value }
    }
  }
}

/** The side with each of its values replaced by those that `forms` gives for it. */
export function mapHints({ id, hints }: DirectiveSide, forms: (hint: Hint) => readonly string[]): DirectiveSide {
  const lists = Object.entries(hints).map(([entityType, fields]) => [
    entityType,
    Object.fromEntries(
      Object.entries(fields).map(([hintType, values]) => {
        return [hintType, [...new Set(values.flatMap((value) => forms({ entityType, hintType, value })))]]
      }),
    ),
  ])
  return { id, hints: Object.fromEntries(lists) as DirectiveHints }
}

/** The side with these hints beside its own; the same one if it has them all. */
export function withHints(side: DirectiveSide, more: readonly Hint[]): DirectiveSide {
  const known = [...hintsOf(side)]
  const isKnown = (hint: Hint): boolean =>
    known.some(
      (one) => one.entityType === hint.entityType && one.hintType === hint.hintType && one.value === hint.value,
    )
  const added = more.filter((hint) => !isKnown(hint))
  return added.length === 0 ? side : { id: side.id, hints: grouped([...known, ...added]) }
}
