/** Starting a run whose workflow id may be taken: it is covered by the one that has it, or waits for its turn (spec 10 §4.2). */
import {
  CancellationScope,
  type ChildWorkflowHandle,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  sleep,
  startChild,
  type Workflow,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow'
import type { Ref, StepRef } from '../activities/types.ts'
import { control, idBase, queue } from './call.ts'
import { PRIORITY, SHARED_ID, WORKFLOW } from './constants.ts'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000

export interface TurnOptions {
  /** Others wait already: ask before the first try. */
  readonly behind?: boolean
  /** The starter's end is the run's beginning. */
  readonly leave?: boolean
}

/** Resolves when the run has ended, however; the database says how. With `leave`, when it has begun. */
export async function takeTurn(space: string, step: StepRef, options: TurnOptions = {}): Promise<void> {
  const ref: Ref = { v: 1, space, runId: step.runId }
  let pause = FIRST_PAUSE_MS
  let ask = options.behind === true
  for (;;) {
    if (ask) {
      const { state } = await control().joinRun(ref)
      if (state === 'covered') return
      if (state === 'wait') {
        await sleep(pause)
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
        continue
      }
    }
    const child = await begin(ref, step)
    if (child !== null) return options.leave ? undefined : await end(child, ref)
    // Told to go, and beaten to it.
    if (ask) await sleep(pause)
    ask = true
  }
}

/** Null: the id is taken. A request to stop that comes now reaches the run once it has begun. */
async function begin(ref: Ref, step: StepRef): Promise<ChildWorkflowHandle<Workflow> | null> {
  const { op, workflowId } = step
  try {
    return await CancellationScope.nonCancellable(() =>
      startChild(WORKFLOW[op], {
        workflowId: `${idBase()}/${workflowId}`,
        taskQueue: queue('control'),
        args: [ref],
        memo: { runId: ref.runId },
        workflowIdReusePolicy: SHARED_ID[op]
          ? WorkflowIdReusePolicy.ALLOW_DUPLICATE
          : WorkflowIdReusePolicy.REJECT_DUPLICATE,
        // Whoever else waits for it still has it when this one is gone.
        parentClosePolicy: ParentClosePolicy.ABANDON,
        priority: { priorityKey: PRIORITY[op], fairnessKey: ref.space.slice(0, 64) },
        searchAttributes: attributes(ref, step),
      }),
    )
  } catch (error) {
    // Its class is another package's.
    if ((error as Error).name === 'WorkflowExecutionAlreadyStartedError') return null
    throw error
  }
}

async function end(child: ChildWorkflowHandle<Workflow>, ref: Ref): Promise<void> {
  const ended = child.result().then(
    () => {},
    () => {},
  )
  try {
    await Promise.race([ended, CancellationScope.current().cancelRequested])
  } catch (cancelled) {
    await CancellationScope.nonCancellable(async () => {
      if (await control().joinedByOthers(ref)) return
      await getExternalWorkflowHandle(child.workflowId)
        .cancel()
        .catch(() => {})
      await ended
    })
    throw cancelled
  }
}

/** Where the server has the attributes, this workflow has them too. */
function attributes(ref: Ref, { op, workflowId }: StepRef): Record<string, string[]> {
  if (workflowInfo().searchAttributes['DefactoSpace'] === undefined) return {}
  const pipeline = /^(?:pipeline|ingest)\/([a-z][a-z0-9_-]*)(?:\/|$)/.exec(workflowId)?.[1]
  return {
    DefactoSpace: [ref.space],
    DefactoOp: [op],
    DefactoRunId: [ref.runId],
    ...(pipeline === undefined || pipeline === 'inbox' ? {} : { DefactoPipeline: [pipeline] }),
  }
}
