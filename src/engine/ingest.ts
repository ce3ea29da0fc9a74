/** Records into the ledger: normalize, dedup, append, chunk by chunk (spec 03 §1–§4, 04 §4.5). */
import type { NormalizedEvent, RawRecord } from '../core/event.ts'
import { normalizeBatch } from '../core/normalize.ts'
import type { CompiledSource } from '../core/program/types.ts'
import { closest } from '../core/spelling.ts'
import { NotFoundError } from '../errors.ts'
import type { AppendGuards, AppendResult, Unit } from '../ports/store.ts'
import type { EventFailure } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import { normalizationFailure } from './failures.ts'
import { noteAppend } from './mapping.ts'
import { appendGuards } from './privacy/guards.ts'

export interface AppendCounts {
  eventsIngested: number
  eventsFailed: number
  duplicatesSkipped: number
  eventsUnresolved: number
  duplicateIds: string[]
  failures: EventFailure[]
  normalizeMs: number
  appendMs: number
}

/**
 * Consumes the records with back-pressure; each chunk of `batchSize` is one transaction, durable when the next is read.
 * Bad records become failures (dead letter included) and never stop the others. An unknown source is a `NotFoundError`.
 */
export async function appendRecords(
  engine: Engine,
  edition: Edition,
  sourceName: string,
  records: AsyncIterable<RawRecord> | Iterable<RawRecord>,
  signal?: AbortSignal,
): Promise<AppendCounts> {
  const source = sourceOf(edition, sourceName)
  // Before any unit: a space that has no key yet makes one in a transaction of its own.
  const guards = await appendGuards(engine, edition)
  const counts: AppendCounts = {
    eventsIngested: 0,
    eventsFailed: 0,
    duplicatesSkipped: 0,
    eventsUnresolved: 0,
    duplicateIds: [],
    failures: [],
    normalizeMs: 0,
    appendMs: 0,
  }

  const mixed = { yet: false }
  const appendChunk = async (chunk: readonly RawRecord[]): Promise<void> => {
    const started = performance.now()
    const batch = normalized(engine, edition, source, chunk)
    const normalizedAt = performance.now()
    if (batch.events.length > 0) {
      const results = await engine.unit(edition.version, (unit) =>
        appendBatch(engine, edition, unit, batch, guards, mixed),
      )
      failpoint('ingest.committed')
      for (const [index, result] of results.entries()) {
        const event = batch.events[index]
        if (event === undefined) continue
        if (!result.inserted) {
          counts.duplicatesSkipped += 1
          counts.duplicateIds.push(event.eventId)
        } else {
          counts.eventsIngested += 1
          if (event.hintsJson === '{}') counts.eventsUnresolved += 1
        }
      }
    }
    counts.normalizeMs += normalizedAt - started
    counts.appendMs += performance.now() - normalizedAt
    counts.eventsFailed += countFailed(batch.failures)
    counts.failures.push(...batch.failures)
    await engine.report(batch.failures)
    await engine.breathe()
  }

  let chunk: RawRecord[] = []
  for await (const record of records) {
    chunk.push(record)
    if (chunk.length >= engine.batchSize) {
      signal?.throwIfAborted()
      await appendChunk(chunk)
      chunk = []
    }
  }
  signal?.throwIfAborted()
  if (chunk.length > 0) await appendChunk(chunk)
  if (mixed.yet) {
    engine.logger.child('defacto.pipeline').info('events were normalized for other definitions than the ledger', {
      version: edition.version,
    })
  }
  return counts
}

/** @throws NotFoundError with a suggestion */
export function sourceOf(edition: Edition, sourceName: string): CompiledSource {
  const source = edition.program.sources.get(sourceName)
  if (source !== undefined) return source
  const known = [...edition.program.sources.keys()]
  const guess = closest(sourceName, known)
  throw new NotFoundError(
    `unknown source '${sourceName}'${guess ? `, did you mean '${guess}'?` : ''}; known sources: ${known.join(', ')}`,
    { details: { source: sourceName, known } },
  )
}

export interface NormalizedRecords {
  readonly events: readonly NormalizedEvent[]
  readonly failures: readonly EventFailure[]
}

/** The events of records, and a failure for each that gives none (advisory ones aside). */
export function normalized(
  engine: Engine,
  edition: Edition,
  source: CompiledSource,
  records: readonly RawRecord[],
): NormalizedRecords {
  const now = engine.now()
  const normal = normalizeBatch(edition.program, source, records, now)
  const failures = normal.failures.map(({ index, ...failure }) =>
    normalizationFailure(records[index] as RawRecord, failure, { source: source.name, now, version: edition.version }),
  )
  failpoint('ingest.normalized')
  return { events: normal.events, failures }
}

/** Appends them in the unit; `mixed.yet` becomes true if the ledger was normalized for other definitions. */
export async function appendBatch(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  { events }: NormalizedRecords,
  guards: AppendGuards,
  mixed: { yet: boolean },
): Promise<AppendResult[]> {
  const appended = await engine.store.ledger.append(unit, events, guards)
  if (appended.some((one) => one.inserted)) {
    mixed.yet = (await noteAppend(engine, unit, edition.program.hashes)) || mixed.yet
  }
  failpoint('ingest.appended')
  return appended
}

export function countFailed(failures: readonly EventFailure[]): number {
  return failures.reduce((sum, failure) => sum + (failure.advisory ? 0 : 1), 0)
}
