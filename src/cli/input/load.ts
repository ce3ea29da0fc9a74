/** Feeding an input to the engine in slices, so that memory stays flat and a limit on failures holds. */

import type { RawRecord } from '../../core/event.ts'
import type { BuildResult, EventFailure } from '../../results.ts'

/** A record of any input; `broken`: the input cannot be read further. */
type LoadedRecord = RawRecord & { readonly broken?: true }

/** Records per call of `ingest`: results of one call are held in memory. */
const SLICE = 5000
/** Characters of record text after which a slice ends early: few large records weigh as much as many small ones. */
const SLICE_TEXT = 16 * 1024 * 1024
/** Failures kept to be shown; all of them are in the dead letters. */
const SHOWN = 5

export interface LoadCounts {
  read: number
  ingested: number
  duplicates: number
  unresolved: number
  failed: number
  /** The first few. */
  readonly examples: EventFailure[]
  /** Where inputs could not be read further. */
  readonly broken: { part: string; line: number | null }[]
  /** Counters of the builds behind `process`, added up; null without. */
  build: {
    events_processed: number
    effects_produced: number
    entities_created: number
    entities_updated: number
    events_failed: number
  } | null
}

interface Target {
  ingest(
    source: string,
    events: AsyncIterable<unknown>,
    options: { process?: boolean; throwIfAllFail: false; signal?: AbortSignal },
  ): Promise<{
    readonly eventsIngested: number
    readonly eventsFailed: number
    readonly duplicatesSkipped: number
    readonly eventsUnresolved: number
    readonly failures: readonly EventFailure[]
    readonly buildResult: BuildResult | null
  }>
}

export interface LoadOptions {
  readonly source: string
  readonly process: boolean
  /** More failures than this end the load after their slice; null: no limit. */
  readonly maxErrors: number | null
  readonly signal: AbortSignal
  readonly onSlice: (counts: LoadCounts) => void
}

/** Reads everything, or stops after the slice in which the limit was passed. What was read stays. */
export async function loadRecords<R extends LoadedRecord>(
  target: Target,
  records: AsyncGenerator<R>,
  wrap: (record: R) => unknown,
  options: LoadOptions,
): Promise<LoadCounts> {
  const counts: LoadCounts = {
    read: 0,
    ingested: 0,
    duplicates: 0,
    unresolved: 0,
    failed: 0,
    examples: [],
    broken: [],
    build: null,
  }
  let done = false
  const slice = async function* (): AsyncGenerator<unknown> {
    let weight = 0
    for (let taken = 0; taken < SLICE && weight < SLICE_TEXT; taken++) {
      options.signal.throwIfAborted()
      const next = await records.next()
      if (next.done) {
        done = true
        return
      }
      counts.read += 1
      if (next.value.broken && next.value.origin) counts.broken.push(next.value.origin)
      weight += next.value.text?.length ?? 0
      yield wrap(next.value)
    }
  }
  while (!done) {
    const result = await target.ingest(options.source, slice(), {
      process: options.process,
      throwIfAllFail: false,
      signal: options.signal,
    })
    counts.ingested += result.eventsIngested
    counts.duplicates += result.duplicatesSkipped
    counts.unresolved += result.eventsUnresolved
    counts.failed += result.eventsFailed
    for (const failure of result.failures) {
      if (counts.examples.length < SHOWN && !failure.advisory) counts.examples.push(failure)
    }
    if (result.buildResult !== null) counts.build = addBuild(counts.build, result.buildResult)
    options.onSlice(counts)
    if (options.maxErrors !== null && counts.failed > options.maxErrors) break
  }
  return counts
}

function addBuild(sum: LoadCounts['build'], result: BuildResult): LoadCounts['build'] {
  return {
    events_processed: (sum?.events_processed ?? 0) + result.eventsProcessed,
    effects_produced: (sum?.effects_produced ?? 0) + result.effectsProduced,
    entities_created: (sum?.entities_created ?? 0) + result.entitiesCreated,
    entities_updated: (sum?.entities_updated ?? 0) + result.entitiesUpdated,
    events_failed: (sum?.events_failed ?? 0) + result.eventsFailed,
  }
}
