/** Stopping runs, and finding those that nobody will ever finish (spec 10 §4.2, §4.6). */
import type { RunRow } from '../../ports/runs.ts'
import { failure } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import { limitsOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, runNamed } from './common.ts'
import { checkStop, isOfRequest } from './requests.ts'

/** Asks a run and its steps to stop at the next chunk boundary; one that has not begun is cancelled at once. */
export async function requestCancel(context: ControlContext, runId: string, reason: string): Promise<RunRow> {
  const { runs } = context.operations.log
  const run = await runNamed(context, runId)
  if (hasEnded(run)) return run
  await checkStop(context, runId)
  const at = nowText(context)
  const begun = run.startedAt !== null
  const message = 'asked to stop'
  const row = await runs.change(
    runId,
    begun ? { cancelReason: reason } : { cancelReason: reason, status: 'cancelled', waitingFor: null, finishedAt: at },
    {
      at,
      from: begun ? ACTIVE : ['queued', 'waiting'],
      events: [{ kind: 'state', level: 'info', message, data: null }],
    },
  )
  for (const child of await runs.children(runId)) {
    if (hasEnded(child) || (await isJoined(context, child))) continue
    await requestCancel(context, child.runId, reason)
  }
  return row ?? (await runNamed(context, runId))
}

/** Somebody else waits for what this run does. */
async function isJoined(context: ControlContext, run: RunRow): Promise<boolean> {
  const waiting = await context.operations.log.runs.list({ status: ['waiting'], op: [run.op] })
  return waiting.some((other) => other.waitingFor === `run:${run.runId}` && other.cancelReason === null)
}

/**
 * Runs of processes that ended without a server to go on after them: on this machine the process is looked for, others
 * are given the run's timeout. The next run continues where they were.
 */
export async function markAbandoned(context: ControlContext): Promise<readonly RunRow[]> {
  const { process } = context
  if (process === null) return []
  const { runs } = context.operations.log
  const active = (await runs.list({ status: ACTIVE })).filter(({ engine }) => engine === 'local')
  const gone: RunRow[] = []
  for (const run of active) {
    const mark = run.workflowId
    // Whoever waits needs no process.
    if (isOfRequest(run) && run.status === 'waiting' && run.waitingFor !== 'slot') continue
    if (mark === null || mark === process.own || !(process.isDead(mark) || isOver(context, run))) continue
    const at = nowText(context)
    const error = {
      code: 'E_ABANDONED',
      class: 'DefactoError',
      message: 'the process that ran it ended; what was committed stays, and the next run continues there',
      recoverable: true,
    }
    const pipeline = run.parentRunId === null ? limitsOf(run).pipeline : null
    const row = await runs.change(
      run.runId,
      { status: 'abandoned', waitingFor: null, error, finishedAt: at },
      {
        at,
        from: ACTIVE,
        events: [{ kind: 'state', level: 'warn', step: run.step, code: error.code, message: error.message }],
        notifications: await alertsOf(context, pipeline, [failure(run, at, error)]),
      },
    )
    if (row === null) continue
    context.metrics.count('defacto_runs_total', { op: run.op, status: 'abandoned' })
    gone.push(row)
  }
  return gone
}

function isOver(context: ControlContext, run: RunRow): boolean {
  const since = Date.parse(run.progressAt ?? run.startedAt ?? run.createdAt)
  return context.clock().getTime() - since > limitsOf(run).timeoutMs
}
