/** Starts workflows for runs that were submitted, and asks them to stop (spec 10 §4.2). */
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client'
import { OF_REQUEST, PRIORITY, SHARED_ID } from '../../workflows/constants.ts'
import { UnreachableError } from '../errors.ts'
import type { Runner, StepRef } from '../orchestration/contract.ts'
import type { Logger } from '../ports/logger.ts'
import type { RunRow } from '../ports/runs.ts'
import { type CodecOptions, connectClient, hasSearchAttributes, type TemporalAddress } from './connect.ts'
import { checkPrefix, type Place, PREFIX, searchAttributes, taskQueue, workflowId, workflowType } from './names.ts'

export interface TemporalRunnerOptions {
  readonly temporal: TemporalAddress
  /** `Operations.space`. */
  readonly space: string
  readonly prefix?: string
  readonly codec?: CodecOptions
  readonly logger?: Logger
}

/** @throws UnreachableError */
export async function temporalRunner(options: TemporalRunnerOptions): Promise<Runner> {
  const { client, close } = await connectClient(options.temporal, options.codec)
  const place: Place = { prefix: checkPrefix(options.prefix ?? PREFIX), space: options.space }
  const runner = runnerOf(client, place, await hasSearchAttributes(client, options.logger))
  return { ...runner, close }
}

/** On a client that somebody else closes. */
export function runnerOf(client: Client, place: Place, attributes: boolean): Runner {
  return {
    engine: 'temporal',
    start: (ref) => start(client, place, ref, attributes).catch(rethrow),
    wake: (ref) => wake(client, place, ref).catch(rethrow),
    cancel: (run) => cancel(client, place, run).catch(rethrow),
    close: async () => {},
  }
}

async function start(client: Client, place: Place, ref: StepRef, attributes: boolean): Promise<void> {
  const given = { v: 1, space: place.space, runId: ref.runId } as const
  const common = {
    taskQueue: taskQueue(place, 'control'),
    priority: { priorityKey: PRIORITY[ref.op], fairnessKey: place.space.slice(0, 64) },
    memo: { runId: ref.runId },
    ...(attributes ? { searchAttributes: searchAttributes(place, ref) } : {}),
  }
  try {
    await client.workflow.start(workflowType(ref), {
      ...common,
      workflowId: workflowId(place, ref.workflowId),
      args: [given],
      workflowIdReusePolicy: reuseOf(ref),
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
    })
    return
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
  if (OF_REQUEST[ref.op]) return wake(client, place, ref)
  // A run with an id of its own has begun, or is over. One of a shared id waits where its starter need not.
  if (!SHARED_ID[ref.op] || (await runOf(client, place, ref.workflowId)) === ref.runId) return
  await client.workflow.start('awaitTurn', {
    ...common,
    workflowId: workflowId(place, `turn/${ref.runId}`),
    args: [place.space, ref],
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
  })
}

function reuseOf({ op }: StepRef): WorkflowIdReusePolicy {
  if (OF_REQUEST[op]) return WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
  return SHARED_ID[op] ? WorkflowIdReusePolicy.ALLOW_DUPLICATE : WorkflowIdReusePolicy.REJECT_DUPLICATE
}

/** Whoever is not there needs no word: it looks at the database when it begins. */
async function wake(client: Client, place: Place, ref: StepRef): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId(place, ref.workflowId)).signal('wake')
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}

/** The run whose workflow has this id; null: none that is open. */
async function runOf(client: Client, place: Place, id: string): Promise<string | null> {
  try {
    const { status, memo } = await client.workflow.getHandle(workflowId(place, id)).describe()
    return status.name === 'RUNNING' && typeof memo?.['runId'] === 'string' ? memo['runId'] : null
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null
    throw error
  }
}

/** The database has the request already. The id may be another run's by now: that one is left alone. */
async function cancel(client: Client, place: Place, run: RunRow): Promise<void> {
  if (run.workflowId === null) return
  const id = run.workflowId.replace(`${place.prefix}/${place.space}/`, '')
  if ((await runOf(client, place, id)) !== run.runId) return
  try {
    await client.workflow.getHandle(workflowId(place, id)).cancel()
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}

/** Codes of connections that fail, of the transport. */
const GONE: ReadonlySet<number> = new Set([4, 14])

function rethrow(error: unknown): never {
  const code = codeOf(error)
  if (code !== null && GONE.has(code)) {
    throw new UnreachableError('Temporal does not answer; the run is stored and starts when a worker looks after it', {
      code: 'E_TEMPORAL_UNREACHABLE',
      cause: error,
    })
  }
  throw error
}

function codeOf(error: unknown): number | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'number') return code
  }
  return null
}
