/**
 * What runners, steps and workflows agree on (spec 10 §4). Everything in the first half travels through Temporal: ids,
 * counters, instants, enumerations and codes, never anything of an event.
 */
import type { InputReaders } from '../ports/inputs.ts'
import type { Operations, RunCall } from '../ports/operations.ts'
import type { Counters, Json, RunFence, RunOp, RunRow, RunStatus, RunTrigger, TickOutcome } from '../ports/runs.ts'
import type { CheckDefinition } from './checks/code.ts'
import type { Pipeline, RetryPolicy } from './model.ts'

/** Input of every workflow and activity but those of schedules. */
export interface Ref {
  readonly v: 1
  /** `<namespace>-<first 8 digits of the space id>`. */
  readonly space: string
  readonly runId: string
}
/** Input of what a schedule starts; `slot`: the nominal instant, null where the server did not give one. */
export interface SlotRef {
  readonly v: 1
  readonly space: string
  readonly pipeline: string
  readonly slot: string | null
}

export interface OpenedRun {
  readonly op: RunOp
  /** Nothing is to be done: its stored outcome counts. */
  readonly ended: boolean
  readonly status: RunStatus
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  readonly pipeline: string | null
  /** Steps are given to another worker when theirs was silent for so long; left out: as usual. */
  readonly heartbeatMs?: number
}

/** A run to start next. */
export interface StepRef {
  readonly runId: string
  readonly op: RunOp
  /** Below `defacto/{space}/` (spec 10 §4.2): `build`, `ingest/nightly/files`, `check/r_…`. */
  readonly workflowId: string
}
export interface NextStep {
  /** Start these, at most `parallel` at once, and ask again when all have ended. Empty with `done`. */
  readonly steps: readonly StepRef[]
  readonly parallel: number
  readonly done: boolean
}

export interface CloseRequest extends Ref {
  /** How the workflow ended; null: what the steps say decides. */
  readonly failure: { readonly code: string; readonly class: string; readonly message: string } | null
  readonly cancelled: boolean
}
export interface ClosedRun {
  readonly status: RunStatus
  readonly errorCode: string | null
  readonly stats: Counters
}

/** What became of a slot, and whether its run may start now. */
export interface SlotDecision {
  readonly outcome: TickOutcome
  /** Null: nothing is to run. */
  readonly runId: string | null
  /** Runs to cancel first (`overlap: cancel`). */
  readonly cancel: readonly string[]
}

/** What a run does whose workflow id is taken by another one. */
export interface Joined {
  /** `go`: try again to start; `covered`: the other run's outcome is this one's and is stored; `wait`: ask again. */
  readonly state: 'go' | 'covered' | 'wait'
}

export interface ChunkOutcome {
  /** Call again: the time of one activity is over, the work is not. */
  readonly more: boolean
  readonly stats: Counters
  /** With `more`: nothing can be done before so many milliseconds are over, or somebody decides. */
  readonly waitMs?: number
  /** With `waitMs`, for what: `approval`, `hold:<id>`, `store:<name>`. */
  readonly waitingFor?: string
  /** Go on with this step of the operation instead of the one after. */
  readonly next?: string
}

// ── inside a process ─────────────────────────────────────────────────────────────────────────────────────────────

/** Where pipelines stand, and what their texts refer to. */
export interface ProjectAccess {
  /** Folder that relative paths of inputs and outputs begin at. */
  readonly folder: string
  /** Pipelines of the definitions on disk, by name; rejects with `DefinitionError`. */
  pipelines(): Promise<ReadonlyMap<string, { readonly pipeline: Pipeline; readonly body: unknown }>>
  /** Checks written in code; run by every `check` step. */
  readonly checks?: readonly CheckDefinition[]
  /** `${env:…}` and `${file:…}` put in; `ConfigError` naming what is missing. */
  resolve(text: string): string
  /** Slots of each pool. */
  readonly pools: Readonly<Record<string, number>>
  /** Ages in milliseconds after which metadata go (spec 10 §2). */
  readonly metadata: Readonly<Record<'runs' | 'logs' | 'ticks' | 'checks' | 'deadLetters', number>>
}

export interface Metrics {
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void
  observe(name: string, labels: Readonly<Record<string, string>>, value: number): void
  gauge(name: string, labels: Readonly<Record<string, string>>, value: number): void
}
/** A span around work; `defacto.run > defacto.step > defacto.chunk`. No personal data in attributes. */
export type Trace = <T>(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  parent: string | null,
  work: (traceparent: string | null) => Promise<T>,
) => Promise<T>

/** What steps work with, in whatever runner. */
export interface Orchestration {
  readonly operations: Operations
  readonly project: ProjectAccess
  /** Made by `inputReaders` of `src/input-readers.ts`. */
  readonly inputs: InputReaders
  readonly clock: () => Date
  readonly metrics: Metrics
  readonly trace: Trace
  /** Version of this package. */
  readonly package: string
  readonly engine: 'temporal' | 'local'
}

/** One attempt at a run's next chunks. */
export interface StepCall {
  readonly run: RunRow
  readonly fence: RunFence
  /** Cancelled, shutting down, or the time of this call is over (`isBudget` of `attempt.ts`): stop at the chunk boundary. */
  readonly signal: AbortSignal
  /** Runs the transactions of engine calls, as spans of their own. */
  readonly around?: RunCall['around']
  /** After every chunk. */
  heartbeat(details: { runId: string; seq: number; rows: number }): void
}
/** Goes on at `run.cursor`; returns `more: true` when stopped by its budget. `stats` replace the run's counters where given. */
export type StepFunction = (context: Orchestration, call: StepCall) => Promise<ChunkOutcome>

export interface SubmitRequest {
  readonly op: RunOp
  /** Pipeline to run (`op: 'pipeline'`), or that an ingest's input belongs to. */
  readonly pipeline?: string
  /** Options of the operation, names in camelCase, values as in `OpInput` (spec 10 §7.1). */
  readonly input?: Json
  readonly key?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly asOf?: string
  readonly trigger?: RunTrigger
  readonly scheduledFor?: string
}

/** The life of runs, on the database alone; every call is a short transaction that may be repeated (spec 10 §4.2–4.4). */
export interface Control {
  submit(request: SubmitRequest): Promise<{ readonly run: RunRow; readonly created: boolean }>
  openRun(ref: Ref): Promise<OpenedRun>
  nextStep(ref: Ref): Promise<NextStep>
  decideSlot(ref: SlotRef): Promise<SlotDecision>
  /** Of a run whose workflow id is taken. */
  joinRun(ref: Ref): Promise<Joined>
  closeRun(request: CloseRequest): Promise<ClosedRun>
  /** Where the run's workflow goes: its reference below `defacto/{space}/`. */
  stepRef(run: RunRow): StepRef
  /** Asks the run and its steps to stop; a queued one is cancelled at once. */
  requestCancel(runId: string, reason: string): Promise<RunRow>
  /** A new run that goes on from the first step that did not succeed. */
  retry(runId: string): Promise<RunRow>
  /** The run that carries a request out: made if it has none that goes on. */
  runOfRequest(requestId: string): Promise<RunRow>
  /** Whether a run that is to stop may do so; an erasure may not once its pivot is behind it. */
  mayStop(runId: string): Promise<boolean>
  /** Runs that stay `queued` although nothing starts them; the caller does. Also ages of freshness and outbox are looked at. */
  sweep(): Promise<readonly StepRef[]>
}

/** Starts what was submitted, and stops it: Temporal, or this process. */
export interface Runner {
  readonly engine: 'temporal' | 'local'
  start(ref: StepRef): Promise<void>
  cancel(run: RunRow, reason: string): Promise<void>
  /** Somebody decided about what the run waits for; it looks again. */
  wake(ref: StepRef): Promise<void>
  /** Why a run of this process will never be seen to end: the database would not take its end. */
  lost?(runId: string): Error | null
  close(): Promise<void>
}

/** A schedule as the server has it. */
export interface ServerSchedule {
  readonly pipeline: string
  readonly pipelineHash: string | null
  readonly paused: boolean
  readonly note: string | null
  /** Next instants, as far as the server says. */
  readonly next: readonly string[]
}
/** Schedules of one space on the server; `ConfigError` (`E_CONFIG_NO_SCHEDULES`) where the runner is local. */
export interface ScheduleServer {
  list(): Promise<readonly ServerSchedule[]>
  put(pipeline: Pipeline, paused: string | null): Promise<void>
  remove(pipeline: string): Promise<void>
  pause(pipeline: string, reason: string): Promise<void>
  resume(pipeline: string): Promise<void>
}
