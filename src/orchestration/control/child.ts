/** Runs that belong to a run: steps of a pipeline, windows of a backfill. */
import type { Json, NewRun, RunRow } from '../../ports/runs.ts'
import { idBelow } from '../ids.ts'
import { nowText } from '../time.ts'
import type { ControlContext } from './common.ts'
import { workflowIdOf } from './submit.ts'

/** A child of a run, under a name that makes it the same run every time. */
export async function makeChild(
  context: ControlContext,
  run: RunRow,
  child: Pick<NewRun, 'op' | 'asOf' | 'windowFrom' | 'windowTo' | 'scheduledFor'> & {
    readonly step: string | null
    readonly name: string
    readonly input: Json
    readonly head: number
  },
): Promise<RunRow> {
  const { name, head, ...rest } = child
  const at = nowText(context)
  const traceparent = await context.trace('defacto.step', { op: child.op }, run.traceparent, async (parent) => parent)
  const made: NewRun = {
    pipeline: run.pipeline,
    parentRunId: run.runId,
    requestHash: run.requestHash,
    trigger: run.trigger,
    scheduledFor: run.scheduledFor,
    asOf: run.asOf,
    windowFrom: run.windowFrom,
    windowTo: run.windowTo,
    version: run.version,
    definitionHash: run.definitionHash,
    package: context.package,
    headAtRequest: head,
    tags: run.tags,
    engine: run.engine,
    traceparent,
    ...rest,
    runId: idBelow(run.runId, name),
  }
  const created = await context.operations.log.runs.create(
    { ...made, workflowId: workflowIdOf(context, made, child.input) },
    at,
  )
  return created.run
}
