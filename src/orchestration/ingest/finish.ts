/** The end of an ingest: accounts, limits, and what becomes of parts that are done (spec 10 §3.2–3.3). */
import { ThresholdError } from '../../errors.ts'
import type { InputMark } from '../../ports/runs.ts'
import { inputRecovered, threshold } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import type { Orchestration, StepCall, StepFunction } from '../contract.ts'
import { nowText } from '../time.ts'
import { type Job, jobOf } from './job.ts'
import { addsUp, progressOf, unaccounted } from './marks.ts'
import { isExceededInAll, partsToHold, totals } from './threshold.ts'

/** May be repeated: nothing of it depends on being the first. */
export const finishInput: StepFunction = async (context, call) => {
  const { run, fence } = call
  const job = jobOf(context, run)
  const { operations } = context
  const { inputs, runs } = operations.log
  const known = await inputs.marks(job.pipeline, job.input)
  const own = known.filter(({ runId }) => runId === run.runId)
  checkAccounts(job, own, (await runs.get(run.runId))?.stats ?? run.stats)

  const toHold = job.onError.action === 'fail' ? partsToHold(own, job.onError) : []
  const isNews = (run.stats['events_ingested'] ?? 0) > 0
  const head = await operations.head()
  await operations.unit({ fence }, async (unit) => {
    for (const mark of toHold) await inputs.putMark(unit, { ...mark, state: 'held' }, mark)
    if (isNews) await inputs.noteHead(unit, unit.now.toString(), head)
  })
  await finishParts(job, known, new Set(toHold.map(({ part }) => part)), call)

  const held = own.filter(({ state, part }) => state === 'held' || toHold.some((mark) => mark.part === part))
  await tell(context, call, job, { own, held })
  if (held.length === 0) {
    if (job.required && job.of?.kind === 'postgres') await checkNews(context, run.runId, job)
    return { more: false, stats: {} }
  }
  const { read, failed } = sumOf(held)
  throw new ThresholdError(
    `${failed} of ${read} records in ${held.length} of the parts of '${job.input}' failed, more than on_error allows; ` +
      'see `defacto dlq list`, mend the definitions or the parts, then retry the run',
    { details: { input: job.input, parts: held.length, read, failed } },
  )
}

/** A query has no parts that could be missing; it has new rows or none. */
async function checkNews({ operations }: Orchestration, runId: string, job: Job): Promise<void> {
  const stats = (await operations.log.runs.get(runId))?.stats ?? {}
  if ((stats['events_read'] ?? 0) > (stats['duplicates'] ?? 0)) return
  throw new ThresholdError(`input '${job.input}' has no new row; check that its source delivers`, {
    code: 'E_INPUT_MISSING',
    details: { input: job.input },
  })
}

function checkAccounts(job: Job, own: readonly InputMark[], stats: Readonly<Record<string, number>>): void {
  const of = (name: string): number => stats[name] ?? 0
  const all = of('events_read') === of('events_ingested') + of('duplicates') + of('events_failed')
  if (!all || !own.every(addsUp)) throw unaccounted(job.input)
}

/** `after`, for every part that is done and still there: an earlier run may have ended before it came to this. */
async function finishParts(
  job: Job,
  known: readonly InputMark[],
  held: ReadonlySet<string>,
  { run, signal, heartbeat }: StepCall,
): Promise<void> {
  if (job.of === null || !('after' in job.of) || job.of.after === 'keep') return
  const done = new Map(
    known.filter(({ state, part }) => state === 'done' && !held.has(part)).map((mark) => [mark.part, mark.fingerprint]),
  )
  if (done.size === 0) return
  const reader = job.open()
  try {
    let finished = 0
    for (const part of await reader.parts()) {
      if (done.get(part.part) !== part.fingerprint) continue
      signal.throwIfAborted()
      await reader.finish(part)
      finished += 1
      heartbeat({ runId: run.runId, seq: finished, rows: 0 })
    }
  } finally {
    await reader.close()
  }
}

/** Alerts of limits: parts that this run holds, a whole run that had too many failures, or that all is well again. */
async function tell(
  context: Orchestration,
  { run, fence }: StepCall,
  job: Job,
  { own, held }: { own: readonly InputMark[]; held: readonly InputMark[] },
): Promise<void> {
  const at = nowText(context)
  const isTooMuch = job.onError.action === 'warn' && isExceededInAll(totals(own), job.onError)
  const signals = []
  if (held.length > 0) signals.push(threshold(run, at, job.input, sumOf(held), 'error'))
  else if (isTooMuch) signals.push(threshold(run, at, job.input, totals(own), 'warn'))
  else signals.push(inputRecovered(run, at, job.input))
  const notifications = await alertsOf(context, job.pinned, signals)
  if (notifications.length === 0) return
  await context.operations.log.runs.change(run.runId, {}, { at, epoch: fence.epoch, notifications })
}

function sumOf(marks: readonly InputMark[]): { read: number; failed: number } {
  let read = 0
  let failed = 0
  for (const mark of marks) {
    const progress = progressOf(mark)
    read += progress.read
    failed += progress.failed
  }
  return { read, failed }
}
