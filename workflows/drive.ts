/** The life of every run: open, work until done, cancelled or out of time, close (spec 10 §4.2, §4.6). */
import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  isCancellation,
  sleep,
  workflowInfo,
} from '@temporalio/workflow'
import type { ClosedRun, CloseRequest, OpenedRun, Ref } from '../activities/types.ts'
import { allowedText } from './allow-list.ts'
import { ask } from './call.ts'
import { ACTIVITIES_PER_RUN } from './constants.ts'

/** `again`: the history is long enough, go on as a new workflow. */
export type Worked = 'done' | 'again'

export async function driveRun(ref: Ref, work: (run: OpenedRun) => Promise<Worked>): Promise<ClosedRun> {
  const opened = await CancellationScope.nonCancellable(() => ask('openRun', ref))
  if (opened.ended) return { status: opened.status, errorCode: null, stats: {} }
  // What is left of it: the run may have begun in a workflow before this one.
  const outcome = await within(opened.timeoutMs, () => work(opened))
  if (outcome.worked === 'again') {
    // Who asked it to stop may have been refused.
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
    return continueAsNew<(ref: Ref) => Promise<ClosedRun>>(ref)
  }
  const { failure, cancelled } = outcome
  const closed = await CancellationScope.nonCancellable(() => ask('closeRun', { ...ref, failure, cancelled }))
  if (cancelled && closed.status === 'cancelled') throw new CancelledFailure('E_CANCELLED')
  if (closed.status === 'failed') {
    const code = closed.errorCode ?? failure?.code ?? 'E_FAILED'
    throw ApplicationFailure.create({ message: code, type: failure?.class ?? 'RunFailed', nonRetryable: true })
  }
  return closed
}

/** Is this workflow's history long enough? */
export function isLong(activities: number): boolean {
  return activities >= ACTIVITIES_PER_RUN || workflowInfo().continueAsNewSuggested
}

type Outcome = Pick<CloseRequest, 'failure' | 'cancelled'> & { readonly worked: Worked | null }

async function within(timeoutMs: number, work: () => Promise<Worked>): Promise<Outcome> {
  const scope = new CancellationScope()
  const clock = new CancellationScope()
  let over = false
  const timer = clock
    .run(() => sleep(timeoutMs))
    .then(
      () => {
        over = true
        scope.cancel()
      },
      () => {},
    )
  try {
    return { worked: await scope.run(work), failure: null, cancelled: false }
  } catch (error) {
    if (over) return { worked: null, failure: failure('E_TIMEOUT', 'RunTimeout'), cancelled: false }
    if (isCancellation(error)) return { worked: null, failure: null, cancelled: true }
    if (!(error instanceof ActivityFailure)) throw error
    const { cause } = error
    if (!(cause instanceof ApplicationFailure))
      return { worked: null, failure: failure('E_INTERNAL', 'Error'), cancelled: false }
    if (cause.type === 'RunCancelled') return { worked: null, failure: null, cancelled: true }
    return { worked: null, failure: failure(cause.message, cause.type ?? 'Error'), cancelled: false }
  } finally {
    clock.cancel()
    await timer
  }
}

function failure(code: string, type: string): NonNullable<CloseRequest['failure']> {
  const known = allowedText(code) ? code : 'E_INTERNAL'
  return { code: known, class: allowedText(type) ? type : 'Error', message: known }
}
