/**
 * What becomes of a slot (spec 10 §3.5). Pure: from the schedule, the slots on record, the runs that have not ended, and
 * the time. Deciding about the same slot again gives the same answer.
 */
import type { AppliedPipeline, RunRow, RunStatus, ScheduleTick, TickOutcome } from '../ports/runs.ts'
import type { Schedule } from './model.ts'

export interface SlotQuestion {
  readonly pipeline: string
  readonly schedule: Pick<Schedule, 'overlap' | 'missed' | 'windowMs' | 'jitterMs'>
  /** The nominal instant. */
  readonly slot: string
  readonly now: string
  readonly pausedReason: AppliedPipeline['pausedReason']
  /** Newest first. */
  readonly ticks: readonly ScheduleTick[]
  readonly active: readonly Pick<RunRow, 'runId' | 'status' | 'scheduledFor' | 'createdAt'>[]
  /** Due slots after the last one on record and before this one, in order. */
  readonly between: readonly string[]
  /** The newest slot that is due by now. */
  readonly newest: string
  /** Id of the run to make. */
  readonly runId: string
}

export interface SlotAnswer {
  readonly outcome: TickOutcome
  /** The slot's run; null: it has none. */
  readonly runId: string | null
  /** The run is to be made. */
  readonly create: boolean
  /** To be stored. */
  readonly ticks: readonly ScheduleTick[]
  /** Runs that waited and are not to go. */
  readonly superseded: readonly string[]
  /** Runs to stop first. */
  readonly cancel: readonly string[]
}

/** Slots that are later than this, and the jitter, are missed ones. */
const LATE_MS = 300_000
const DROPPED = 'the server did not start it'

export function decideSlot(question: SlotQuestion): SlotAnswer {
  const { slot, ticks } = question
  const known = ticks.find(({ scheduledFor }) => scheduledFor === slot)
  // What was entered for want of it comes after all: it is looked at as if it were not on record.
  const comesAfterAll = known?.outcome === 'missed' && known.reason === DROPPED
  if (known !== undefined && !comesAfterAll) return repeated(question, known)
  const dropped = question.between.map((scheduledFor) => tick(question, scheduledFor, 'missed', null, DROPPED))
  const answer = fresh(question)
  return { ...answer, ticks: [...dropped, ...answer.ticks] }
}

function repeated({ active, schedule }: SlotQuestion, known: ScheduleTick): SlotAnswer {
  const { outcome, runId } = known
  const goes = outcome === 'started' || outcome === 'queued'
  const own = active.find((run) => run.runId === runId)
  const cancel =
    schedule.overlap === 'cancel' && own !== undefined
      ? active.filter((run) => run.runId !== runId && run.createdAt <= own.createdAt).map((run) => run.runId)
      : []
  return { outcome, runId: goes ? runId : null, create: false, ticks: [], superseded: [], cancel }
}

function fresh(question: SlotQuestion): SlotAnswer {
  const { slot, schedule, pausedReason, active, ticks, runId } = question
  if (pausedReason !== null) return left(question, 'paused', pausedReason)
  const late = lateness(question)
  if (late !== null) return left(question, 'missed', late)
  const started = tick(question, slot, 'started', runId, null)
  const none = { create: true, superseded: [], cancel: [] } as const
  if (active.length === 0) return { ...none, outcome: 'started', runId, ticks: [started] }
  if (schedule.overlap === 'skip') return left(question, 'skipped', 'an earlier run has not ended')
  if (schedule.overlap === 'cancel') {
    return { ...none, outcome: 'started', runId, ticks: [started], cancel: active.map((run) => run.runId) }
  }
  const queued = tick(question, slot, 'queued', runId, 'an earlier run has not ended')
  if (schedule.missed === 'all') return { ...none, outcome: 'queued', runId, ticks: [queued] }
  const waits = ticks.filter((one) => one.outcome === 'queued' && active.some((run) => isWaiting(run, one)))
  if (waits.some((one) => one.scheduledFor > slot)) return left(question, 'superseded', 'a later slot waits already')
  const replaced = waits.map((one) => ({
    ...tick(question, one.scheduledFor, 'superseded', one.runId, 'a later slot took its place'),
  }))
  const superseded = waits.flatMap((one) => (one.runId === null ? [] : [one.runId]))
  return { ...none, outcome: 'queued', runId, ticks: [...replaced, queued], superseded }
}

const UNBEGUN: readonly RunStatus[] = ['queued', 'waiting']
const isWaiting = (run: Pick<RunRow, 'runId' | 'status'>, one: ScheduleTick): boolean =>
  run.runId === one.runId && UNBEGUN.includes(run.status)

/** Why a slot comes too late to be run; null: it does not. */
function lateness({ slot, now, schedule, newest }: SlotQuestion): string | null {
  const { missed, windowMs, jitterMs } = schedule
  const late = Date.parse(now) - Date.parse(slot)
  if (late <= LATE_MS + jitterMs) return null
  if (late > windowMs) return 'older than the window of missed slots'
  if (missed === 'none') return 'late, and missed slots are left out'
  if (missed === 'last' && newest > slot) return 'late, and a later slot is due'
  return null
}

function left(question: SlotQuestion, outcome: TickOutcome, reason: string): SlotAnswer {
  const ticks = [tick(question, question.slot, outcome, null, reason)]
  return { outcome, runId: null, create: false, ticks, superseded: [], cancel: [] }
}

function tick(
  { pipeline, now }: SlotQuestion,
  scheduledFor: string,
  outcome: TickOutcome,
  runId: string | null,
  reason: string | null,
): ScheduleTick {
  return { pipeline, scheduledFor, decidedAt: now, outcome, runId, reason }
}
