/** Running a project's operations and pipelines (spec 10 §8). Temporal is loaded when it is asked for. */
import { join } from 'node:path'
import type { ProjectConfig } from './config/define.ts'
import type { LoadedProject } from './config/project.ts'
import type { TablesExport } from './core/pipeline/model.ts'
import { ConfigError } from './errors.ts'
import type { DefactoOptions } from './options.ts'
import { freshnessOf } from './orchestration/assets/freshness.ts'
import { assetInfos } from './orchestration/assets/info.ts'
import type { AssetFreshness, AssetInfo } from './orchestration/assets/model.ts'
import { type BackfillSpec, backfillWindows, submitBackfill, type Window } from './orchestration/backfill.ts'
import type { Control, Orchestration, Runner, ScheduleServer } from './orchestration/contract.ts'
import { localRunner } from './orchestration/local.ts'
import type { Pipeline } from './orchestration/model.ts'
import { Erasures, Holds } from './orchestrator/erasure.ts'
import { RunHandle, type RunInfo } from './orchestrator/handle.ts'
import { pushRecords } from './orchestrator/push.ts'
import { Schedules } from './orchestrator/schedules.ts'
import { type OpenedSpace, openOrchestration } from './orchestrator/space.ts'
import type { Json, RunFilter, RunLog, RunOp, RunRow } from './ports/runs.ts'
import type { RawEvent } from './records.ts'

export type { BackfillSpec, Window } from './orchestration/backfill.ts'
export { RunCancelled, RunTimeout } from './orchestration/failure.ts'
export type { Erasures, Holds, RequestedRun } from './orchestrator/erasure.ts'
export { type Progress, RunHandle, type RunInfo } from './orchestrator/handle.ts'
export type { ScheduleDiff, ScheduleInfo } from './orchestrator/schedules.ts'
export { type OpenedSpace, openOrchestration, orchestrationFor, spaceOver } from './orchestrator/space.ts'

/** Options of each operation. */
export interface OpInput {
  readonly pipeline: { readonly pipeline: string; readonly only?: readonly string[] }
  readonly backfill: BackfillSpec
  readonly ingest:
    | { readonly pipeline: string; readonly input: string }
    | { readonly inbox: string; readonly source: string }
  readonly build: { readonly version?: string; readonly full?: boolean; readonly fromRaw?: boolean }
  readonly tick: { readonly version?: string }
  readonly check: { readonly pipeline: string; readonly only?: readonly string[] }
  readonly flush: { readonly upTo?: number }
  readonly prune: { readonly pipeline?: string; readonly before?: number }
  readonly maintain: { readonly compact?: boolean; readonly vacuum?: boolean; readonly verify?: boolean }
  /** `to`: a folder, file or URL; `format`: default parquet. */
  readonly export: Pick<TablesExport, 'to'> & Partial<TablesExport>
  /** Of a request that is stored; `Orchestrator.erasure.request` makes both. */
  readonly erase: { readonly requestId: string }
  readonly redact: { readonly requestId: string }
  /** `maxWaitMs`: how long stores that do not answer are asked again. */
  readonly erase_queue: { readonly max?: number; readonly maxWaitMs?: number }
  readonly expire: { readonly pipeline: string }
}

export interface SubmitOptions {
  /** The same key gives the first run again. */
  readonly key?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly asOf?: string | { toString(): string }
  readonly trigger?: 'manual' | 'api'
}

export interface ConnectOptions {
  readonly engine?: 'temporal' | 'local'
  readonly profile?: string
  /** Over the project's own: a clock, a logger. */
  readonly options?: DefactoOptions
  /** Of a Temporal server; default: spec 10 §5. */
  readonly address?: string
  /** Leaves a server that is started here running. */
  readonly keep?: boolean
  /** Where address and data of a server that is started here are kept; default `.defacto` in the project. */
  readonly folder?: string
  /** Hears what is done to reach the server. */
  readonly say?: (line: string) => void
}

/** How to reach the server that was found. */
export interface FoundServer {
  readonly address: string
  readonly namespace: string
  readonly how: string
  readonly started: boolean
}

export class Orchestrator {
  readonly engine: 'temporal' | 'local'
  readonly context: Orchestration
  readonly control: Control
  readonly runner: Runner
  readonly schedules: Schedules
  /** Requests to erase and redact, each carried out by a run. */
  readonly erasure: Erasures
  readonly holds: Holds
  readonly opened: OpenedSpace
  /** Null: runs take place in this process. */
  readonly server: FoundServer | null
  readonly #release: () => Promise<void>
  readonly #following = new Set<Promise<void>>()
  readonly #ending = new AbortController()
  #closing: Promise<void> | null = null

  private constructor(parts: {
    opened: OpenedSpace
    runner: Runner
    scheduleServer: ScheduleServer | null
    server: FoundServer | null
    release: () => Promise<void>
  }) {
    const { opened, runner, scheduleServer, server, release } = parts
    this.opened = opened
    this.context = opened.context
    this.control = opened.control
    this.engine = opened.context.engine
    this.runner = runner
    this.server = server
    this.#release = release
    const { erasure, holds } = opened.defacto
    this.erasure = new Erasures({ context: this.context, control: this.control, runner, erasure })
    this.holds = new Holds(holds, this.erasure)
    this.schedules = new Schedules({
      context: this.context,
      server: scheduleServer,
      trigger: (pipeline, asOf) => this.submit('pipeline', { pipeline }, { asOf }),
    })
  }

  /** Opens a project: its folder, its configuration as an object, or one that was loaded. */
  static async connect(
    project: ProjectConfig | string | LoadedProject,
    options: ConnectOptions = {},
  ): Promise<Orchestrator> {
    const given = typeof project === 'object' && 'engine' in project ? project.engine : undefined
    const engine = options.engine ?? given ?? 'temporal'
    const opened = await openOrchestration(project, { engine, profile: options.profile, options: options.options })
    try {
      return await Orchestrator.over(opened, options)
    } catch (error) {
      await opened.defacto.close()
      throw error
    }
  }

  /** The same over a space that is open; it is closed with the orchestrator. */
  static async over(
    opened: OpenedSpace,
    options: Pick<ConnectOptions, 'address' | 'keep' | 'folder' | 'say'> = {},
  ): Promise<Orchestrator> {
    return opened.context.engine === 'local' ? Orchestrator.#local(opened) : Orchestrator.#temporal(opened, options)
  }

  static async #local(opened: OpenedSpace): Promise<Orchestrator> {
    const runner = localRunner(opened.context, opened.control)
    opened.context.operations.logger
      .child('defacto.lifecycle')
      .info('local engine: not durable; after a crash the next run continues')
    // Runs of processes that died are over; what they were doing, the next run continues.
    const left = await opened.control.sweep()
    // Requests that wait for nobody any more go on, and those that were never begun.
    for (const ref of left) if (ref.op === 'erase' || ref.op === 'redact') await runner.start(ref)
    return new Orchestrator({ opened, runner, scheduleServer: null, server: null, release: () => runner.close() })
  }

  static async #temporal(
    opened: OpenedSpace,
    options: Pick<ConnectOptions, 'address' | 'keep' | 'folder' | 'say'>,
  ): Promise<Orchestrator> {
    const { project, context } = opened
    const temporal = await loadTemporal()
    const text = (...path: string[]): string | undefined => {
      const value = project.value(...path)
      return typeof value === 'string' ? value : undefined
    }
    const server = await temporal.findTemporal({
      address: options.address ?? text('temporal', 'address'),
      profile: text('temporal', 'profile'),
      mode: text('mode') === 'production' ? 'production' : 'development',
      folder: options.folder ?? join(project.root, '.defacto'),
      keep: options.keep,
      say: options.say,
    })
    const closing: (() => Promise<void>)[] = [() => server.close()]
    const release = async (): Promise<void> => {
      for (const close of closing.reverse()) await close()
    }
    try {
      const shared = {
        temporal: server,
        space: context.operations.space,
        prefix: text('temporal', 'prefix'),
        codec: codecOf(project),
        logger: context.operations.logger.child('defacto.lifecycle'),
      }
      const runner = await temporal.temporalRunner(shared)
      closing.push(() => runner.close())
      const schedules = await temporal.scheduleServer(shared)
      closing.push(() => schedules.close())
      return new Orchestrator({ opened, runner, scheduleServer: schedules, server, release })
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Tables of the space about runs. */
  get log(): RunLog {
    return this.context.operations.log
  }

  /** What can be read: where it comes from, how fresh it is, its checks. */
  readonly assets = {
    list: async (): Promise<readonly AssetInfo[]> => assetInfos(this.context, await this.#pipelines()),
    freshness: async (): Promise<readonly AssetFreshness[]> => freshnessOf(this.context, await this.#pipelines()),
  }

  /** Stores a run and has it started; with a key that is known, the run of that key. */
  async submit<O extends RunOp>(op: O, input: OpInput[O], options: SubmitOptions = {}): Promise<RunHandle<O>> {
    if (op === 'backfill') return (await this.backfill(input as BackfillSpec, options)) as unknown as RunHandle<O>
    const { pipeline, ...rest } = input as { readonly pipeline?: string }
    const { key, tags, trigger } = options
    const asOf = options.asOf === undefined ? undefined : String(options.asOf)
    const given = rest as unknown as Json
    const { run } = await this.control.submit({ op, pipeline, input: given, key, tags, asOf, trigger })
    return this.#started<O>(run)
  }

  /**
   * Stores the records and has them read; resolves when they are stored. With `process` a build follows, if this
   * orchestrator is still open when they are read.
   */
  async push(
    source: string,
    events: Iterable<RawEvent> | AsyncIterable<RawEvent>,
    options: { key?: string; process?: boolean; tags?: Readonly<Record<string, string>> } = {},
  ): Promise<RunHandle<'ingest'>> {
    const run = await pushRecords(this.context, this.control, source, events, options)
    const handle = await this.#started<'ingest'>(run)
    if (options.process === true) this.#buildAfter(handle)
    return handle
  }

  /** One run that works through the windows of an interval. */
  async backfill(
    spec: BackfillSpec,
    options: Pick<SubmitOptions, 'key' | 'tags'> = {},
  ): Promise<RunHandle<'backfill'>> {
    const { run } = await submitBackfill(this.context, this.control, spec, options)
    return this.#started<'backfill'>(run)
  }

  /** The windows that it would work through now; nothing is stored. */
  async backfillWindows(spec: BackfillSpec): Promise<readonly Window[]> {
    return backfillWindows(this.context, spec)
  }

  /** `NotFoundError` for an unknown id. */
  async run(id: string): Promise<RunHandle> {
    const handle = new RunHandle(this, { runId: id, op: 'pipeline' })
    return new RunHandle(this, await handle.info())
  }

  /** Newest first. */
  async *runs(filter: RunFilter = {}): AsyncGenerator<RunInfo> {
    yield* await this.log.runs.list(filter)
  }

  /** Runs of this process stop at their next chunk boundary; others go on. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Lets the server go; the space stays open. */
  release(): Promise<void> {
    return this.#release()
  }

  async #close(): Promise<void> {
    this.#ending.abort()
    await Promise.all(this.#following)
    await this.#release()
    await this.opened.defacto.close()
  }

  async #started<O extends RunOp>(run: RunRow): Promise<RunHandle<O>> {
    const elsewhere = run.engine !== this.engine || (this.engine === 'local' && !this.#isOwn(run))
    if (run.status === 'queued' && !elsewhere) await this.runner.start(this.control.stepRef(run))
    return new RunHandle<O>(this, run)
  }

  /** Another process of this machine may have stored it, and runs it. */
  #isOwn({ workflowId }: RunRow): boolean {
    return workflowId === null || workflowId === this.opened.mark
  }

  #buildAfter(handle: RunHandle<'ingest'>): void {
    const following = (async () => {
      const run = await handle.ended({ signal: this.#ending.signal })
      if (this.#ending.signal.aborted || run.status !== 'succeeded') return
      await this.submit('build', {}, { key: `${run.runId}/build`, trigger: 'api' })
    })().catch(() => undefined)
    this.#following.add(following)
    void following.then(() => this.#following.delete(following))
  }

  async #pipelines(): Promise<readonly Pipeline[]> {
    return [...(await this.context.project.pipelines()).values()].map(({ pipeline }) => pipeline)
  }
}

type Temporal = typeof import('./temporal/index.ts')

async function loadTemporal(): Promise<Temporal> {
  try {
    return await import('./temporal/index.ts')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ConfigError(
      'the Temporal packages are not installed: npm install @temporalio/client @temporalio/worker @temporalio/workflow @temporalio/activity @temporalio/envconfig, or use --local',
      { code: 'E_CONFIG_DRIVER', cause: error },
    )
  }
}

type Codec = NonNullable<Parameters<Temporal['temporalRunner']>[0]['codec']>

/** `temporal.codec` and whether the project refuses to go without. */
export function codecOf(project: LoadedProject): Codec {
  const keys = project.value('temporal', 'codec')
  const list = Array.isArray(keys) ? keys : keys === undefined ? [] : [keys]
  return { keys: list as Codec['keys'], strict: project.value('compliance', 'strict') === true }
}
