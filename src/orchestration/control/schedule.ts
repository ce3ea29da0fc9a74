/** Deciding about slots in one transaction on `schedule_ticks` (spec 10 §3.5). */

import { NotFoundError } from '../../errors.ts'
import type { AppliedPipeline, Json, NewRun, RunRow, ScheduleTick } from '../../ports/runs.ts'
import { slotLost, slotStarted } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import type { SlotDecision, SlotRef } from '../contract.ts'
import { previousSlot, slotsBetween } from '../cron.ts'
import type { Pipeline, Schedule } from '../model.ts'
import { readPipeline } from '../pipeline/read.ts'
import { decideSlot as decide, type SlotAnswer } from '../slots.ts'
import { instant, nowOf, nowText, plusMs } from '../time.ts'
import { ACTIVE, type ControlContext } from './common.ts'
import { newRun } from './submit.ts'

/** A server that was away for long has left more slots than anybody wants to read of. */
const MOST_DROPPED = 10_000
const NOTHING: SlotDecision = { outcome: 'skipped', runId: null, cancel: [] }

export async function decideSlot(context: ControlContext, ref: SlotRef): Promise<SlotDecision> {
  const { log } = context.operations
  const found = await scheduleOf(context, ref.pipeline)
  if (found === null) return NOTHING
  const { pipeline, schedule, body } = found
  const now = nowOf(context)
  const slot = ref.slot === null ? previousSlot(schedule, now) : instant(ref.slot, 'slot')
  if (slot === null) return NOTHING
  const scheduledFor = slot.toString()
  const request = { op: 'pipeline', pipeline: ref.pipeline, trigger: 'schedule', scheduledFor } as const
  const run: NewRun = await newRun(context, request, body)
  // Every slot has one run at most, however often it is decided.
  const own: NewRun = { ...run, idempotencyKey: `schedule/${ref.pipeline}/${scheduledFor}` }
  let answer: SlotAnswer | null = null
  await log.schedules.decide(ref.pipeline, now.toString(), ({ applied, ticks, active: all }) => {
    const active = all.filter((one) => one.op === 'pipeline')
    answer = decide({
      pipeline: ref.pipeline,
      schedule,
      slot: scheduledFor,
      now: now.toString(),
      pausedReason: applied?.pausedReason ?? null,
      ticks,
      active,
      between: droppedBefore(schedule, scheduledFor, ticks, applied),
      newest: (previousSlot(schedule, now) ?? slot).toString(),
      runId: own.runId,
    })
    return { ticks: answer.ticks, runs: answer.create ? [own] : [] }
  })
  const { outcome, runId, cancel, superseded, ticks } = answer as unknown as SlotAnswer
  for (const id of superseded) await leave(context, id)
  await tell(context, pipeline, ticks)
  for (const id of cancel) await stop(context, id)
  return { outcome, runId, cancel }
}

/** As applied, else as it stands in the project; null: it has no schedule any more. */
async function scheduleOf(
  context: ControlContext,
  name: string,
): Promise<{ readonly pipeline: Pipeline; readonly schedule: Schedule; readonly body: Json } | null> {
  const applied = (await context.operations.log.schedules.pipelines()).find((row) => row.name === name)
  const body = applied?.body ?? ((await context.project.pipelines()).get(name)?.body as Json | undefined)
  if (body === undefined) throw new NotFoundError(`there is no pipeline '${name}'`)
  const pipeline = readPipeline(name, body)
  return pipeline.schedule === null ? null : { pipeline, schedule: pipeline.schedule, body }
}

/** Slots that came since the last one on record; none before the schedule was applied. */
function droppedBefore(
  schedule: Schedule,
  slot: string,
  ticks: readonly ScheduleTick[],
  applied: AppliedPipeline | undefined,
): readonly string[] {
  const last = ticks.find(({ scheduledFor }) => scheduledFor < slot)?.scheduledFor
  const since = last ?? applied?.appliedAt
  if (since === undefined || since >= slot) return []
  const found = slotsBetween(schedule, instant(since), plusMs(instant(slot), -1)).map(String)
  const recorded = new Set(ticks.map(({ scheduledFor }) => scheduledFor))
  return found.filter((one) => one < slot && !recorded.has(one)).slice(-MOST_DROPPED)
}

/** A run that waited and whose place another one took. */
async function leave(context: ControlContext, runId: string): Promise<void> {
  const at = nowText(context)
  const message = 'a later slot took its place'
  const row = await context.operations.log.runs.change(
    runId,
    { status: 'skipped', waitingFor: null, finishedAt: at },
    { at, from: ['queued', 'waiting'], events: [{ kind: 'state', level: 'info', message }] },
  )
  if (row !== null) context.metrics.count('defacto_runs_total', { op: row.op, status: 'skipped' })
}

async function stop(context: ControlContext, runId: string): Promise<RunRow | null> {
  const { runs } = context.operations.log
  const cancelReason = 'a later slot is due (overlap: cancel)'
  return runs.change(runId, { cancelReason }, { at: nowText(context), from: ACTIVE })
}

/** Every slot is counted; those that did not run as planned are told. */
async function tell(context: ControlContext, pipeline: Pipeline, ticks: readonly ScheduleTick[]): Promise<void> {
  const at = nowText(context)
  const signals = ticks.map((tick) =>
    tick.outcome === 'started' || tick.outcome === 'queued'
      ? slotStarted(pipeline.name, at, tick.scheduledFor)
      : slotLost(pipeline.name, at, tick),
  )
  for (const { outcome } of ticks) {
    context.metrics.count('defacto_schedule_ticks_total', { pipeline: pipeline.name, outcome })
  }
  const wanted = signals.filter((_, i) => ticks[i]?.outcome !== 'paused')
  await context.operations.log.notifications.enqueue(await alertsOf(context, pipeline, wanted), at)
}
