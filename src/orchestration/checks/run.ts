/** One run of checks (spec 10 §3.7): all of them, one after the other. */
import type { StepFunction } from '../contract.ts'

/** Runs the checks of the pinned pipeline, or those in `input.only`. */
export const runCheck: StepFunction = async (_context, call) => {
  throw new Error(`not written yet: ${call.run.runId}`)
}
