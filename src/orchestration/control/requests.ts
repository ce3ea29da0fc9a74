/** Runs of requests to erase and redact (spec 10 §10): when they may stop, and which requests have nobody who carries them out. */
import { ConflictError, NotFoundError } from '../../errors.ts'
import { type ErasureRequest, PAST_PIVOT, REQUEST_OPEN } from '../../ports/privacy.ts'
import type { RunRow } from '../../ports/runs.ts'
import { timeOfId } from '../ids.ts'
import { inputOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, runNamed } from './common.ts'
import { retry, submit } from './submit.ts'

/** So long whoever made a request may take to have it carried out; what failed is tried anew after a while. */
const GRACE_MS = 30_000
const AGAIN_MS = 3_600_000

export const isOfRequest = ({ op }: Pick<RunRow, 'op'>): boolean => op === 'erase' || op === 'redact'

/** Nothing was changed before the pivot, so the request is taken back; after it nothing stops it. */
export async function mayStop(context: ControlContext, runId: string): Promise<boolean> {
  const run = await runNamed(context, runId)
  if (!isOfRequest(run) || hasEnded(run)) return true
  const { privacy } = context.operations
  const request = await privacy.log.request(requestOf(run))
  if (request === undefined || request.status === 'refused') return true
  return privacy.withdraw(request.requestId)
}

/** `ConflictError` (`E_PAST_PIVOT`) where stopping comes too late. */
export async function checkStop(context: ControlContext, runId: string): Promise<void> {
  if (await mayStop(context, runId)) return
  throw new ConflictError(
    `run '${runId}' can no longer be stopped: what it erases is gone already, and it goes on to its end`,
    {
      code: 'E_PAST_PIVOT',
      details: { runId },
    },
  )
}

export const requestOf = (run: Pick<RunRow, 'input'>): string => String(inputOf(run)['requestId'] ?? '')

/**
 * Runs to start or to wake: of requests that were stored and never started, whose run was lost, or which wait for
 * something that has come about. Requests of a project with a step `erase_queue` are left to it.
 */
export async function openRequests(context: ControlContext): Promise<readonly RunRow[]> {
  const now = context.clock().getTime()
  const found: RunRow[] = []
  const { runs } = context.operations.log
  const active = new Map((await runs.list({ status: ACTIVE, op: ['erase', 'redact'] })).map((run) => [run.runId, run]))
  let isQueued: boolean | null = null
  for (const request of await context.operations.privacy.log.requests({ status: REQUEST_OPEN })) {
    // One run makes them of what is over, and goes on with them.
    if (request.kind === 'retention') continue
    const { runId } = request
    const run = runId === null ? undefined : (active.get(runId) ?? (await runs.get(runId)))
    if (run !== undefined && !hasEnded(run)) {
      if (run.engine === context.engine && isDue(request, run, context.operations.now().ms))
        found.push(await adopted(context, run))
      continue
    }
    if (run === undefined) {
      if (now - timeOfId(request.requestId) <= GRACE_MS) continue
      isQueued ??= await hasQueue(context)
      if (request.runId === null && isQueued) continue
    } else if (!isLost(request, run, now)) continue
    found.push(await runOf(context, request))
  }
  return found
}

export async function runOfRequest(context: ControlContext, requestId: string): Promise<RunRow> {
  const request = await context.operations.privacy.log.request(requestId)
  if (request === undefined) throw new NotFoundError(`there is no request '${requestId}'`, { details: { requestId } })
  const run = request.runId === null ? undefined : await context.operations.log.runs.get(request.runId)
  const isOver = run === undefined || (hasEnded(run) && REQUEST_OPEN.includes(request.status))
  return isOver ? runOf(context, request) : run
}

/** The run of a request: made if it has none that goes on. The same for whoever asks at once. */
export async function runOf(context: ControlContext, request: ErasureRequest): Promise<RunRow> {
  const { requestId, runId } = request
  const op = request.kind === 'redact' ? 'redact' : 'erase'
  const key = runId === null ? requestId : `${requestId}/${runId}`
  const { run } = await submit(context, {
    op,
    input: { requestId },
    key,
    trigger: runId === null ? 'manual' : 'recovery',
  })
  if (run.runId !== runId)
    await context.operations.privacy.log.change(requestId, { runId: run.runId }, { from: REQUEST_OPEN })
  return run
}

/** As `retry`; a request is told which run works on it now. */
export async function retryRun(context: ControlContext, runId: string): Promise<RunRow> {
  const run = await retry(context, runId)
  if (isOfRequest(run)) {
    await context.operations.privacy.log.change(requestOf(run), { runId: run.runId }, { from: REQUEST_OPEN })
  }
  return run
}

/** What it waited for has come about, and nobody seems to have told it. */
function isDue(request: ErasureRequest, run: RunRow, now: number): boolean {
  if (run.status !== 'waiting' || run.waitingFor === null) return false
  if (run.waitingFor === 'slot' || run.waitingFor === 'retry') return false
  if (run.waitingFor === 'approval') return request.status !== 'requested'
  if (!request.waitingFor.includes(run.waitingFor)) return true
  return request.retryAt !== null && now > Date.parse(request.retryAt) + GRACE_MS
}

/** Its process is gone, or it failed a while ago with its pivot behind it: that one cannot be left at that. */
function isLost({ status }: ErasureRequest, run: RunRow, now: number): boolean {
  if (run.status === 'abandoned') return true
  return PAST_PIVOT.includes(status) && now - Date.parse(run.finishedAt ?? run.createdAt) > AGAIN_MS
}

/** A run that waits belongs to whoever goes on with it, where no server does. */
async function adopted(context: ControlContext, run: RunRow): Promise<RunRow> {
  const own = context.process?.own
  if (context.engine !== 'local' || own === undefined || run.workflowId === own) return run
  const options = { at: nowText(context), from: ['waiting'] } as const
  return (await context.operations.log.runs.change(run.runId, { workflowId: own }, options)) ?? run
}

async function hasQueue(context: ControlContext): Promise<boolean> {
  const pipelines = await context.project.pipelines().catch(() => null)
  if (pipelines === null) return false
  return [...pipelines.values()].some(({ pipeline }) => pipeline.steps.some(({ kind }) => kind === 'erase_queue'))
}
