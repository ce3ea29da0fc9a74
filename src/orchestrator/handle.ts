/** A run as its caller holds it; everything is read from the database (spec 10 §8). */
import { setTimeout as pause } from 'node:timers/promises'
import { DefactoError, NotFoundError } from '../errors.ts'
import type { Control, Orchestration, Runner } from '../orchestration/contract.ts'
import { errorOf, RunCancelled } from '../orchestration/failure.ts'
import { type Counters, RUN_ENDED, type RunEvent, type RunOp, type RunRow } from '../ports/runs.ts'

export type RunInfo = RunRow
/** How far a run is: its counters, its steps by status, and the last thing it said. */
export interface Progress {
  readonly status: RunRow['status']
  readonly waitingFor: string | null
  readonly stats: Counters
  readonly steps: Readonly<Partial<Record<RunRow['status'], number>>>
  readonly progressAt: string | null
}

/** What starts and stops runs. */
export interface RunParts {
  readonly context: Orchestration
  readonly control: Control
  readonly runner: Runner
}

const FIRST_LOOK_MS = 25
const SLOWEST_LOOK_MS = 500
const PAGE = 500

export class RunHandle<O extends RunOp = RunOp> {
  readonly id: string
  readonly op: O
  readonly #parts: RunParts

  constructor(parts: RunParts, run: Pick<RunRow, 'runId' | 'op'>) {
    this.id = run.runId
    this.op = run.op as O
    this.#parts = parts
  }

  async info(): Promise<RunInfo> {
    const run = await this.#parts.context.operations.log.runs.get(this.id)
    if (run === undefined) throw new NotFoundError(`there is no run '${this.id}'`)
    return run
  }

  async progress(): Promise<Progress> {
    const { status, waitingFor, stats, progressAt } = await this.info()
    const children = await this.#parts.context.operations.log.runs.children(this.id)
    const steps: Partial<Record<RunRow['status'], number>> = {}
    for (const child of children) steps[child.status] = (steps[child.status] ?? 0) + 1
    const latest = [progressAt, ...children.map((child) => child.progressAt)].filter((at) => at !== null)
    return { status, waitingFor, stats, steps, progressAt: latest.sort().at(-1) ?? null }
  }

  /** From the one after `after` on, until the run has ended. */
  async *events(options: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<RunEvent> {
    const { runs } = this.#parts.context.operations.log
    const { signal } = options
    let after = options.after ?? 0
    for (let wait = FIRST_LOOK_MS; ; ) {
      signal?.throwIfAborted()
      // Looked at before the events: what it noted at its end is among them.
      const over = RUN_ENDED.includes((await this.info()).status)
      for (;;) {
        const page = await runs.events(this.id, { after, limit: PAGE })
        for (const event of page) {
          after = event.seq
          yield event
        }
        if (page.length > 0) wait = FIRST_LOOK_MS
        if (page.length < PAGE) break
      }
      if (over) return
      await pause(wait, undefined, { signal })
      wait = Math.min(2 * wait, SLOWEST_LOOK_MS)
    }
  }

  /** The counters of the run once it has ended; rejects with its error, of the class that it had (spec 10 §4.5). */
  async result(options: { signal?: AbortSignal } = {}): Promise<Counters> {
    const run = await this.ended(options)
    const { status, stats, error } = run
    if (status === 'succeeded' || status === 'skipped' || status === 'coalesced') return stats
    if (error !== null) throw errorOf(error)
    if (status === 'cancelled') throw new RunCancelled()
    throw new DefactoError(`run '${this.id}' ended as '${status}'`, 'E_RUN', { details: { runId: this.id, status } })
  }

  /** The run once it has ended, however. */
  async ended({ signal }: { signal?: AbortSignal } = {}): Promise<RunInfo> {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(2 * wait, SLOWEST_LOOK_MS)) {
      signal?.throwIfAborted()
      const run = await this.info()
      if (RUN_ENDED.includes(run.status)) return run
      const lost = this.#parts.runner.lost?.(this.id)
      if (lost) throw lost
      await pause(wait, undefined, { signal })
    }
  }

  /** The run once it has ended, or waits for what people decide or what another place has to give. */
  async settled({ signal }: { signal?: AbortSignal } = {}): Promise<RunInfo> {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(2 * wait, SLOWEST_LOOK_MS)) {
      signal?.throwIfAborted()
      const run = await this.info()
      const waits = run.status === 'waiting' && /^(approval|hold:|store:)/.test(run.waitingFor ?? '')
      if (waits || RUN_ENDED.includes(run.status)) return run
      const lost = this.#parts.runner.lost?.(this.id)
      if (lost) throw lost
      await pause(wait, undefined, { signal })
    }
  }

  /** Asks it and its steps to stop at the next chunk boundary; what was committed stays. */
  async cancel(reason: string): Promise<void> {
    const { control, runner } = this.#parts
    const run = await control.requestCancel(this.id, reason)
    if (!RUN_ENDED.includes(run.status)) await runner.cancel(run, reason)
  }

  /** A new run that goes on from the first step that did not succeed. */
  async retry(): Promise<RunHandle<O>> {
    const { control, runner } = this.#parts
    const run = await control.retry(this.id)
    if (run.status === 'queued') await runner.start(control.stepRef(run))
    return new RunHandle<O>(this.#parts, run)
  }
}
