/**
 * One attempt at a run's next chunks (spec 10 §4.1, §4.3): whoever drives the run calls this, again after a failure and
 * again while there is more. The database knows where it goes on.
 */
import { Fenced } from '../errors.ts'
import { withLogFields } from '../ports/log-fields.ts'
import type { LogFields } from '../ports/logger.ts'
import type { Operations } from '../ports/operations.ts'
import { type Json, type NewRunEvent, RUN_ENDED, type RunFence, type RunRow } from '../ports/runs.ts'
import { retrying } from './alerts/events.ts'
import { alertsOf } from './alerts/rules.ts'
import type { ChunkOutcome, Orchestration, Ref, StepFunction } from './contract.ts'
import {
  classify,
  isUnknown,
  mark,
  Overtaken,
  placesOf,
  RunCancelled,
  RunTimeout,
  runErrorOf,
  UNKNOWN_ATTEMPTS,
  WorkerShutdown,
} from './failure.ts'
import type { RetryPolicy } from './model.ts'
import { limitsOf } from './pinned.ts'
import { nowText } from './time.ts'

export interface AttemptCall {
  readonly signal: AbortSignal
  heartbeat(details: { runId: string; seq: number; rows: number }): void
  /** How long this call may go on taking chunks; default five minutes. */
  readonly budgetMs?: number
  /** Whoever drives the run has made this call before: an attempt that ended without a word is told of. */
  readonly again?: boolean
}

/** From this attempt without progress on, people hear of it. */
const TELL_FROM = 3
const BUDGET_MS = 300_000
/** How often an attempt looks whether its run shall stop, and says how far it is. */
const LOOK_MS = 1_000
const BUDGET = new Error('the time of this call is over')

/** Whether the signal of a step says that the time of its call is over: it returns `more: true`. */
export function isBudget(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason === BUDGET
}

/**
 * Begins an attempt and runs the step in it. A run that has ended answers with its stored counters. Rejects with the
 * step's error, marked for `classify`: no longer retryable where its attempts are used up.
 */
export async function attempt(
  context: Orchestration,
  ref: Ref,
  step: StepFunction,
  call: AttemptCall,
): Promise<ChunkOutcome> {
  const { runs } = context.operations.log
  const before = call.again === true ? await runs.get(ref.runId) : undefined
  const run = await runs.begin(ref.runId, nowText(context))
  if (RUN_ENDED.includes(run.status)) return { more: false, stats: run.stats }
  if (before !== undefined) await tellLost(context, before, run)
  if (run.cancelReason !== null) throw new RunCancelled()
  const fence: RunFence = { runId: run.runId, epoch: run.epoch }
  const watch = new Watch(context, run, call)
  const started = performance.now()
  try {
    const ids = { op: run.op, run_id: run.runId }
    const outcome = await context.trace('defacto.chunk', ids, run.traceparent, (parent) => {
      const around = <T>(transaction: () => Promise<T>): Promise<T> =>
        context.trace('defacto.db', ids, parent, transaction)
      const mine = { run, fence, signal: watch.signal, around, heartbeat: watch.heartbeat }
      return withLogFields(fieldsOf(run), () => step(context, mine))
    })
    await watch.end()
    return await settled(context, fence, outcome)
  } catch (error) {
    await watch.end()
    if (isBudget(watch.signal)) {
      const row = await runs.get(run.runId)
      return { more: true, stats: row?.stats ?? run.stats }
    }
    throw await failed(context, run, fence, await reasonOf(context.operations, run, watch.signal, error))
  } finally {
    context.metrics.observe('defacto_chunk_seconds', { op: run.op }, (performance.now() - started) / 1000)
  }
}

/** What an attempt says when it fails has its epoch; where there is nothing, its process could not say anything. */
async function tellLost(context: Orchestration, before: RunRow, run: RunRow): Promise<void> {
  if (before.status !== 'running' || before.epoch === 0) return
  const { runs } = context.operations.log
  const said = await runs.events(run.runId, { kinds: ['retry', 'state'] })
  if (said.some(({ data }) => epochOf(data) === before.epoch)) return
  const event: NewRunEvent = {
    kind: 'retry',
    level: 'warn',
    step: run.step,
    message:
      'an attempt ended without a word: its worker is gone or was silent for too long; goes on at the last committed chunk',
    data: { epoch: before.epoch, lost: true },
  }
  await runs.log(run.runId, nowText(context), [event])
}

function epochOf(data: Json): number | null {
  if (typeof data !== 'object' || data === null || !('epoch' in data)) return null
  return typeof data.epoch === 'number' ? data.epoch : null
}

/** What names the attempt in log lines. */
function fieldsOf({ runId, op, pipeline, step, epoch }: RunRow): LogFields {
  return { run_id: runId, op, ...(pipeline === null ? {} : { pipeline }), ...(step === null ? {} : { step }), epoch }
}

/** Stores the counters, and that this attempt was none in vain. */
async function settled(context: Orchestration, fence: RunFence, outcome: ChunkOutcome): Promise<ChunkOutcome> {
  const { operations } = context
  const { runs } = operations.log
  const at = nowText(context)
  const row = await runs.get(fence.runId)
  const stats = { ...row?.stats, ...outcome.stats }
  const known = row !== undefined && Object.entries(outcome.stats).every(([name, value]) => row.stats[name] === value)
  if (!known) await runs.change(fence.runId, { stats }, { at, epoch: fence.epoch })
  if (row === undefined || row.attempt > 0) await anew(operations, fence)
  if (outcome.waitMs !== undefined) await waits(context, fence, outcome)
  return { ...outcome, stats }
}

/** The run says for what it waits; the next attempt finds out whether that came about. */
async function waits(context: Orchestration, fence: RunFence, { waitingFor = 'retry' }: ChunkOutcome): Promise<void> {
  const { runs } = context.operations.log
  const before = await runs.get(fence.runId)
  const event: NewRunEvent = { kind: 'state', level: 'info', message: `waits for ${waitingFor}` }
  const events = before?.waitingFor === waitingFor ? [] : [event]
  const options = { at: nowText(context), epoch: fence.epoch, from: ['running'], events } as const
  await runs.change(fence.runId, { status: 'waiting', waitingFor }, options)
}

/** The count of attempts starts anew, as after every unit of the run. */
async function anew(operations: Operations, fence: RunFence): Promise<void> {
  await operations.unit({ fence }, async () => {})
}

/** Why a step stopped: the signal's reason where it was asked to, else its own error. */
async function reasonOf(operations: Operations, run: RunRow, signal: AbortSignal, error: unknown): Promise<unknown> {
  if (!signal.aborted) return error
  const { reason } = signal
  if (reason instanceof RunTimeout || reason instanceof WorkerShutdown || reason instanceof RunCancelled) return reason
  const now = await operations.log.runs.get(run.runId)
  // Silent for too long, and told so: the attempt that took over has begun already.
  if (now !== undefined && now.epoch > run.epoch) return new Fenced('a later attempt of this run began')
  if (now !== undefined && now.cancelReason === null && isShutdown(reason)) return new WorkerShutdown()
  return new RunCancelled()
}

/** A server's client says with this word that its worker ends. */
function isShutdown(reason: unknown): boolean {
  return reason instanceof Error && reason.message.includes('WORKER_SHUTDOWN')
}

/** Records the failure in the run and returns the error to throw. */
async function failed(context: Orchestration, run: RunRow, fence: RunFence, thrown: unknown): Promise<Error> {
  const { operations } = context
  const at = nowText(context)
  const error = thrown instanceof Error ? thrown : new Error('something that is no error was thrown')
  const failure = classify(error)
  const row = (await operations.log.runs.get(run.runId)) ?? run
  if (failure.type === 'Fenced') {
    context.metrics.count('defacto_fenced_total', { op: run.op })
    await tellFenced(context, run, failure.code)
    // Whoever drives the run listens to its last attempt alone; that one goes on if a forgotten one woke up and began.
    if (row.epoch > run.epoch && !RUN_ENDED.includes(row.status)) return new Overtaken(undefined, { cause: error })
  }
  const options = { at, epoch: fence.epoch, from: ['running', 'waiting'] } as const
  if (failure.benign) {
    if (!failure.retryable) return error
    // Waiting is no failure: attempts before and after it are counted without it.
    await anew(operations, fence)
    if (failure.type === 'LockHeld') {
      const events = row.waitingFor === 'slot' ? [] : [state('waits for a slot', failure.code)]
      await operations.log.runs.change(run.runId, { status: 'waiting', waitingFor: 'slot' }, { ...options, events })
    } else {
      const event = state('handed back: this worker ends, or the run is taken on elsewhere', failure.code)
      await operations.log.runs.log(run.runId, at, [{ ...event, data: { epoch: run.epoch } }])
    }
    return error
  }
  if (isUnknown(error)) {
    operations.logger.child('defacto.pipeline').error('a step failed unexpectedly', {
      run_id: run.runId,
      op: run.op,
      class: failure.type,
      places: placesOf(error),
    })
  }
  const { retry, pipeline } = limitsOf(run)
  const attempts = Math.max(1, row.attempt)
  const limit = isUnknown(error) ? UNKNOWN_ATTEMPTS : retry.attempts === 0 ? Number.POSITIVE_INFINITY : retry.attempts
  const again = failure.retryable && attempts < limit
  if (!again) {
    await operations.log.runs.change(run.runId, { error: runErrorOf({ ...failure, retryable: false }) }, options)
    return mark(error, { retryable: false, delayMs: null })
  }
  const delayMs = failure.delayMs ?? delayOf(retry, attempts)
  context.metrics.count('defacto_retries_total', { op: run.op })
  const event: NewRunEvent = {
    kind: 'retry',
    level: 'warn',
    step: run.step,
    code: failure.code,
    message: `attempt ${attempts} failed: ${failure.message}`,
    data: { attempt: attempts, delayMs, epoch: run.epoch },
  }
  const tell = attempts >= TELL_FROM
  const notifications = tell ? await alertsOf(context, pipeline, [retrying(row, at, failure.code)]) : []
  await operations.log.runs.change(
    run.runId,
    { error: runErrorOf(failure), ...(tell ? { status: 'waiting', waitingFor: 'retry' } : {}) },
    { ...options, events: [event], notifications },
  )
  return mark(error, { delayMs })
}

/** Nothing of it was written; in the log of the process that woke up, and in the run's own. */
async function tellFenced(context: Orchestration, run: RunRow, code: string): Promise<void> {
  const message = 'fenced: another attempt or writer took over, and nothing more was written by this one'
  const fields = { run_id: run.runId, op: run.op, epoch: run.epoch }
  const { operations } = context
  operations.logger.child('defacto.lifecycle').warn(message, fields)
  await operations.log.runs.log(run.runId, nowText(context), [
    { kind: 'state', level: 'warn', step: run.step, code, message, data: { epoch: run.epoch, fenced: true } },
  ])
}

function delayOf(retry: RetryPolicy, attempts: number): number {
  return Math.min(retry.maxMs, retry.backoffMs * retry.factor ** (attempts - 1))
}

function state(message: string, code: string): NewRunEvent {
  return { kind: 'state', level: 'info', code, message }
}

/** The signal of a step, and its news: both look after the run while it works. */
class Watch {
  readonly signal: AbortSignal
  readonly #context: Orchestration
  readonly #run: RunRow
  readonly #call: AttemptCall
  readonly #own = new AbortController()
  readonly #budget: NodeJS.Timeout
  #looked = performance.now()
  #looking: Promise<void> = Promise.resolve()

  constructor(context: Orchestration, run: RunRow, call: AttemptCall) {
    this.#context = context
    this.#run = run
    this.#call = call
    this.signal = AbortSignal.any([call.signal, this.#own.signal])
    this.#budget = setTimeout(() => this.#own.abort(BUDGET), call.budgetMs ?? BUDGET_MS)
    this.#budget.unref()
  }

  readonly heartbeat = (details: { runId: string; seq: number; rows: number }): void => {
    this.#call.heartbeat(details)
    const now = performance.now()
    if (now - this.#looked < LOOK_MS) return
    this.#looked = now
    this.#looking = this.#looking.then(() => this.#look(details)).catch(() => undefined)
  }

  async end(): Promise<void> {
    clearTimeout(this.#budget)
    await this.#looking
  }

  /** Says how far it is; somebody else may have asked the run to stop. */
  async #look(details: { seq: number; rows: number }): Promise<void> {
    const { runs } = this.#context.operations.log
    const { runId, step } = this.#run
    const { seq, rows } = details
    await runs.log(runId, nowText(this.#context), [
      { kind: 'progress', level: 'debug', step, message: 'chunk committed', data: { seq, rows } },
    ])
    const now = await runs.get(runId)
    if (now !== undefined && now.cancelReason !== null) this.#own.abort(new RunCancelled())
  }
}
