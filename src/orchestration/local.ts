/**
 * Runs in this process (spec 10 §5): the same steps, lock, rows, checks and alerts, retries in memory. Not durable: after
 * a crash the next run continues.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { RunRow } from '../ports/runs.ts'
import { pulse } from './alerts/pulse.ts'
import { attempt } from './attempt.ts'
import type { ChunkOutcome, CloseRequest, Control, OpenedRun, Orchestration, Ref, Runner, StepRef } from './contract.ts'
import { isOfRequest } from './control/requests.ts'
import { classify, RunCancelled, RunTimeout, WorkerShutdown } from './failure.ts'
import { BUDGET_MS, CHUNKS, STEPS } from './steps/catalog.ts'
import { nowText } from './time.ts'

const LONGEST_PAUSE_MS = 5_000
/** Of calls about the run, one after the other. */
const MOST_FAILURES = 8
const FIRST_PAUSE_MS = 50
/** Between looks at a pool that is full. */
const POOL_LOOK_MS = 500
/** What a timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface LocalRunner extends Runner {
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>
}

export function localRunner(context: Orchestration, control: Control): LocalRunner {
  return new InProcess(context, control)
}

class InProcess implements LocalRunner {
  readonly engine = 'local'
  readonly #context: Orchestration
  readonly #control: Control
  readonly #running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>()
  readonly #lost = new Map<string, Error>()
  readonly #woken = new Set<string>()
  #closed = false

  constructor(context: Orchestration, control: Control) {
    this.#context = context
    this.#control = control
  }

  async start(step: StepRef): Promise<void> {
    if (this.#closed || this.#running.has(step.runId)) return
    const stop = new AbortController()
    const ended = this.#drive(step, stop)
      .then(() => pulse(this.#context))
      .finally(() => this.#running.delete(step.runId))
      .then(() => (this.#woken.delete(step.runId) ? this.start(step) : undefined))
    this.#running.set(step.runId, { stop, ended })
  }

  async cancel(run: RunRow): Promise<void> {
    this.#running.get(run.runId)?.stop.abort(new RunCancelled())
  }

  /** What waits is not driven; what is about to wait looks again. */
  async wake(step: StepRef): Promise<void> {
    if (this.#running.has(step.runId)) this.#woken.add(step.runId)
    else await this.start(step)
  }

  lost(runId: string): Error | null {
    return this.#lost.get(runId) ?? null
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ ended }) => ended))
  }

  /** Stops at the next chunk boundary; what was begun is left as `abandoned`, and the next run continues there. */
  async close(): Promise<void> {
    this.#closed = true
    const running = [...this.#running]
    for (const [, { stop }] of running) stop.abort(new WorkerShutdown())
    await Promise.all(running.map(([, { ended }]) => ended))
  }

  /** From start to end; a run that cannot be closed is found by the next process. */
  async #drive(step: StepRef, stop: AbortController): Promise<void> {
    try {
      await this.#run(step, stop)
    } catch (error) {
      const { code, type } = classify(error)
      this.#context.operations.logger.child('defacto.lifecycle').error('a run could not be followed to its end', {
        run_id: step.runId,
        op: step.op,
        code,
        class: type,
      })
      const lost = error instanceof Error ? error : new Error('something that is no error was thrown')
      await this.#abandon(step.runId).catch(() => this.#lost.set(step.runId, lost))
    }
  }

  async #run(step: StepRef, stop: AbortController): Promise<void> {
    const ref = this.#ref(step.runId)
    const { signal } = stop
    let timer: NodeJS.Timeout | undefined
    try {
      if (!(await this.#turn(ref, signal))) return
      const opened = await this.#persist(() => this.#control.openRun(ref), signal, { longest: POOL_LOOK_MS })
      if (opened.ended) return
      timer = setTimeout(() => stop.abort(new RunTimeout()), Math.min(opened.timeoutMs, LONGEST_TIMER_MS))
      timer.unref()
      if ((await this.#work(ref, opened, stop)) === 'waits') return
    } catch (error) {
      await this.#failed(ref, error)
      return
    } finally {
      clearTimeout(timer)
    }
    await this.#close(ref, { failure: null, cancelled: false })
  }

  /** Waits until no other run is in the way; false: another one did what was asked for. */
  async #turn(ref: Ref, signal: AbortSignal): Promise<boolean> {
    for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(2 * wait, 1_000)) {
      const { state } = await this.#persist(() => this.#control.joinRun(ref), signal)
      if (state !== 'wait') return state === 'go'
      // Whoever is in the way may be gone.
      for (const found of await this.#control.sweep()) if (isOfRequest(found)) await this.start(found)
      if (!(await paused(wait, signal))) throw signal.reason
    }
  }

  async #work(ref: Ref, opened: OpenedRun, stop: AbortController): Promise<'done' | 'waits'> {
    if (opened.op === 'pipeline' || opened.op === 'backfill') {
      await this.#steps(ref, stop)
      return 'done'
    }
    const names = CHUNKS[opened.op]
    for (let at = 0; at < names.length; ) {
      const { more, waitMs, next } = await this.#chunk(ref, names[at] as string, stop.signal)
      if (waitMs !== undefined) {
        // Nobody keeps a process for what people decide: the run stays as it is, and goes on when it is started again.
        const isOwn = opened.op === 'erase' || opened.op === 'redact'
        if (isOwn && waitMs > LONGEST_PAUSE_MS) return 'waits'
        if (!(await paused(waitMs, stop.signal))) throw stop.signal.reason
      }
      if (next !== undefined) at = Math.max(0, names.indexOf(next))
      else if (!more) at += 1
    }
    return 'done'
  }

  /** One step function as long as it fails in a way that may pass. */
  async #chunk(ref: Ref, name: string, signal: AbortSignal): Promise<ChunkOutcome> {
    const step = STEPS[name]
    if (step === undefined) throw new TypeError(`there is no step '${name}'`)
    const budgetMs = BUDGET_MS[name]
    const call = { signal, heartbeat() {}, ...(budgetMs === undefined ? {} : { budgetMs }) }
    // The attempt itself knows when it was the last one, and says when the next is due, if it could note that it failed.
    return this.#persist(() => attempt(this.#context, ref, step, call), signal, {
      longest: Number.POSITIVE_INFINITY,
      counted: true,
    })
  }

  async #steps(ref: Ref, stop: AbortController): Promise<void> {
    while (true) {
      stop.signal.throwIfAborted()
      const next = await this.#persist(() => this.#control.nextStep(ref), stop.signal)
      if (next.done) return
      const waiting = [...next.steps]
      const lane = async (): Promise<void> => {
        for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) await this.#child(step, stop)
      }
      await Promise.all(Array.from({ length: Math.max(1, Math.min(next.parallel, waiting.length)) }, lane))
      if (next.steps.length === 0) await paused(FIRST_PAUSE_MS, stop.signal)
    }
  }

  /** Ends with its parent; others that wait for it find it ended and go themselves. */
  async #child(step: StepRef, parent: AbortController): Promise<void> {
    const stop = new AbortController()
    const pass = (): void => stop.abort(parent.signal.reason)
    if (parent.signal.aborted) pass()
    else parent.signal.addEventListener('abort', pass, { once: true })
    const ended = this.#drive(step, stop).finally(() => {
      parent.signal.removeEventListener('abort', pass)
      this.#running.delete(step.runId)
    })
    this.#running.set(step.runId, { stop, ended })
    await ended
    const lost = this.#lost.get(step.runId)
    if (lost !== undefined) throw lost
  }

  /** Again and again while it fails in a way that may pass: benign failures for ever, others so often. */
  async #persist<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    { longest = LONGEST_PAUSE_MS, counted = false }: { longest?: number; counted?: boolean } = {},
  ): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) throw signal.reason
        const { retryable, benign, delayMs } = classify(error)
        if (counted && delayMs !== null) failures = 0
        else if (!benign) failures += 1
        if (!retryable || failures >= MOST_FAILURES) throw error
        const wait = delayMs === null ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) : delayMs
        if (!(await paused(Math.min(wait, longest), signal))) throw signal.reason
      }
    }
  }

  async #failed(ref: Ref, error: unknown): Promise<void> {
    if (error instanceof WorkerShutdown) return this.#abandon(ref.runId)
    const cancelled = error instanceof RunCancelled
    const { code, type, message } = classify(error)
    await this.#close(ref, { failure: cancelled ? null : { code, class: type, message }, cancelled })
  }

  async #close(ref: Ref, ending: Pick<CloseRequest, 'failure' | 'cancelled'>): Promise<void> {
    const never = new AbortController().signal
    await this.#persist(() => this.#control.closeRun({ ...ref, ...ending }), never)
  }

  async #abandon(runId: string): Promise<void> {
    const at = nowText(this.#context)
    const message = 'left at its last committed chunk'
    await this.#context.operations.log.runs.change(
      runId,
      { status: 'abandoned', waitingFor: null, finishedAt: at },
      { at, from: ['queued', 'running', 'waiting'], events: [{ kind: 'state', level: 'warn', message }] },
    )
  }

  #ref(runId: string): Ref {
    return { v: 1, space: this.#context.operations.space, runId }
  }
}

/** False: stopped before its time. */
async function paused(ms: number, signal: AbortSignal): Promise<boolean> {
  return pause(ms, true, { signal }).catch(() => false)
}
