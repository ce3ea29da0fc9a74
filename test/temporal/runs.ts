/** Submitting runs and waiting for their end, as clients do. */
import type { Runner, SubmitRequest } from '../../src/orchestration/contract.ts'
import { RUN_ENDED, type RunRow } from '../../src/ports/runs.ts'
import type { Space } from './space.ts'
import { until } from './until.ts'

export async function submit({ control }: Space, runner: Runner, request: SubmitRequest): Promise<RunRow> {
  const { run } = await control.submit(request)
  await runner.start(control.stepRef(run))
  return run
}

/** The run once it has ended, whatever became of it. */
export function ended({ context }: Space, runId: string): Promise<RunRow> {
  return until(async () => {
    const run = await context.operations.log.runs.get(runId)
    return run !== undefined && RUN_ENDED.includes(run.status) ? run : null
  }, `the end of run ${runId}`)
}
