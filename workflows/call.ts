/** Activities as workflows call them: queue, times and retries of each (spec 10 §4.3). */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities, OpenedRun, Ref, StepActivities, StepName } from '../activities/types.ts'
import { CONTROL_RETRY, FINAL_ERRORS, HEARTBEAT, QUICK_TIMEOUT, type Queue, STEP } from './constants.ts'

/** Workflows run on their space's queue `control`; its siblings have the same beginning. */
export function queue(name: Queue): string {
  const { taskQueue, workflowId } = workflowInfo()
  // The operations on the state of one shard have a queue of their own.
  const shard = name === 'state' ? (/\/(s\d+)$/.exec(workflowId)?.[1] ?? null) : null
  return taskQueue.replace(/control$/, shard === null ? name : `${name}-${shard}`)
}

/** `defacto/{space}/`, what ids of all workflows of the space begin with. */
export function idBase(): string {
  return workflowInfo().workflowId.split('/').slice(0, 2).join('/')
}

export function control(): ControlActivities {
  return proxyActivities<ControlActivities>({
    taskQueue: queue('control'),
    startToCloseTimeout: '30 seconds',
    retry: CONTROL_RETRY,
  })
}

/** Those that every run needs; each may be repeated (`Control`). */
type Quick = 'openRun' | 'nextStep' | 'closeRun' | 'decideTick'

/**
 * Right here, in the process that has the workflow: most of what an empty step costs would be ways over the server. What
 * does not succeed at once is left to the queue, which waits and tries again without making the history longer.
 */
export async function ask<K extends Quick>(
  name: K,
  request: Parameters<ControlActivities[K]>[0],
): Promise<Awaited<ReturnType<ControlActivities[K]>>> {
  type Asked = (request: unknown) => Promise<Awaited<ReturnType<ControlActivities[K]>>>
  const here = proxyLocalActivities<ControlActivities>({
    startToCloseTimeout: QUICK_TIMEOUT,
    retry: { maximumAttempts: 1 },
  })
  try {
    return await (here[name] as Asked)(request)
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error
    if (error.cause instanceof ApplicationFailure && error.cause.nonRetryable) throw error
    return (control()[name] as Asked)(request)
  }
}

export function callStep(
  name: StepName,
  ref: Ref,
  { retry: policy, heartbeatMs }: OpenedRun,
): ReturnType<StepActivities[StepName]> {
  const steps = proxyActivities<{ [step in StepName]: StepActivities[step] }>({
    taskQueue: queue(STEP[name].queue),
    startToCloseTimeout: STEP[name].startToClose,
    heartbeatTimeout: heartbeatMs ?? HEARTBEAT,
    // Between the request and its answer the step finishes its chunk or rolls it back.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    // How often at most is counted in the run's row, which knows of progress; its last failure is final.
    retry: {
      initialInterval: policy.backoffMs,
      backoffCoefficient: policy.factor,
      maximumInterval: Math.max(policy.maxMs, policy.backoffMs),
      nonRetryableErrorTypes: [...FINAL_ERRORS],
    },
  })
  return steps[name](ref)
}
