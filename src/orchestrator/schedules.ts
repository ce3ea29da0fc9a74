/** Schedules of the definitions, of the database and of the server (spec 10 §3.5, §7.1). */
import { ConfigError, NotFoundError } from '../errors.ts'
import type { Orchestration, ScheduleServer } from '../orchestration/contract.ts'
import { nextSlots } from '../orchestration/cron.ts'
import type { Pipeline } from '../orchestration/model.ts'
import { nowOf, nowText } from '../orchestration/time.ts'
import type { AppliedPipeline, Json } from '../ports/runs.ts'
import { type ScheduleState, scheduleStates } from '../schedule-view.ts'
import type { RunHandle } from './handle.ts'

/** Names of pipelines. `removed`: applied, and no longer defined or without a schedule. */
export interface ScheduleDiff {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly unchanged: readonly string[]
}
export type ScheduleInfo = ScheduleState

export interface SchedulesParts {
  readonly context: Orchestration
  /** Null: the runner has no schedules. */
  readonly server: ScheduleServer | null
  trigger(name: string, asOf: string | undefined): Promise<RunHandle<'pipeline'>>
}

export class Schedules {
  readonly #parts: SchedulesParts

  constructor(parts: SchedulesParts) {
    this.#parts = parts
  }

  /** Makes the schedules of the definitions those of the server; `dryRun` only says what would change. */
  async apply({ prune = false, dryRun = false }: { prune?: boolean; dryRun?: boolean } = {}): Promise<ScheduleDiff> {
    const { context } = this.#parts
    const { schedules } = context.operations.log
    const applied = new Map((await schedules.pipelines()).map((row) => [row.name, row]))
    const defined = await this.#defined()
    const server = dryRun ? this.#parts.server : this.#server()
    const known = new Map((server === null ? [] : await server.list()).map((one) => [one.pipeline, one]))
    const names = [...defined.keys()]
    const isCurrent = (name: string): boolean =>
      applied.get(name)?.pipelineHash === defined.get(name)?.pipeline.hash &&
      (server === null || known.get(name)?.pipelineHash === defined.get(name)?.pipeline.hash)
    const diff: ScheduleDiff = {
      added: names.filter((name) => !applied.has(name)),
      changed: names.filter((name) => applied.has(name) && !isCurrent(name)),
      removed: [...new Set([...applied.keys(), ...known.keys()])].filter((name) => !defined.has(name)).sort(),
      unchanged: names.filter((name) => applied.has(name) && isCurrent(name)),
    }
    if (dryRun || server === null) return diff
    const appliedAt = nowText(context)
    for (const name of [...diff.added, ...diff.changed]) {
      const { pipeline, body } = defined.get(name) as Defined
      const pausedReason = applied.get(name)?.pausedReason ?? null
      // The database first: a slot that comes at once finds what it belongs to.
      await schedules.putPipeline({ name, body, pipelineHash: pipeline.hash, pausedReason, appliedAt })
      await server.put(pipeline, null)
    }
    if (!prune) return diff
    for (const name of diff.removed) {
      await server.remove(name)
      await schedules.removePipeline(name)
    }
    return diff
  }

  async list(): Promise<ScheduleInfo[]> {
    const { context } = this.#parts
    return scheduleStates(context.operations.log, await context.project.pipelines(), nowOf(context))
  }

  /** Slots go on coming, and each leaves a row with the reason. `*`: all. */
  async pause(name: string, reason: string): Promise<void> {
    if (reason.trim() === '') throw new ConfigError('pausing a schedule needs a reason')
    await this.#setPaused(name, reason)
  }

  async resume(name: string): Promise<void> {
    await this.#setPaused(name, null)
  }

  /** Runs it now, as its schedule would. */
  async trigger(name: string, options: { asOf?: string } = {}): Promise<RunHandle<'pipeline'>> {
    return this.#parts.trigger(name, options.asOf)
  }

  /** The next instants by the definitions; nothing needs to be applied. */
  async next(name: string, n: number): Promise<string[]> {
    const found = (await this.#defined()).get(name)
    const schedule = found?.pipeline.schedule
    if (schedule === undefined || schedule === null) throw noSchedule(name)
    return nextSlots(schedule, nowOf(this.#parts.context), n).map(String)
  }

  async #setPaused(name: string, pausedReason: string | null): Promise<void> {
    const { schedules } = this.#parts.context.operations.log
    const rows = (await schedules.pipelines()).filter((row) => name === '*' || row.name === name)
    if (rows.length === 0 && name !== '*') throw noSchedule(name)
    for (const row of rows) await schedules.putPipeline({ ...row, pausedReason } satisfies AppliedPipeline)
  }

  /** Pipelines of the definitions that have a schedule. */
  async #defined(): Promise<ReadonlyMap<string, Defined>> {
    const found = new Map<string, Defined>()
    for (const [name, { pipeline, body }] of await this.#parts.context.project.pipelines()) {
      if (pipeline.schedule !== null) found.set(name, { pipeline, body: body as Json })
    }
    return found
  }

  #server(): ScheduleServer {
    const { server } = this.#parts
    if (server !== null) return server
    throw new ConfigError('runs of this process have no schedules; use --engine temporal', {
      code: 'E_CONFIG_NO_SCHEDULES',
    })
  }
}

interface Defined {
  readonly pipeline: Pipeline
  readonly body: Json
}

function noSchedule(name: string): NotFoundError {
  return new NotFoundError(`there is no schedule '${name}'; see them with \`defacto schedule list\``)
}
