/**
 * Schedules of a space on the server (spec 10 §3.5, §4.2). The server only says when: every slot is decided in the
 * database, so here all of them are let through, late ones as far back as the pipeline's window reaches.
 */
import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleSpec,
} from '@temporalio/client'
import { allowedText } from '../../workflows/allow-list.ts'
import { PRIORITY } from '../../workflows/constants.ts'
import { NotFoundError } from '../errors.ts'
import type { ScheduleServer, ServerSchedule } from '../orchestration/contract.ts'
import type { Pipeline, Schedule } from '../orchestration/model.ts'
import { instant } from '../orchestration/time.ts'
import type { Logger } from '../ports/logger.ts'
import { type CodecOptions, connectClient, hasSearchAttributes, type TemporalAddress } from './connect.ts'
import { checkPrefix, type Place, PREFIX, scheduleId, taskQueue, workflowId } from './names.ts'

export interface ScheduleServerOptions {
  readonly temporal: TemporalAddress
  readonly space: string
  readonly prefix?: string
  readonly codec?: CodecOptions
  readonly logger?: Logger
}

/** @throws UnreachableError */
export async function scheduleServer(
  options: ScheduleServerOptions,
): Promise<ScheduleServer & { close(): Promise<void> }> {
  const { client, close } = await connectClient(options.temporal, options.codec)
  const place: Place = { prefix: checkPrefix(options.prefix ?? PREFIX), space: options.space }
  return { ...schedulesOf(client, place, await hasSearchAttributes(client, options.logger)), close }
}

/** On a client that somebody else closes. */
export function schedulesOf(client: Client, place: Place, attributes: boolean): ScheduleServer {
  const handle = (pipeline: string) => client.schedule.getHandle(scheduleId(place, pipeline))
  return {
    async list() {
      const found: ServerSchedule[] = []
      const base = scheduleId(place, '')
      for await (const { scheduleId: id } of client.schedule.list()) {
        if (!id.startsWith(base)) continue
        const described = await handle(id.slice(base.length)).describe().catch(noneIfGone)
        if (described !== null) found.push(shownOf(id.slice(base.length), described))
      }
      return found.sort((a, b) => (a.pipeline < b.pipeline ? -1 : 1))
    },
    async put(pipeline, paused) {
      const options = optionsOf(place, pipeline, paused, attributes)
      try {
        await client.schedule.create({ ...options, scheduleId: scheduleId(place, pipeline.name) })
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning)) throw error
        await handle(pipeline.name).update(() => options)
      }
    },
    remove: (pipeline) =>
      handle(pipeline)
        .delete()
        .catch((error: unknown) => void noneIfGone(error)),
    pause: (pipeline, reason) => handle(pipeline).pause(noteOf(reason)).catch(notThere(pipeline)),
    resume: (pipeline) => handle(pipeline).unpause('resumed').catch(notThere(pipeline)),
  }
}

function shownOf(pipeline: string, { action, state, info }: ScheduleDescription): ServerSchedule {
  const { memo } = action
  return {
    pipeline,
    pipelineHash: typeof memo?.['pipelineHash'] === 'string' ? memo['pipelineHash'] : null,
    paused: state.paused,
    note: state.note ?? null,
    next: info.nextActionTimes.map((at) => instant(at.toISOString()).toString()),
  }
}

function optionsOf(place: Place, pipeline: Pipeline, paused: string | null, attributes: boolean) {
  const { name, schedule } = pipeline
  if (schedule === null) throw new NotFoundError(`pipeline '${name}' has no schedule`)
  return {
    spec: specOf(schedule),
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'scheduledPipeline',
      workflowId: workflowId(place, `schedule/${name}`),
      taskQueue: taskQueue(place, 'control'),
      args: [{ v: 1, space: place.space, pipeline: name, slot: null }],
      // The schedule's own memo cannot be changed later.
      memo: { pipelineHash: pipeline.hash },
      priority: { priorityKey: PRIORITY.pipeline, fairnessKey: place.space.slice(0, 64) },
      ...(attributes ? { searchAttributes: { DefactoSpace: [place.space], DefactoPipeline: [name] } } : {}),
    },
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: schedule.windowMs, pauseOnFailure: false },
    state: { paused: paused !== null, ...(paused === null ? {} : { note: noteOf(paused) }) },
  }
}

function specOf({ cron, everyMs, timezone, start, end, jitterMs }: Schedule): ScheduleSpec {
  return {
    ...(cron === null ? {} : { cronExpressions: cronExpressions(cron) }),
    ...(everyMs === null ? {} : { intervals: [{ every: everyMs }] }),
    timezone,
    ...(start === null ? {} : { startAt: new Date(instant(start).ms) }),
    ...(end === null ? {} : { endAt: new Date(instant(end).ms) }),
    ...(jitterMs === 0 ? {} : { jitter: jitterMs }),
  }
}

/** Days of month and of week both given mean either for cron, and both for the server; so there are two of them then. */
export function cronExpressions(cron: string): string[] {
  const [minute, hour, day, month, weekday, ...rest] = cron.trim().split(/\s+/)
  if (weekday === undefined || rest.length > 0) return [cron]
  if (day?.startsWith('*') || weekday.startsWith('*')) return [cron]
  return [`${minute} ${hour} ${day} ${month} *`, `${minute} ${hour} * ${month} ${weekday}`]
}

/** People write what they like as a reason; it stays in the database. */
const noteOf = (reason: string): string => (allowedText(reason) && reason !== '' ? reason : 'paused')

function noneIfGone(error: unknown): null {
  if (error instanceof ScheduleNotFoundError) return null
  throw error
}

const notThere =
  (pipeline: string) =>
  (error: unknown): never => {
    if (!(error instanceof ScheduleNotFoundError)) throw error
    throw new NotFoundError(`pipeline '${pipeline}' has no schedule on the server; \`defacto schedule apply\` makes it`)
  }
