/** Looking after runs that nobody drives (spec 10 §4.2): every minute. */
import type { StepRef } from '../contract.ts'
import { markAbandoned } from './cancel.ts'
import { type ControlContext, stepRefOf } from './common.ts'
import { openRequests } from './requests.ts'

/** So long a run may be stored before whoever stored it has started it. */
const GRACE_MS = 30_000

/**
 * Runs left `queued` between being stored and being started, and those of requests that can go on; starting one twice
 * starts it once.
 */
export async function sweep(context: ControlContext): Promise<readonly StepRef[]> {
  await markAbandoned(context)
  const queued = await context.operations.log.runs.list({ status: ['queued'], parentRunId: null })
  const now = context.clock().getTime()
  const left = queued.filter(
    ({ engine, createdAt }) => engine === context.engine && now - Date.parse(createdAt) > GRACE_MS,
  )
  return [...left, ...(await openRequests(context))].map((run) => stepRefOf(context, run))
}
