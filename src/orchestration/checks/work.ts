/** Checks of what runs did and of what waits (spec 10 §3.7). */
import type { RunRow } from '../../ports/runs.ts'
import { freshnessOf, sourceOf } from '../assets/freshness.ts'
import { plusMs } from '../time.ts'
import { assetOf, type Evaluate, plural, type Scope, verdict } from './scope.ts'

/** So many runs before this one are the measure of what is usual. */
const USUAL = 14

/** Share of the records that the last run read. */
export const deadLetterRate: Evaluate<'dead_letter_rate'> = async (scope, check) => {
  const source = check.asset === null ? null : assetOf(check.asset)
  const only = source?.kind === 'source' ? source.name : null
  const runs = (await lastRuns(scope, 'ingest')).filter((run) => only === null || sourceOf(run) === only)
  const read = sum(runs, 'events_read')
  const failed = sum(runs, 'events_failed')
  const rate = read === 0 ? 0 : failed / read
  return verdict(rate <= check.max, rate, `${failed} of ${plural(read, 'record', 'records')} failed`)
}

/** Share of the events that the last run interpreted. */
export const unresolvedRate: Evaluate<'unresolved_rate'> = async (scope, check) => {
  const runs = await lastRuns(scope, 'build')
  const processed = sum(runs, 'events_processed')
  const unresolved = sum(runs, 'events_unresolved')
  const rate = processed === 0 ? 0 : Math.min(1, unresolved / processed)
  const message = `${unresolved} of ${plural(processed, 'event', 'events')} belong to no entity`
  return verdict(rate <= check.max, rate, message)
}

export const mergeSpike: Evaluate<'merge_spike'> = async (scope, check) => {
  const now = await lastRuns(scope, 'build')
  const merges = sum(now, 'merges_detected')
  const { pipeline } = scope.run
  const before = await scope.context.operations.log.runs.list({
    op: ['build'],
    status: ['succeeded'],
    ...(pipeline === null ? {} : { pipeline }),
    limit: USUAL + now.length,
  })
  const known = new Set(now.map(({ runId }) => runId))
  const usual = median(
    before
      .filter(({ runId }) => !known.has(runId))
      .slice(0, USUAL)
      .map((run) => run.stats['merges_detected'] ?? 0),
  )
  const isSpike = usual !== null && merges >= check.min && merges > check.factor * usual
  return verdict(!isSpike, merges, `${plural(merges, 'merge', 'merges')}; usual are ${usual ?? 0}`)
}

export const pendingEvents: Evaluate<'pending_events'> = async ({ context, version }, check) => {
  const { pendingEvents: pending } = await context.operations.buildStatus(version)
  const message = `${plural(pending, 'event is', 'events are')} not interpreted yet`
  return verdict(pending <= check.max, pending, message)
}

export const inputsHeld: Evaluate<'inputs_held'> = async ({ context, pipeline }, check) => {
  let held = 0
  for (const input of pipeline?.inputs ?? []) {
    const marks = await context.operations.log.inputs.marks(pipeline?.name ?? '', input.name)
    held += marks.filter(({ state }) => state === 'held').length
  }
  return verdict(held <= check.max, held, `${plural(held, 'part is', 'parts are')} held`)
}

export const coldComplete: Evaluate<'cold_complete'> = async ({ context, signal }) => {
  const gaps = await context.operations.coldGaps(signal)
  if (gaps === null) return verdict(false, null, 'this space has no archive')
  const { missing, twice, flushed } = gaps
  const message = `of sequences 1 to ${flushed} ${missing} are missing and ${twice} stored twice`
  return verdict(missing === 0 && twice === 0, missing + twice, message)
}

/** Journals of erasures and redactions that were opened too long ago. */
export const erasuresClosed: Evaluate<'erasures_closed'> = async ({ context }, check) => {
  const open = await context.operations.privacy.log.openErasures()
  const limit = plusMs(context.operations.now(), -check.olderThanMs).toString()
  const late = open.filter(({ startedAt }) => startedAt < limit).length
  return verdict(late === 0, late, `${plural(late, 'erasure is', 'erasures are')} not closed yet`)
}

/** Of the asset, or of every asset that the pipeline has a rule for. */
export const fresh: Evaluate<'fresh'> = async ({ context, pipeline }, check) => {
  const all = pipeline === null ? [] : await freshnessOf(context, [pipeline])
  const late = all.filter(({ asset, state }) => state === 'error' && (check.asset ?? asset) === asset)
  return verdict(late.length === 0, late.length, `too far behind: ${late.map(({ asset }) => asset).join(', ')}`)
}

/** Runs of an operation that belong to this run's pipeline run; of a check by itself, to the last one before. */
async function lastRuns(scope: Scope, op: 'ingest' | 'build'): Promise<readonly RunRow[]> {
  const { runs } = scope.context.operations.log
  const { run } = scope
  const ofParent = async (id: string): Promise<RunRow[]> => (await runs.children(id)).filter((child) => child.op === op)
  if (run.parentRunId !== null) return ofParent(run.parentRunId)
  if (run.pipeline !== null) {
    const [last] = await runs.list({ op: ['pipeline'], pipeline: run.pipeline, parentRunId: null, limit: 1 })
    if (last !== undefined) return ofParent(last.runId)
  }
  return runs.list({ op: [op], status: ['succeeded', 'failed'], limit: 1 })
}

const sum = (runs: readonly RunRow[], name: string): number =>
  runs.reduce((total, { stats }) => total + (stats[name] ?? 0), 0)

/** Null without numbers. */
export function median(numbers: readonly number[]): number | null {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)]
  if (upper === undefined) return null
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}
