/** How a step's call reaches the engine, and what it leaves in the run. */

import type { Instant } from '../../core/instant.ts'
import type { RunCall } from '../../ports/operations.ts'
import type { Counters, RunChange, RunRow } from '../../ports/runs.ts'
import type { ChunkOutcome, Orchestration, StepCall } from '../contract.ts'
import { instant, nowText } from '../time.ts'

/** Every committed chunk is a heartbeat. */
export function engineCall({ fence, signal, run, around, heartbeat }: StepCall): RunCall {
  let seq = 0
  return {
    fence,
    signal,
    around,
    onChunk: ({ done }) => {
      seq += 1
      heartbeat({ runId: run.runId, seq, rows: done })
    },
  }
}

/** Changes the run unless a later attempt began. */
export async function changeRun(context: Orchestration, { fence }: StepCall, change: RunChange): Promise<void> {
  await context.operations.log.runs.change(fence.runId, change, { at: nowText(context), epoch: fence.epoch })
}

export function done(stats: Counters = {}): ChunkOutcome {
  return { more: false, stats }
}

/** What earlier calls of this run have counted, with what this one adds. */
export function added(run: RunRow, more: Counters): Counters {
  return Object.fromEntries(Object.entries(more).map(([name, value]) => [name, (run.stats[name] ?? 0) + value]))
}

/** Processing time of the run; undefined: when it runs. */
export function asOfOf(run: RunRow, given?: unknown): Instant | undefined {
  const text = typeof given === 'string' ? given : run.asOf
  return text === null ? undefined : instant(text, 'asOf')
}
