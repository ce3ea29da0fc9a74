/** Records into the ledger: normalize, dedup, append, chunk by chunk (spec 03 §1–§4, 04 §4.5). */
import type { RawRecord } from '../core/event.ts'
import { normalizeBatch } from '../core/normalize.ts'
import { closest } from '../core/spelling.ts'
import { NotFoundError } from '../errors.ts'
import type { EventFailure } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import { normalizationFailure } from './failures.ts'
import { noteAppend } from './mapping.ts'

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
  const source = edition.program.sources.get(sourceName)
  if (source === undefined) {
    const known = [...edition.program.sources.keys()]
    const guess = closest(sourceName, known)
    throw new NotFoundError(
      `unknown source '${sourceName}'${guess ? `, did you mean '${guess}'?` : ''}; known sources: ${known.join(', ')}`,
      { details: { source: sourceName, known } },
    )
  }
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

  let mixed = false
  const appendChunk = async (chunk: readonly RawRecord[]): Promise<void> => {
    const started = performance.now()
    const now = engine.now()
    const normal = normalizeBatch(edition.program, source, chunk, now)
    const failures = normal.failures.map(({ index, ...failure }) =>
      normalizationFailure(chunk[index] as RawRecord, failure, { source: sourceName, now, version: edition.version }),
    )
    const normalized = performance.now()
    failpoint('ingest.normalized')
    if (normal.events.length > 0) {
      const results = await engine.unit(edition.version, async (unit) => {
        const appended = await engine.store.ledger.append(unit, normal.events)
        if (appended.some((one) => one.inserted)) {
          mixed = (await noteAppend(engine, unit, edition.program.hashes)) || mixed
        }
        failpoint('ingest.appended')
        return appended
      })
      failpoint('ingest.committed')
      for (const [index, result] of results.entries()) {
        const event = normal.events[index]
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
    counts.normalizeMs += normalized - started
    counts.appendMs += performance.now() - normalized
    counts.eventsFailed += failures.reduce((sum, failure) => sum + (failure.advisory ? 0 : 1), 0)
    counts.failures.push(...failures)
    await engine.report(failures)
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
  if (mixed) {
    engine.logger.child('defacto.pipeline').info('events were normalized for other definitions than the ledger', {
      version: edition.version,
    })
  }
  return counts
}
