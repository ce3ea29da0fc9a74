/** The life of runs, on the database alone (spec 10 §4.2–4.4). */
import type { Control, Orchestration } from './contract.ts'
import { requestCancel } from './control/cancel.ts'
import { closeRun } from './control/close.ts'
import { type ControlContext, type ProcessMarks, stepRefOf } from './control/common.ts'
import { joinRun } from './control/join.ts'
import { nextStep } from './control/next.ts'
import { openRun } from './control/open.ts'
import { mayStop, retryRun, runOfRequest } from './control/requests.ts'
import { decideSlot } from './control/schedule.ts'
import { submit } from './control/submit.ts'
import { sweep } from './control/sweep.ts'

export { hasEnded, isGood, type ProcessMarks } from './control/common.ts'

/** `process`: how processes that run things by themselves are told apart; without it no run is found abandoned. */
export function createControl(orchestration: Orchestration, process: ProcessMarks | null = null): Control {
  const context: ControlContext = { ...orchestration, process }
  return {
    submit: (request) => submit(context, request),
    openRun: (ref) => openRun(context, ref),
    nextStep: (ref) => nextStep(context, ref),
    decideSlot: (ref) => decideSlot(context, ref),
    joinRun: (ref) => joinRun(context, ref),
    closeRun: (request) => closeRun(context, request),
    stepRef: (run) => stepRefOf(context, run),
    requestCancel: (runId, reason) => requestCancel(context, runId, reason),
    retry: (runId) => retryRun(context, runId),
    runOfRequest: (requestId) => runOfRequest(context, requestId),
    mayStop: (runId) => mayStop(context, runId),
    sweep: () => sweep(context),
  }
}
