/** Activities as workflows call them: queue, times and retries of each (spec 10 §4.3). */
import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { ControlActivities, OpenedRun, Ref, StepActivities, StepName } from '../activities/types.ts'
import { CONTROL_RETRY, FINAL_ERRORS, HEARTBEAT, type Queue, STEP } from './constants.ts'

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
