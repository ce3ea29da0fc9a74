/** Small spaces with everything that runs need, on real databases: people, teams and what they do. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { inputReaders } from '../../src/input-readers.ts'
import { attempt } from '../../src/orchestration/attempt.ts'
import type { ChunkOutcome, Orchestration, StepFunction } from '../../src/orchestration/contract.ts'
import { newId } from '../../src/orchestration/ids.ts'
import { createMetrics } from '../../src/orchestration/metrics/registry.ts'
import type { Pipeline } from '../../src/orchestration/model.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { nowText } from '../../src/orchestration/time.ts'
import type { Counters, Json, NewRun, RunOp, RunRow, RunStatus } from '../../src/ports/runs.ts'
import { day, people } from './people.ts'
import { room } from './room.ts'

/** Where spaces may be: `sql` runs a statement behind the engine's back; `{history}` and the like name its tables. */
export interface Place {
  readonly folder: string
  readonly options: DefactoOptions
  sql(version: string, text: string): Promise<void>
  drop(): Promise<void>
}

export async function sqlitePlace(): Promise<Place> {
  return placeIn(mkdtempSync(join(room(), 'defacto-runs-')))
}

export function placeIn(folder: string): Place {
  const database = `${folder}/space.db`
  return {
    folder,
    options: { database },
    async sql(version, text) {
      const db = new DatabaseSync(database)
      try {
        db.exec(text.replaceAll('{edges}', `~${version}`).replaceAll('{base}', '').replaceAll('{schema}', ''))
      } finally {
        db.close()
      }
    },
    async drop() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function postgresPlace(): Promise<Place> {
  const folder = mkdtempSync(join(room(), 'defacto-runs-'))
  // Only tests can ask for a server; processes that they start use this file too.
  const { execute, freshNamespace } = await import('./postgres.ts')
  const { url, namespace, drop } = freshNamespace()
  return {
    folder,
    options: { database: url, namespace },
    async sql(version, text) {
      const schema = `"${namespace}_${version}".`
      const named = text.replaceAll('{schema}', schema).replaceAll('{edges}', '~edges')
      await execute(url, named.replaceAll('{base}', `"${namespace}".`))
    },
    async drop() {
      rmSync(folder, { recursive: true, force: true })
      await drop()
    },
  }
}

/** People who are in teams. */
export function teams(): object {
  const { entities, sources } = people() as { entities: Record<string, object>; sources: { web: object } }
  const person = entities['person'] as { states: { on: { when: object } } }
  const web = sources.web as { events: object }
  const relate = { relate: { type: 'in_team', target: 'team', hints: { team: ['code'] } } }
  return {
    entities: {
      person: {
        ...person,
        relationships: [{ type: 'in_team', target: 'team', cardinality: 'belongs_to', inverse: 'has_member' }],
        states: {
          ...person.states,
          on: { ...person.states.on, when: { ...person.states.on.when, teamed: { effects: [relate] } } },
        },
      },
      team: {
        starts: 'open',
        identity: { code: {} },
        properties: { title: { type: 'string' } },
        relationships: [{ type: 'has_member', target: 'person', cardinality: 'has_many', inverse: 'in_team' }],
        states: { open: { when: { founded: { effects: ['create'] } } } },
      },
    },
    sources: {
      web: {
        ...(web as object),
        events: {
          ...web.events,
          founded: { mappings: { code: { from: 'code' } }, hints: { team: ['code'] } },
          teamed: { mappings: { mail: { from: 'mail' }, code: { from: 'code' } }, hints: { person: ['mail'] } },
        },
      },
    },
  }
}

export const founded = (code: string, n: number): object => ({ kind: 'founded', code, at: day(n) })
export const teamed = (mail: string, code: string, n: number): object => ({ kind: 'teamed', mail, code, at: day(n) })

export class TestSpace {
  readonly engine: Defacto
  readonly place: Place
  readonly context: Orchestration
  readonly pipelines = new Map<string, { pipeline: Pipeline; body: unknown }>()
  now: Date

  private constructor(engine: Defacto, place: Place, now: Date, more: Partial<Orchestration>) {
    this.engine = engine
    this.place = place
    this.now = now
    const project = {
      folder: place.folder,
      pipelines: async () => this.pipelines,
      resolve: (text: string) => text.replaceAll(/\$\{env:(\w+)\}/g, (_, name: string) => process.env[name] ?? ''),
      pools: {},
      metadata: { runs: 1, logs: 1, ticks: 1, checks: 1, deadLetters: 1 },
    }
    const operations = engine.operations()
    this.context = {
      operations,
      project,
      inputs: inputReaders(project, operations.log.inputs),
      clock: () => this.now,
      metrics: createMetrics(operations.namespace),
      trace: (_name, _attributes, _parent, work) => work(null),
      package: '0.0.0',
      engine: 'local',
      ...more,
    }
  }

  static async open(
    place: Place,
    definitions: object,
    options: DefactoOptions = {},
    more: Partial<Orchestration> = {},
  ): Promise<TestSpace> {
    let space: TestSpace | undefined
    const now = new Date(day(20))
    const clock = (): Date => space?.now ?? now
    const engine = await Defacto.fromConfig(definitions, {
      ...place.options,
      clock,
      logger: QUIET,
      ...options,
    })
    space = new TestSpace(engine, place, now, more)
    return space
  }

  sql(text: string): Promise<void> {
    return this.place.sql(this.engine.activeVersion, text)
  }

  /** Adds a pipeline to the project. */
  pipeline(name: string, body: Record<string, unknown>): Pipeline {
    const whole = { steps: ['check'], ...body }
    const pipeline = readPipeline(name, whole)
    this.pipelines.set(name, { pipeline, body: whole })
    return pipeline
  }

  /** Each a second after the one before. */
  async newRun(op: RunOp, run: Partial<NewRun> = {}): Promise<RunRow> {
    this.now = new Date(this.now.getTime() + 1000)
    const body = run.pipeline == null ? undefined : this.pipelines.get(run.pipeline)?.body
    const input = {
      ...((run.input as object) ?? {}),
      ...(body === undefined ? {} : { pipeline: body as Json }),
    } as Json
    const made: NewRun = {
      runId: newId('r', this.now),
      op,
      requestHash: '0',
      trigger: 'manual',
      package: '0.0.0',
      engine: 'local',
      ...run,
      input,
    }
    return (await this.context.operations.log.runs.create(made, this.text)).run
  }

  /** A run that has ended, with its counters. */
  async ended(op: RunOp, stats: Counters, run: Partial<NewRun> = {}, status: RunStatus = 'succeeded'): Promise<RunRow> {
    const { runId } = await this.newRun(op, run)
    const { runs } = this.context.operations.log
    await runs.begin(runId, this.text)
    await runs.change(runId, { status, stats, finishedAt: this.text }, { at: this.text })
    return (await runs.get(runId)) as RunRow
  }

  attempt(run: RunRow, step: StepFunction, signal = new AbortController().signal): Promise<ChunkOutcome> {
    const ref = { v: 1, space: this.context.operations.space, runId: run.runId } as const
    return attempt(this.context, ref, step, { signal, heartbeat: () => {} })
  }

  get text(): string {
    return nowText(this.context)
  }

  async close(): Promise<void> {
    await this.engine.close()
    await this.place.drop()
  }
}

const QUIET = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
