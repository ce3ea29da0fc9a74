/** Operations that may have to wait for people, for stores and for time (spec 10 §10.2): the database says for what. */
import { CancellationScope, CancelledFailure, condition, defineSignal, setHandler } from '@temporalio/workflow'
import type { ClosedRun, Ref, StepName } from '../activities/types.ts'
import { callStep, control } from './call.ts'
import { CHUNKS } from './constants.ts'
import { driveRun, isLong, type Worked } from './drive.ts'

/** Says that somebody has decided, and nothing else. */
export const wake = defineSignal('wake')

type WaitingOp = 'erase' | 'redact' | 'erase_queue' | 'expire'

/**
 * The steps of a request, each as long as it has more. Who asks the workflow to stop is answered by the database: before
 * the pivot it ends, after it it goes on.
 */
export async function requests(ref: Ref, op: WaitingOp): Promise<ClosedRun> {
  let woken = false
  let asked = false
  setHandler(wake, () => {
    woken = true
  })
  return driveRun(ref, async (run): Promise<Worked> => {
    CancellationScope.current().cancelRequested.catch(() => {
      asked = true
    })
    const names = CHUNKS[op]
    return CancellationScope.nonCancellable(async () => {
      let activities = 1
      for (let at = 0; at < names.length; ) {
        // What is decided from here on, the step may see or not.
        woken = false
        const outcome = await callStep(names[at] as StepName, ref, run)
        activities += 1
        if (outcome.waitMs !== undefined) await condition(() => woken || asked, outcome.waitMs)
        if (outcome.next !== undefined) at = Math.max(0, names.indexOf(outcome.next as StepName))
        else if (!outcome.more) at += 1
        if (asked) {
          asked = false
          activities += 1
          if (await control().mayStop(ref)) throw new CancelledFailure('E_CANCELLED')
        }
        if (at < names.length && isLong(activities)) return 'again'
      }
      return 'done'
    })
  })
}
