/** Names, queues and times of spec 10 §4.2–4.3. A test compares what is said elsewhere too. */
import type { RetryPolicy } from '@temporalio/workflow'
import type { RunOp, StepName } from '../activities/types.ts'

export type Queue = 'control' | 'io' | 'state' | 'cold'

/** Workflow of each operation. */
export const WORKFLOW = {
  pipeline: 'runPipeline',
  backfill: 'backfill',
  ingest: 'ingest',
  build: 'build',
  tick: 'tick',
  check: 'check',
  flush: 'flush',
  prune: 'prune',
  maintain: 'maintain',
  export: 'exportTables',
  expire: 'expire',
  erase_queue: 'eraseQueue',
  erase: 'erase',
  redact: 'redact',
} as const satisfies Record<RunOp, string>

/** Forward only from the second on (spec 10 §10.2). */
const ERASURE: readonly StepName[] = ['freeze', 'eraseLocal', 'eraseStore', 'verifyErasure', 'certify']

/** What an operation calls, in this order; each one as long as it says that there is more. */
export const CHUNKS: Readonly<Record<Exclude<RunOp, 'pipeline' | 'backfill'>, readonly StepName[]>> = {
  ingest: ['planInput', 'ingestPart', 'finishInput'],
  build: ['planBuild', 'buildChunks'],
  tick: ['tickChunks'],
  check: ['runCheck'],
  flush: ['flushChunks'],
  prune: ['pruneChunks'],
  maintain: ['compactChunks', 'vacuum', 'verifyCold', 'pruneMetadata'],
  export: ['exportTables'],
  expire: ERASURE,
  erase_queue: ERASURE,
  erase: ERASURE,
  redact: ERASURE,
}

interface StepTimes {
  readonly queue: Queue
  readonly startToClose: string
}
export const STEP: Readonly<Record<StepName, StepTimes>> = {
  planInput: { queue: 'io', startToClose: '10 minutes' },
  finishInput: { queue: 'io', startToClose: '10 minutes' },
  ingestPart: { queue: 'io', startToClose: '15 minutes' },
  runCheck: { queue: 'io', startToClose: '1 hour' },
  planBuild: { queue: 'state', startToClose: '5 minutes' },
  // The transaction that replaces a version's state is one piece.
  buildChunks: { queue: 'state', startToClose: '4 hours' },
  tickChunks: { queue: 'state', startToClose: '15 minutes' },
  flushChunks: { queue: 'cold', startToClose: '15 minutes' },
  pruneChunks: { queue: 'cold', startToClose: '15 minutes' },
  compactChunks: { queue: 'cold', startToClose: '15 minutes' },
  vacuum: { queue: 'cold', startToClose: '15 minutes' },
  // Reads the whole archive, and begins anew where it is stopped.
  verifyCold: { queue: 'cold', startToClose: '4 hours' },
  pruneMetadata: { queue: 'cold', startToClose: '15 minutes' },
  // Begins anew where it is stopped.
  exportTables: { queue: 'io', startToClose: '1 hour' },
  freeze: { queue: 'state', startToClose: '15 minutes' },
  // One transaction.
  eraseLocal: { queue: 'state', startToClose: '1 hour' },
  eraseStore: { queue: 'cold', startToClose: '1 hour' },
  verifyErasure: { queue: 'cold', startToClose: '1 hour' },
  certify: { queue: 'cold', startToClose: '1 hour' },
}
export const HEARTBEAT = '30 seconds'

/** Smaller goes first. */
export const PRIORITY: Readonly<Record<RunOp, number>> = {
  erase: 1,
  redact: 1,
  erase_queue: 1,
  tick: 2,
  ingest: 3,
  build: 3,
  check: 3,
  pipeline: 3,
  flush: 4,
  prune: 4,
  export: 4,
  expire: 4,
  backfill: 5,
  maintain: 5,
}

/** Several runs share one workflow id of these, one after the other; a run of the others has an id of its own. */
export const SHARED_ID: Readonly<Record<RunOp, boolean>> = {
  pipeline: true,
  ingest: true,
  build: true,
  tick: true,
  flush: true,
  prune: true,
  maintain: true,
  expire: true,
  erase_queue: true,
  check: false,
  export: false,
  backfill: false,
  erase: false,
  redact: false,
}

/** Ids of these name a request: what was finished is never begun again, what failed or was stopped may be. */
export const OF_REQUEST: Readonly<Record<RunOp, boolean>> = {
  erase: true,
  redact: true,
  expire: false,
  erase_queue: false,
  pipeline: false,
  ingest: false,
  build: false,
  tick: false,
  flush: false,
  prune: false,
  maintain: false,
  check: false,
  export: false,
  backfill: false,
}

/** Classes of errors that no retry mends (spec 10 §4.5). */
export const FINAL_ERRORS: readonly string[] = [
  'ConfigError',
  'QueryError',
  'DefinitionError',
  'ValidationError',
  'ThresholdError',
  'IngestError',
  'CheckError',
  'Fenced',
  'ConflictError',
  'HoldError',
  'ApprovalRequired',
  'NotFoundError',
  'IdentityError',
  'BuildError',
]
export const CONTROL_RETRY: RetryPolicy = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '1 minute',
  nonRetryableErrorTypes: [...FINAL_ERRORS],
}

/** Of calls in the workflow's own process, which keep its task open. */
export const QUICK_TIMEOUT = '5 seconds'

/** A workflow goes on as a new one after so many activities, or earlier when the server says so. */
export const ACTIVITIES_PER_RUN = 500
