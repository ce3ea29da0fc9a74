/**
 * Step functions and calls about runs as activities (spec 10 §4.3): the only place where workflows and engine meet. They
 * do nothing of their own but say that they live and translate errors.
 */

import { Context } from '@temporalio/activity'
import { CancelledFailure } from '@temporalio/common'
import { attempt } from '../src/orchestration/attempt.ts'
import type { Control, OpenedRun, Orchestration, Ref } from '../src/orchestration/contract.ts'
import { BUDGET_MS, STEPS } from '../src/orchestration/steps/catalog.ts'
import { instant } from '../src/orchestration/time.ts'
import { toFailure } from './failure.ts'
import type { Activities, ControlActivities, StepActivities, StepName } from './types.ts'

export { toFailure } from './failure.ts'
export type { Activities, ControlActivities, StepActivities, StepName } from './types.ts'

/** A space as activities need it. */
export interface OpenedSpace {
  readonly context: Orchestration
  readonly control: Control
}

export interface ActivityDependencies {
  /** The engine of a space; asked once for each. */
  open(space: string): Promise<OpenedSpace>
  /** Called when a run has ended: people may have to hear of it. */
  ended?(): void
  /** Aborted when this worker ends: steps stop at the end of their chunk, and others go on. */
  readonly stopping?: AbortSignal
  /** Whoever is silent for so long has its steps taken by others; default: as workflows say. */
  readonly heartbeatMs?: number
}

const STEP_NAMES = Object.keys(STEPS) as StepName[]
/** Details of heartbeats, at most so often. */
const TELL_MS = 1_000
/** Work between two chunks may take long; the server hears in time that this process lives. */
const ALIVE_MS = 10_000

export function createActivities(dependencies: ActivityDependencies): Activities {
  const { heartbeatMs } = dependencies
  const spaces = new Map<string, Promise<OpenedSpace>>()
  function opened(space: string): Promise<OpenedSpace> {
    const known = spaces.get(space)
    if (known !== undefined) return known
    const opening = dependencies.open(space)
    spaces.set(space, opening)
    // What could not be opened now may be opened later.
    opening.catch(() => spaces.delete(space))
    return opening
  }

  const control: ControlActivities = {
    openRun: (ref) => call(ref.space, (space) => openRun(space, ref, heartbeatMs)),
    nextStep: (ref) => call(ref.space, (space) => space.control.nextStep(ref)),
    decideTick: (slot) =>
      call(slot.space, (space) => {
        const nominal = slot.slot === null ? null : instant(slot.slot, 'slot').toString()
        return space.control.decideSlot({ ...slot, slot: nominal })
      }),
    joinRun: (ref) => call(ref.space, (space) => space.control.joinRun(ref)),
    mayStop: (ref) => call(ref.space, (space) => space.control.mayStop(ref.runId)),
    joinedByOthers: (ref) => call(ref.space, ({ context }) => joinedByOthers(context, ref)),
    closeRun: async (request) => {
      const closed = await call(request.space, (space) => space.control.closeRun(request))
      dependencies.ended?.()
      return closed
    },
  }

  async function call<T>(space: string, work: (space: OpenedSpace) => Promise<T>): Promise<T> {
    try {
      return await work(await opened(space))
    } catch (error) {
      throw toFailure(error)
    }
  }

  const step =
    (name: StepName) =>
    async (ref: Ref): ReturnType<StepActivities[StepName]> => {
      const activity = Context.current()
      const { cancellationSignal } = activity
      const pulse = new Pulse(activity, heartbeatMs)
      const signals = dependencies.stopping ? [cancellationSignal, dependencies.stopping] : [cancellationSignal]
      try {
        const { context } = await opened(ref.space)
        const work = STEPS[name]
        const budgetMs = BUDGET_MS[name]
        if (work === undefined) throw new Error(`there is no step ${name}`)
        return await attempt(context, ref, work, {
          signal: AbortSignal.any(signals),
          heartbeat: pulse.details,
          again: activity.info.attempt > 1,
          ...(budgetMs === undefined ? {} : { budgetMs }),
        })
      } catch (error) {
        // Asked to stop by whoever has the run: the answer to that is of its own kind.
        if (activity.cancellationDetails?.cancelRequested) throw new CancelledFailure('E_CANCELLED')
        throw toFailure(error)
      } finally {
        pulse.stop()
      }
    }
  const steps = Object.fromEntries(STEP_NAMES.map((name) => [name, step(name)])) as {
    [name in StepName]: StepActivities[name]
  }
  return { ...control, ...steps }
}

/** Says that this attempt lives; the server answers whether it still should. */
class Pulse {
  readonly #activity: Context
  readonly #timer: NodeJS.Timeout
  #last: { runId: string; seq: number; rows: number } | undefined
  #told = Number.NEGATIVE_INFINITY

  constructor(activity: Context, heartbeatMs = 3 * ALIVE_MS) {
    this.#activity = activity
    this.#timer = setInterval(() => activity.heartbeat(this.#last), Math.min(ALIVE_MS, heartbeatMs / 3))
    activity.heartbeat()
  }

  readonly details = (details: { runId: string; seq: number; rows: number }): void => {
    this.#last = details
    const now = performance.now()
    if (now - this.#told < TELL_MS) return
    this.#told = now
    this.#activity.heartbeat(details)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** A workflow that went on as a new one has only what is left of the run's time. */
async function openRun({ context, control }: OpenedSpace, ref: Ref, heartbeatMs?: number): Promise<OpenedRun> {
  const opened: OpenedRun = { ...(await control.openRun(ref)), ...(heartbeatMs === undefined ? {} : { heartbeatMs }) }
  const started = (await context.operations.log.runs.get(ref.runId))?.startedAt
  if (opened.ended || !started) return opened
  const spent = Math.max(0, context.clock().getTime() - instant(started).ms)
  return { ...opened, timeoutMs: Math.max(1, opened.timeoutMs - spent) }
}

async function joinedByOthers({ operations }: Orchestration, { runId }: Ref): Promise<boolean> {
  const waiting = await operations.log.runs.list({ status: ['queued', 'waiting'] })
  return waiting.some((run) => run.waitingFor === `run:${runId}`)
}
