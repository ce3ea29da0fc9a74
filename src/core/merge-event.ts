/** The event by which a merge by hand goes into the ledger (spec 05 §3.2); `directive.ts` reads it. Pure. */
import { MERGE_EVENT } from './directive.ts'
import type { NormalizedEvent } from './event.ts'
import type { Instant } from './instant.ts'
import { setOwn } from './raw-path.ts'

/** The source of what the engine itself puts into the ledger. */
const DIRECTIVES = '_defacto'

interface Hint {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
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
