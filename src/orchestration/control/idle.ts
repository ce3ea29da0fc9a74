/** Whether a pipeline has nothing to do (`skip_if_idle`, spec 10 §3.1). */
import type { RunRow } from '../../ports/runs.ts'
import { hasNewParts } from '../ingest/plan.ts'
import type { Pipeline } from '../model.ts'
import type { ControlContext } from './common.ts'

export async function isIdle(context: ControlContext, run: RunRow, pipeline: Pipeline): Promise<boolean> {
  const version = run.version ?? undefined
  const { mode, pendingEvents } = await context.operations.nextBuild({ version })
  if (mode !== 'SKIP' || pendingEvents > 0) return false
  const { dirty } = await context.operations.buildStatus(version)
  if (dirty) return false
  return !(await hasNewParts(context, pipeline))
}
