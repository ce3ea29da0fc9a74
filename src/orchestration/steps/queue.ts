/** What one run of `erase_queue` takes (spec 10 §3.4): requests that nobody else carries out, the most urgent first. */
import type { ErasureRequest, RequestStatus } from '../../ports/privacy.ts'
import { type Counters, RUN_ENDED, type RunRow } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import { inputOf } from '../pinned.ts'

const WAITING: readonly RequestStatus[] = ['approved', 'held', 'frozen', 'erasing', 'verifying', 'store_pending']
const MOST = 100

export async function queued(
  context: Orchestration,
  run: RunRow,
): Promise<{ readonly ids: readonly string[]; readonly stats: Counters }> {
  const { max } = inputOf(run)
  const all = await context.operations.privacy.log.requests({ status: WAITING })
  const free: ErasureRequest[] = []
  for (const request of all) if (!(await isDriven(context, request, run))) free.push(request)
  free.sort((a, b) => (a.deadline === b.deadline ? 0 : a.deadline < b.deadline ? -1 : 1))
  const taken = free.slice(0, typeof max === 'number' ? max : MOST)
  return { ids: taken.map(({ requestId }) => requestId), stats: { requests_left: free.length - taken.length } }
}

/** A run of its own is at it, and will see it through. */
async function isDriven({ operations }: Orchestration, { runId }: ErasureRequest, by: RunRow): Promise<boolean> {
  if (runId === null || runId === by.runId) return false
  const run = await operations.log.runs.get(runId)
  return run !== undefined && !RUN_ENDED.includes(run.status)
}
