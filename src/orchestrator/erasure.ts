/** Requests to erase and redact, and holds, carried out by runs (spec 10 §8, §10). */
import { hash } from 'node:crypto'
import type { Control, Orchestration, Runner } from '../orchestration/contract.ts'
import type { ErasureRequest } from '../ports/privacy.ts'
import { RUN_ENDED, type RunRow } from '../ports/runs.ts'
import type { ErasureApi, HoldApi } from '../privacy.ts'

type Input = Parameters<ErasureApi['request']>[0]
type Made = Awaited<ReturnType<ErasureApi['request']>>

export interface RequestedRun extends Made {
  readonly requestId: string
  /** What carries it out; null: it is left to a step `erase_queue`, or to the next sweep. */
  readonly run: RunRow | null
}

interface Parts {
  readonly context: Orchestration
  readonly control: Control
  readonly runner: Runner
  readonly erasure: ErasureApi
}

/** The subcommands of `defacto erase`: what was asked for is done by a run, which waits for approval, holds and stores. */
export class Erasures {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  plan: ErasureApi['plan'] = (subject) => this.#parts.erasure.plan(subject)
  status: ErasureApi['status'] = (requestId) => this.#parts.erasure.status(requestId)
  list: ErasureApi['list'] = (filter) => this.#parts.erasure.list(filter)
  certificate: ErasureApi['certificate'] = (requestId) => this.#parts.erasure.certificate(requestId)
  certificates: ErasureApi['certificates'] = () => this.#parts.erasure.certificates()

  /**
   * Stores the request and has its run started. `queue`: not by a run of its own. Where this process ends in between, the
   * next sweep starts it.
   */
  async request(
    input: Input,
    options: { readonly queue?: boolean; readonly key?: string } = {},
  ): Promise<RequestedRun> {
    const { key } = options
    const made = await this.#parts.erasure.request(input)
    const { requestId } = made.request
    if (key !== undefined) await this.#parts.context.operations.privacy.log.putNote(noteOf(key), requestId)
    const run = options.queue === true ? null : await this.start(requestId)
    return { ...made, requestId, run }
  }

  /** The request that was made with this key; null: none. */
  async known(key: string): Promise<ErasureRequest | null> {
    const { log } = this.#parts.context.operations.privacy
    const requestId = await log.note(noteOf(key))
    return requestId === null ? null : ((await log.request(requestId)) ?? null)
  }

  /** The run of a request: started, if it has not been, or told to look again. */
  async start(requestId: string): Promise<RunRow> {
    const { control, runner } = this.#parts
    const run = await control.runOfRequest(requestId)
    if (run.status === 'queued') await runner.start(control.stepRef(run))
    else if (!RUN_ENDED.includes(run.status)) await runner.wake(control.stepRef(run))
    return run
  }

  approve: ErasureApi['approve'] = async (requestId, options) => {
    const request = await this.#parts.erasure.approve(requestId, options)
    await this.#wake([requestId])
    return request
  }

  refuse: ErasureApi['refuse'] = async (requestId, options) => {
    const request = await this.#parts.erasure.refuse(requestId, options)
    await this.#wake([requestId])
    return request
  }

  /** Requests that may go on. */
  async woken(requestIds: readonly string[]): Promise<void> {
    await this.#wake(requestIds)
  }

  async #wake(requestIds: readonly string[]): Promise<void> {
    const { context, control, runner } = this.#parts
    const { log, privacy } = context.operations
    for (const requestId of requestIds) {
      const { runId = null } = (await privacy.log.request(requestId)) ?? {}
      const run = runId === null ? undefined : await log.runs.get(runId)
      if (run !== undefined && !RUN_ENDED.includes(run.status)) await runner.wake(control.stepRef(run))
    }
  }
}

/** Whoever chose the key may have put anything in it. */
function noteOf(key: string): string {
  return `erase_key/${hash('sha256', key).slice(0, 32)}`
}

/** The subcommands of `defacto hold`. */
export class Holds {
  readonly #holds: HoldApi
  readonly #erasures: Erasures

  constructor(holds: HoldApi, erasures: Erasures) {
    this.#holds = holds
    this.#erasures = erasures
  }

  add: HoldApi['add'] = (hold) => this.#holds.add(hold)
  list: HoldApi['list'] = (options) => this.#holds.list(options)

  /** Requests that waited for it go on at once. */
  release: HoldApi['release'] = async (holdId) => {
    const released = await this.#holds.release(holdId)
    await this.#erasures.woken(released.requests)
    return released
  }
}
