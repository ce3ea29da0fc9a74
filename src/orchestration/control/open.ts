/** The start of a run: whether it may go, and what it works with from now on (spec 10 §3.1, §4.2). */
import { LockHeld } from '../../errors.ts'
import type { RunRow } from '../../ports/runs.ts'
import type { OpenedRun, Ref } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import { limitsOf, pipelineOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, runNamed } from './common.ts'
import { isIdle } from './idle.ts'

/** `LockHeld` while the run has to wait for its pool. */
export async function openRun(context: ControlContext, ref: Ref): Promise<OpenedRun> {
  const run = await runNamed(context, ref.runId)
  const { pipeline, retry, timeoutMs } = limitsOf(run)
  const opened = (row: RunRow): OpenedRun => ({
    op: row.op,
    ended: hasEnded(row),
    status: row.status,
    timeoutMs,
    retry,
    pipeline: row.pipeline,
  })
  if (hasEnded(run) || run.startedAt !== null) return opened(run)
  if (run.cancelReason !== null) return opened(await end(context, run, 'cancelled', 'cancelled before it began'))
  if (run.op === 'pipeline' && pipeline !== null) {
    const lost = await supersededBy(context, run)
    if (lost !== null) return opened(await end(context, run, 'skipped', lost))
    await takePool(context, run, pipeline)
    if (pipeline.skipIfIdle && (await isIdle(context, run, pipeline))) {
      return opened(await end(context, run, 'skipped', 'no input has a new part and nothing is pending'))
    }
  }
  const at = nowText(context)
  const row = await context.operations.log.runs.change(
    run.runId,
    { status: 'running', waitingFor: null, startedAt: at, asOf: run.asOf ?? asOfOf(run, pipeline, at) },
    { at, from: ACTIVE, events: [{ kind: 'state', level: 'info', step: run.step, message: 'started' }] },
  )
  return opened(row ?? (await runNamed(context, ref.runId)))
}

/** Processing time of a pipeline's run; a single operation takes the time at which it runs. */
function asOfOf(run: RunRow, pipeline: Pipeline | null, at: string): string | null {
  if (run.op !== 'pipeline' || pipeline === null) return null
  if (pipeline.asOf === 'now') return at
  return pipeline.asOf === 'scheduled' ? (run.scheduledFor ?? at) : pipeline.asOf
}

async function end(
  context: ControlContext,
  run: RunRow,
  status: 'cancelled' | 'skipped',
  message: string,
): Promise<RunRow> {
  const at = nowText(context)
  const events = [{ kind: 'state', level: 'info', step: run.step, message } as const]
  const row = await context.operations.log.runs.change(
    run.runId,
    { status, waitingFor: null, finishedAt: at },
    { at, from: ACTIVE, events },
  )
  if (row !== null) context.metrics.count('defacto_runs_total', { op: run.op, status })
  return row ?? (await runNamed(context, run.runId))
}

/** A younger slot may have taken the place of one that waits; its run may not have been told. */
async function supersededBy(context: ControlContext, run: RunRow): Promise<string | null> {
  if (run.trigger !== 'schedule' || run.pipeline === null || run.scheduledFor === null) return null
  const ticks = await context.operations.log.schedules.ticks(run.pipeline, { since: run.scheduledFor, limit: 100 })
  const own = ticks.find(({ scheduledFor }) => scheduledFor === run.scheduledFor)
  return own?.outcome === 'superseded' && own.runId === run.runId ? (own.reason ?? 'superseded') : null
}

/**
 * A pool lets as many runs go as it has places, in the order in which they were made. Who has begun counts before who
 * waits, and among those who wait the order decides, so that nobody has to take and give back anything.
 */
async function takePool(context: ControlContext, run: RunRow, pipeline: Pipeline): Promise<void> {
  const { pool } = pipeline
  if (pool === null) return
  const places = context.project.pools[pool] ?? 1
  const { runs } = context.operations.log
  const active = await runs.list({ status: ACTIVE, op: ['pipeline'], parentRunId: null })
  const others = active.filter((other) => other.runId !== run.runId && pipelineOf(other)?.pool === pool)
  const before = others.filter((other) => other.startedAt !== null || other.runId < run.runId)
  if (before.length < places) return
  const waitingFor = `pool:${pool}`
  if (run.waitingFor !== waitingFor) {
    const at = nowText(context)
    const events = [{ kind: 'state', level: 'info', message: `waits for pool '${pool}'` } as const]
    await runs.change(run.runId, { status: 'waiting', waitingFor }, { at, from: ['queued', 'waiting'], events })
  }
  throw new LockHeld(`pool '${pool}' is full (${places} of ${places}); the run waits`, { details: { pool, places } })
}
