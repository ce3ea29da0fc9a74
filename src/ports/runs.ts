/**
 * The run log: tables of the space's database that say what ran, what runs and what is due (spec 10 §2).
 *
 * Contracts that hold for every method:
 * - A method without `Unit` is one transaction of its own. One with a `Unit` is durable when the unit commits.
 * - Instants are canonical text; JSON columns are given and returned as values; `null` means absent.
 * - Nothing personal is stored here, with two exceptions that the spec names: `inbox.raw` and dead letters.
 * - Ids are a letter, `_` and a UUID v7 (`run_…` → `r_…`), so that they sort by time.
 */
import type { EventFailure } from '../results.ts'
import type { FrozenSubject } from './erasure.ts'
import type { Unit } from './store.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type Counters = Readonly<Record<string, number>>

export const RUN_OPS = [
  'pipeline',
  'backfill',
  'ingest',
  'build',
  'tick',
  'check',
  'flush',
  'prune',
  'maintain',
  'export',
  'expire',
  'erase_queue',
  'erase',
  'redact',
] as const
export type RunOp = (typeof RUN_OPS)[number]
export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'cancelled',
  'skipped',
  'coalesced',
  'abandoned',
] as const
export type RunStatus = (typeof RUN_STATUSES)[number]
export const RUN_ENDED: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled', 'skipped', 'coalesced', 'abandoned']
export type RunTrigger = 'manual' | 'schedule' | 'backfill' | 'api' | 'recovery'

/** `error` of a run and of JSON output (spec 09 §10). Messages carry names and codes, never values. */
export interface RunError {
  readonly code: string
  readonly class: string
  readonly message: string
  readonly recoverable: boolean
}

export interface RunRow {
  readonly runId: string
  readonly op: RunOp
  readonly pipeline: string | null
  /** Id of the pipeline's step this run is; inputs of an ingest step have one run each. */
  readonly step: string | null
  readonly parentRunId: string | null
  readonly retryOf: string | null
  readonly idempotencyKey: string | null
  readonly requestHash: string
  readonly trigger: RunTrigger
  readonly scheduledFor: string | null
  /** Processing time of time rules and retention; null: when it runs. */
  readonly asOf: string | null
  readonly windowFrom: string | null
  readonly windowTo: string | null
  readonly version: string | null
  readonly definitionHash: string | null
  /** Version of this package. */
  readonly package: string
  /** Of a build: its mode. */
  readonly mode: string | null
  /** References and, of a pipeline, the body it started with. Nothing personal, no secrets. */
  readonly input: Json
  /** Where the next attempt goes on; shape is the operation's own. */
  readonly cursor: Json
  readonly fromSeq: number | null
  readonly toSeq: number | null
  readonly headAtRequest: number | null
  readonly status: RunStatus
  /** Of `waiting`: `retry`, `slot`, `run:<id>`, `pool:<name>`, `approval`, `hold:<id>`, `store:<name>`. */
  readonly waitingFor: string | null
  readonly stats: Counters
  /** Attempts since the last committed chunk; 0 before the first. */
  readonly attempt: number
  /** Grows with every attempt; units of an earlier one are fenced. */
  readonly epoch: number
  readonly errorCode: string | null
  readonly error: RunError | null
  readonly tags: Readonly<Record<string, string>>
  readonly engine: 'temporal' | 'local'
  readonly workflowId: string | null
  readonly traceparent: string | null
  /** Somebody wants it to stop: why; null: nobody. */
  readonly cancelReason: string | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly progressAt: string | null
  readonly finishedAt: string | null
}

export type NewRun = Pick<RunRow, 'runId' | 'op' | 'requestHash' | 'trigger' | 'package' | 'engine'> &
  Partial<
    Omit<RunRow, 'attempt' | 'epoch' | 'startedAt' | 'progressAt' | 'finishedAt' | 'createdAt' | 'error' | 'errorCode'>
  >

export type RunEventKind = 'log' | 'progress' | 'retry' | 'state' | 'materialization' | 'check'
export interface RunEvent {
  readonly runId: string
  readonly seq: number
  readonly at: string
  readonly kind: RunEventKind
  readonly step: string | null
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly code: string | null
  readonly message: string
  readonly data: Json
}
export type NewRunEvent = Pick<RunEvent, 'kind' | 'message'> & Partial<Omit<RunEvent, 'runId' | 'seq' | 'at'>>

export interface RunFilter {
  readonly status?: readonly RunStatus[]
  readonly op?: readonly RunOp[]
  readonly pipeline?: string
  readonly parentRunId?: string | null
  readonly tags?: Readonly<Record<string, string>>
  /** Created at or after. */
  readonly since?: string
  readonly limit?: number
}

/** Fields that change outside units of work. */
export type RunChange = Partial<
  Pick<
    RunRow,
    | 'status'
    | 'waitingFor'
    | 'mode'
    | 'version'
    | 'definitionHash'
    | 'fromSeq'
    | 'toSeq'
    | 'headAtRequest'
    | 'cursor'
    | 'stats'
    | 'error'
    | 'workflowId'
    | 'traceparent'
    | 'cancelReason'
    | 'asOf'
    | 'finishedAt'
    | 'startedAt'
    | 'engine'
  >
>

/** What names a run's attempt in the units it commits. */
export interface RunFence {
  readonly runId: string
  readonly epoch: number
}

export interface RunPort {
  /**
   * Stores a queued run. With an idempotency key that exists, the run stored first (`created: false`); with another
   * `requestHash` a `ConflictError` (`E_CONFLICT`). A `runId` that exists is returned too.
   */
  create(run: NewRun, at: string): Promise<{ readonly run: RunRow; readonly created: boolean }>
  get(runId: string): Promise<RunRow | undefined>
  /** Newest first; children included unless `parentRunId` says otherwise (null: top-level runs). */
  list(filter?: RunFilter): Promise<RunRow[]>
  /** Steps of a run in the order in which they were made. */
  children(runId: string): Promise<RunRow[]>
  /**
   * Starts an attempt: epoch and attempt grow by one, `queued` and `waiting` become `running`. A run that has ended is
   * returned as it is. `NotFoundError` for an unknown one.
   */
  begin(runId: string, at: string): Promise<RunRow>
  /**
   * In the unit of a chunk: `Fenced` unless this is the run's latest attempt and it is running; then cursor, counters
   * (added to those there are) and time of progress are stored, and `attempt` starts anew. With `progress: false` it only
   * fences: the unit is one that every attempt makes.
   */
  advance(
    unit: Unit,
    fence: RunFence,
    change: { at: string; cursor?: Json; add?: Counters; progress?: boolean },
  ): Promise<void>
  /**
   * Changes the run, appends events and enqueues notifications in one transaction. With `from`, only if its status is one
   * of these; with `epoch`, only if no later attempt began. Returns the row, or null if it did not apply.
   */
  change(
    runId: string,
    change: RunChange,
    options: {
      at: string
      from?: readonly RunStatus[]
      epoch?: number
      events?: readonly NewRunEvent[]
      notifications?: readonly NewNotification[]
    },
  ): Promise<RunRow | null>
  log(runId: string, at: string, events: readonly NewRunEvent[]): Promise<void>
  /** Ascending by `seq`, those above `after`. */
  events(
    runId: string,
    options?: { after?: number; limit?: number; kinds?: readonly RunEventKind[] },
  ): Promise<RunEvent[]>
  /** Removes ended runs (with events) and what else is older; returns how many rows. Never `input_marks`, `inbox`, open letters. */
  expire(before: { runs: string; events: string; ticks: string; checks: string; letters: string }): Promise<number>
}

// ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────

export type TickOutcome = 'started' | 'queued' | 'skipped' | 'superseded' | 'missed' | 'paused'
export interface ScheduleTick {
  readonly pipeline: string
  readonly scheduledFor: string
  readonly decidedAt: string
  readonly outcome: TickOutcome
  readonly runId: string | null
  readonly reason: string | null
}
/** A pipeline as `schedule apply` stored it. */
export interface AppliedPipeline {
  readonly name: string
  readonly body: Json
  readonly pipelineHash: string
  readonly pausedReason: string | null
  readonly appliedAt: string
}

export interface SchedulePort {
  pipelines(): Promise<AppliedPipeline[]>
  putPipeline(row: AppliedPipeline): Promise<void>
  removePipeline(name: string): Promise<void>
  ticks(pipeline: string, options?: { since?: string; limit?: number }): Promise<ScheduleTick[]>
  /**
   * Runs `decide` under the pipeline's lock with its latest slots and runs that have not ended, and stores what it says,
   * all in one transaction: slots (inserted, or replaced where they exist) and runs to create.
   */
  decide(
    pipeline: string,
    at: string,
    decide: (now: {
      readonly applied: AppliedPipeline | undefined
      /** Newest first, at most 100. */
      readonly ticks: readonly ScheduleTick[]
      readonly active: readonly RunRow[]
    }) => { readonly ticks: readonly ScheduleTick[]; readonly runs: readonly NewRun[] },
  ): Promise<void>
}

// ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface InputMark {
  readonly pipeline: string
  readonly input: string
  readonly part: string
  readonly fingerprint: string
  /** Where the next chunk starts; shape is the input kind's own. */
  readonly position: Json
  readonly state: 'open' | 'done' | 'held'
  readonly recordsRead: number
  readonly ingested: number
  readonly duplicates: number
  readonly failed: number
  readonly runId: string | null
  readonly updatedAt: string
}
/** A pushed record that waits for its ingest. */
export interface InboxRow {
  readonly batchId: string
  readonly line: number
  readonly source: string
  readonly raw: string
  readonly receivedAt: string
}

export interface InputPort {
  marks(pipeline: string, input: string): Promise<InputMark[]>
  /** In the unit of a chunk. `Fenced` if the stored position is not `before` (null: there is no mark yet). */
  putMark(unit: Unit, mark: InputMark, before: InputMark | null): Promise<void>
  setState(
    keys: readonly Pick<InputMark, 'pipeline' | 'input' | 'part'>[],
    state: InputMark['state'],
    at: string,
  ): Promise<void>
  /** Stores pushed records; one transaction. */
  push(rows: readonly InboxRow[]): Promise<void>
  /** Ids of stored batches of a source with their numbers of lines, oldest first. */
  batches(source?: string): Promise<{ batchId: string; source: string; lines: number; receivedAt: string }[]>
  inbox(batchId: string, options: { after: number; limit: number }): Promise<InboxRow[]>
  /** In the unit that appends them. */
  dropInbox(unit: Unit, batchId: string, upToLine: number): Promise<void>
  /** Removes the pushed records that mention the person; how many there were. Readers go on at the next line there is. */
  eraseInbox(unit: Unit, subject: FrozenSubject): Promise<number>
  /** How many `eraseInbox` would remove; of committed data without a unit. */
  inboxOf(unit: Unit | null, subject: FrozenSubject): Promise<number>
  /** Notes which sequences were known when (`ledger_marks`); in the unit of the append. */
  noteHead(unit: Unit, at: string, head: number): Promise<void>
  headAt(at: string): Promise<number>
}

// ── dead letters, checks, notifications ──────────────────────────────────────────────────────────────────────────

export interface DeadLetterRow {
  readonly id: string
  readonly runId: string | null
  readonly status: 'open' | 'retried' | 'dropped'
  readonly reason: string | null
  readonly failure: EventFailure
}
export interface DeadLetterPort {
  add(unit: Unit, runId: string | null, failures: readonly EventFailure[]): Promise<void>
  /** Oldest first; those stored after the one that `after` names. */
  list(filter?: {
    status?: DeadLetterRow['status']
    source?: string
    stage?: string
    after?: string
    limit?: number
  }): Promise<DeadLetterRow[]>
  get(id: string): Promise<DeadLetterRow | undefined>
  setStatus(ids: readonly string[], status: DeadLetterRow['status'], reason: string | null): Promise<number>
  count(status: DeadLetterRow['status']): Promise<{ source: string; letters: number }[]>
  /** Removes the letters of the person: by entity, sequence, event id, or a mention anywhere in the record. How many. */
  erase(unit: Unit, subject: FrozenSubject): Promise<number>
  /** Treats the records of the person's letters in place; how many changed. */
  treat(unit: Unit, subject: FrozenSubject): Promise<number>
  /** How many letters `erase`, or of a redaction `treat`, would change; of committed data without a unit. */
  concerning(unit: Unit | null, subject: FrozenSubject): Promise<number>
}

export interface CheckResult {
  readonly runId: string
  readonly check: string
  readonly asset: string
  readonly severity: 'warn' | 'error'
  readonly blocking: boolean
  readonly passed: boolean
  readonly value: number | null
  /** Up to 20 entity ids. */
  readonly sampleIds: readonly string[]
  readonly message: string | null
  readonly at: string
}
export interface CheckPort {
  put(results: readonly CheckResult[]): Promise<void>
  /** The latest of every check. */
  latest(): Promise<CheckResult[]>
  /** Newest first. */
  history(check: string, limit: number): Promise<CheckResult[]>
  /**
   * Removes entity ids wherever the log may name them: samples and messages of checks, messages, data and errors of runs,
   * alerts. How many rows changed.
   */
  eraseSamples(unit: Unit, entityIds: readonly string[]): Promise<number>
  /** How many rows name one of the ids; of committed data without a unit. */
  samplesOf(unit: Unit | null, entityIds: readonly string[]): Promise<number>
}

/** `subject`: what it is about (`run/<id>`, `check/<name>`, `asset/<name>`); one open alert per rule and subject. */
export interface Notification {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly target: Json
  readonly payload: Json
  readonly status: 'pending' | 'sent' | 'dead'
  readonly attempts: number
  readonly createdAt: string
  readonly availableAt: string
  readonly leaseToken: string | null
}
export type NewNotification = Pick<Notification, 'id' | 'kind' | 'subject' | 'target' | 'payload' | 'availableAt'>
export interface NotificationPort {
  enqueue(rows: readonly NewNotification[], at: string): Promise<void>
  /** Takes up to `limit` due ones for `leaseMs`; nobody else gets them meanwhile. */
  lease(at: string, leaseMs: number, limit: number): Promise<Notification[]>
  sent(id: string, leaseToken: string): Promise<void>
  retry(id: string, leaseToken: string, availableAt: string | null): Promise<void>
  /** Newest first; of one kind and subject. */
  of(kind: string, subject: string): Promise<Notification[]>
  count(): Promise<Readonly<Record<Notification['status'], number>>>
}

/** All of it, of one space. */
export interface RunLog {
  readonly runs: RunPort
  readonly schedules: SchedulePort
  readonly inputs: InputPort
  readonly letters: DeadLetterPort
  readonly checks: CheckPort
  readonly notifications: NotificationPort
}
