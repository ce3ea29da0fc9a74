/** Schedules as they were applied to the space: when they run next, what became of their slots (spec 10 §3.5). */
import type { Instant } from './core/instant.ts'
import { nextSlots } from './orchestration/cron.ts'
import type { Pipeline, Schedule } from './orchestration/model.ts'
import { readPipeline } from './orchestration/pipeline/read.ts'
import type { AppliedPipeline, RunLog, ScheduleTick } from './ports/runs.ts'

export interface ScheduleState {
  readonly pipeline: string
  readonly schedule: Schedule | null
  /** `0 2 * * * Europe/Berlin`, `every 1h`. */
  readonly when: string
  readonly pausedReason: string | null
  readonly next: readonly string[]
  readonly last: ScheduleTick | null
  readonly appliedAt: string
  /** What is applied against what the definitions say now. */
  readonly state: 'current' | 'changed' | 'removed'
}

/** `pipelines`: those of the definitions on disk. */
export async function scheduleStates(
  log: RunLog,
  pipelines: ReadonlyMap<string, { readonly pipeline: Pipeline }>,
  now: Instant,
  next = 1,
): Promise<ScheduleState[]> {
  const states: ScheduleState[] = []
  for (const applied of await log.schedules.pipelines()) {
    const { schedule } = readPipeline(applied.name, applied.body)
    const [last = null] = await log.schedules.ticks(applied.name, { limit: 1 })
    states.push({
      pipeline: applied.name,
      schedule,
      when: whenText(schedule),
      pausedReason: applied.pausedReason,
      next: schedule === null || applied.pausedReason !== null ? [] : nextSlots(schedule, now, next).map(String),
      last,
      appliedAt: applied.appliedAt,
      state: stateOf(applied, pipelines.get(applied.name)?.pipeline),
    })
  }
  return states.sort((a, b) => (a.pipeline < b.pipeline ? -1 : 1))
}

function stateOf(applied: AppliedPipeline, now: Pipeline | undefined): ScheduleState['state'] {
  if (now === undefined || now.schedule === null) return 'removed'
  return now.hash === applied.pipelineHash ? 'current' : 'changed'
}

export function whenText(schedule: Schedule | null): string {
  if (schedule === null) return 'by hand'
  const { cron, everyMs, timezone } = schedule
  return cron === null ? `every ${spanText(everyMs ?? 0)}` : `${cron} ${timezone}`
}

export function spanText(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const)
    if (ms % size === 0) return `${ms / size}${unit}`
  return `${ms / 1000}s`
}

export function scheduleView(state: ScheduleState): Record<string, unknown> {
  return {
    pipeline: state.pipeline,
    schedule: state.when,
    overlap: state.schedule?.overlap ?? null,
    missed: state.schedule?.missed ?? null,
    paused: state.pausedReason !== null,
    paused_reason: state.pausedReason,
    next: state.next,
    last: state.last === null ? null : tickView(state.last),
    applied_at: state.appliedAt,
    state: state.state,
  }
}

export function tickView(tick: ScheduleTick): Record<string, unknown> {
  return {
    scheduled_for: tick.scheduledFor,
    outcome: tick.outcome,
    reason: tick.reason,
    run_id: tick.runId,
    decided_at: tick.decidedAt,
  }
}
