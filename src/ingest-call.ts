/** One call of `ingest`: what it did, in numbers, with what it took (spec 04 §4.5). */
import type { IngestOptions } from './calls.ts'
import type { RawRecord } from './core/event.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { stagesOf } from './engine/failures.ts'
import { appendRecords } from './engine/ingest.ts'
import { IngestError } from './errors.ts'
import type { BuildResult, IngestResult } from './results.ts'

/** `process`: the build that follows, given what is in the ledger by then; null: none was asked for. */
export async function ingestRecords(
  engine: Engine,
  edition: Edition,
  source: string,
  records: AsyncIterable<RawRecord> | Iterable<RawRecord>,
  options: IngestOptions,
  process: (counts: object) => Promise<BuildResult | null>,
): Promise<IngestResult> {
  const started = performance.now()
  const { normalizeMs, appendMs, ...counts } = await appendRecords(engine, edition, source, records, options.signal)
  const buildResult = await process(counts)
  const total = performance.now() - started
  const build_ms = buildResult?.durationMs ?? 0
  const timing = {
    normalize_ms: normalizeMs,
    append_ms: appendMs,
    build_ms,
    total_ms: total,
    overhead_ms: Math.max(0, total - normalizeMs - appendMs - build_ms),
  }
  const result: IngestResult = { ...counts, buildResult, timing }
  const logger = engine.logger.child('defacto.pipeline')
  if (result.failures.length > 0) logger.warn('ingest failures detected', { stages: stagesOf(result.failures) })
  logger.info('ingest batch completed', {
    events_ingested: result.eventsIngested,
    events_failed: result.eventsFailed,
    duplicates_skipped: result.duplicatesSkipped,
    duration_ms: Math.round(total),
  })
  const read = result.eventsIngested + result.eventsFailed + result.duplicatesSkipped
  if (read > 0 && result.eventsFailed === read && options.throwIfAllFail !== false) {
    const first = result.failures[0]
    throw new IngestError(`all ${read} records of source '${source}' failed; the first: ${first?.error}`, result, {
      details: { source, failed: read },
    })
  }
  return result
}
