/** Building `EventFailure` records (spec 03 §11, 07 §9). */

import type { RawRecord } from '../core/event.ts'
import { parseJson } from '../core/expression/json.ts'
import type { Instant } from '../core/instant.ts'
import type { FoldFailure } from '../core/interpret.ts'
import type { NormalizeFailure } from '../core/normalize.ts'
import type { EventFailure } from '../results.ts'
import type { EntityEvents } from './entities.ts'

export function normalizationFailure(
  record: RawRecord,
  failure: Omit<NormalizeFailure, 'index'>,
  at: { source: string; now: Instant; sequence?: number; version: string | null },
): EventFailure {
  return {
    raw: record.value === undefined ? (record.text ?? null) : record.value,
    error: failure.error,
    stage: 'normalization',
    source: at.source,
    handler: failure.eventType,
    field: failure.field,
    entityId: null,
    entityType: null,
    eventId: failure.eventId,
    eventType: failure.eventType,
    sequence: at.sequence ?? null,
    version: at.version,
    at: at.now.toString(),
    recoverable: false,
    origin: record.origin ?? null,
    ...(failure.advisory ? { advisory: true as const } : {}),
  }
}

/** A failed event or time-rule firing of one entity; `raw` is filled in by `withRaws`. */
export interface PendingFailure {
  readonly failure: FoldFailure
  readonly entityId: string
  readonly entityType: string
  readonly source: string
}

/** Failures of one entity's fold with the source of each event; a time rule has none. */
export function pendingFailures(
  { id, type, events }: EntityEvents,
  failures: readonly FoldFailure[],
): PendingFailure[] {
  if (failures.length === 0) return []
  const sources = new Map(events.map(({ sequence, source }) => [sequence, source]))
  return failures.map((failure) => ({
    failure,
    entityId: id,
    entityType: type,
    source: failure.sequence === null ? '' : (sources.get(failure.sequence) ?? ''),
  }))
}

export function interpretationFailure(
  pending: PendingFailure,
  raw: string | undefined,
  version: string,
  now: Instant,
): EventFailure {
  const { failure } = pending
  return {
    raw: raw === undefined ? null : parseJson(raw),
    error: failure.error,
    stage: 'interpretation',
    source: pending.source,
    handler: failure.handler,
    field: failure.field,
    entityId: pending.entityId,
    entityType: pending.entityType,
    eventId: failure.eventId,
    eventType: failure.sequence === null ? null : failure.handler,
    sequence: failure.sequence,
    version,
    at: now.toString(),
    recoverable: false,
    origin: null,
  }
}

/** How many failures each stage had, for logs: `normalization:3`. */
export function stagesOf(failures: readonly EventFailure[]): string {
  const counts = Map.groupBy(failures, ({ stage }) => stage)
  return [...counts].map(([stage, { length }]) => `${stage}:${length}`).join(' ')
}
