/** The end of a run: its outcome, what it made, and who is told, in one transaction (spec 10 §4.2, §3.8). */

import type { Counters, NewRunEvent, RunError, RunRow, RunStatus } from '../../ports/runs.ts'
import { type AlertSignal, failure, runRecovered } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import type { ClosedRun, CloseRequest } from '../contract.ts'
import { pipelineOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, isGood, runNamed } from './common.ts'
import { madeBy, mergedMaterializations } from './materialize.ts'

interface Ending {
  readonly status: RunStatus
  readonly error: RunError | null
}

export async function closeRun(context: ControlContext, request: CloseRequest): Promise<ClosedRun> {
  const { runs } = context.operations.log
  const run = await runNamed(context, request.runId)
  if (hasEnded(run)) return closed(run)
  const children = await runs.children(run.runId)
  const ending = endingOf(run, children, request)
  if (ending.status !== 'succeeded') await stopChildren(context, children)
  const at = nowText(context)
  const stats = children.length === 0 ? run.stats : totalsOf(children)
  const finished: RunRow = { ...run, ...ending, stats, finishedAt: at }
  const made = children.length === 0 ? await madeBy(context, finished) : await mergedMaterializations(context, children)
  const { status, error } = ending
  const state: NewRunEvent = {
    kind: 'state',
    level: status === 'failed' ? 'error' : 'info',
    step: run.step,
    code: error?.code ?? null,
    message: status === 'failed' ? `failed: ${error?.message ?? 'a step failed'}` : status,
  }
  const row = await runs.change(
    run.runId,
    { status, error, stats, waitingFor: null, finishedAt: at },
    {
      at,
      from: ACTIVE,
      events: [...made, state],
      notifications: await alertsOf(context, pipelineOf(run), signalsOf(finished, at)),
    },
  )
  if (row === null) return closed(await runNamed(context, run.runId))
  context.metrics.count('defacto_runs_total', { op: run.op, status })
  if (run.startedAt !== null) {
    const seconds = (Date.parse(at) - Date.parse(run.startedAt)) / 1000
    context.metrics.observe('defacto_run_duration_seconds', { op: run.op }, seconds)
  }
  return closed(row)
}

function closed({ status, errorCode, stats }: RunRow): ClosedRun {
  return { status, errorCode, stats }
}

/** What the driver says counts first, then what became of the steps. */
function endingOf(run: RunRow, children: readonly RunRow[], request: CloseRequest): Ending {
  const { failure: given, cancelled } = request
  if (given !== null) {
    // The attempt that failed knew more than what may travel.
    const known = run.error?.code === given.code ? run.error : null
    const { code, class: type, message } = given
    return { status: 'failed', error: known ?? { code, class: type, message, recoverable: false } }
  }
  if (cancelled || run.cancelReason !== null) return { status: 'cancelled', error: null }
  const failed = children.find((child) => hasEnded(child) && !isGood(child))
  if (failed === undefined) return { status: 'succeeded', error: null }
  const stopped: RunError = {
    code: 'E_CANCELLED',
    class: 'RunCancelled',
    message: `step '${failed.step}' was cancelled`,
    recoverable: false,
  }
  return { status: 'failed', error: failed.error ?? stopped }
}

/** Steps that nobody has begun, and nobody will. */
async function stopChildren(context: ControlContext, children: readonly RunRow[]): Promise<void> {
  const at = nowText(context)
  for (const child of children) {
    if (hasEnded(child) || child.startedAt !== null) continue
    await context.operations.log.runs.change(
      child.runId,
      { status: 'cancelled', waitingFor: null, finishedAt: at },
      { at, from: ['queued', 'waiting'] },
    )
  }
}

/** Sums of what the steps counted; what a joined run counted is that run's. */
function totalsOf(children: readonly RunRow[]): Counters {
  const totals: Record<string, number> = {}
  for (const { stats, status } of children) {
    if (status === 'coalesced') continue
    for (const [name, value] of Object.entries(stats)) totals[name] = (totals[name] ?? 0) + value
  }
  return totals
}

/** Of the outermost run; limits of inputs are told by the steps that read them. */
function signalsOf(run: RunRow, at: string): readonly AlertSignal[] {
  if (run.parentRunId !== null) return []
  if (run.status === 'failed' && run.error !== null) return [failure(run, at, run.error)]
  return run.status === 'succeeded' ? [runRecovered(run, at)] : []
}
