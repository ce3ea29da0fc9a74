/** A space with one source, and runs that ingest an input of a pipeline, as a runner drives them: step by step, attempt by attempt. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Defacto, type DefinitionsInput, StorageError } from '../../src/index.ts'
import { type InputAccess, inputReaders } from '../../src/input-readers.ts'
import { attempt } from '../../src/orchestration/attempt.ts'
import type { Orchestration, StepFunction } from '../../src/orchestration/contract.ts'
import { newId } from '../../src/orchestration/ids.ts'
import { finishInput } from '../../src/orchestration/ingest/finish.ts'
import { planInput } from '../../src/orchestration/ingest/plan.ts'
import { ingestPart } from '../../src/orchestration/ingest/read.ts'
import type { ChunkCounts, Operations } from '../../src/ports/operations.ts'
import type { InputMark, Json, NewRun, RunRow } from '../../src/ports/runs.ts'
import type { Unit } from '../../src/ports/store.ts'
import { room } from './room.ts'

export const SOURCE = 'till'
const DEFINITIONS = {
  entities: {
    sale: {
      starts: 'new',
      identity: { no: {} },
      properties: { amount: { type: 'integer' } },
      states: {
        new: { when: { sold: { effects: ['create', { set: { property: 'amount', from: 'event.amount' } }] } } },
      },
    },
  },
  sources: {
    [SOURCE]: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        sold: {
          event_id: ['no'],
          mappings: { no: { from: 'no', type: 'string' }, amount: { from: 'amount', type: 'integer' } },
          hints: { sale: ['no'] },
        },
      },
    },
  },
}

/** How an input names a secret of the world. */
export const secret = (name: string): string => `\${env:${name}}`

/** Told apart by its number; any text of `note` may stand in it. */
export function sale(no: number, note = 'plain'): Record<string, unknown> {
  const at = new Date(Date.UTC(2024, 0, 1) + no * 60_000).toISOString()
  return { kind: 'sold', at, no: String(no), amount: no % 7, note }
}
export function sales(from: number, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => sale(from + i))
}

/** How an attempt is disturbed. */
export interface Disturbance {
  /** The attempt is told to stop after so many chunks. */
  readonly stopAfter?: number
  /** The commit of this chunk, counted from 1, fails after everything was written. */
  readonly failAt?: number
  /** Called in every unit of a chunk before it commits. */
  readonly inCommit?: (unit: Unit, counts: ChunkCounts) => Promise<void>
}

export interface Ended {
  readonly run: RunRow
  readonly error: Error | null
}

export class IngestWorld {
  readonly folder: string
  readonly defacto: Defacto
  readonly operations: Operations
  readonly secrets: Record<string, string> = {}

  private constructor(folder: string, defacto: Defacto) {
    this.folder = folder
    this.defacto = defacto
    this.operations = defacto.operations()
  }

  /** `database`: where, if not in a file of its own. */
  static async open(database?: string): Promise<IngestWorld> {
    const folder = mkdtempSync(join(room(), 'defacto-ingest-'))
    const defacto = await Defacto.open(DEFINITIONS as DefinitionsInput, {
      database: database ?? join(folder, 'space.db'),
      logLevel: 'ERROR',
    })
    return new IngestWorld(folder, defacto)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.defacto.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  write(name: string, content: string | Buffer): string {
    const path = join(this.folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return path
  }

  context(disturbance: Disturbance = {}): Orchestration {
    const access: InputAccess = {
      folder: this.folder,
      resolve: (text) => text.replace(/\$\{env:(\w+)\}/g, (_, name: string) => this.secrets[name] ?? ''),
    }
    const operations = disturbed(this.operations, disturbance)
    return {
      operations,
      inputs: inputReaders(access, operations.log.inputs),
      project: { ...access, pipelines: async () => new Map(), pools: {}, metadata: {} as never },
      clock: () => new Date(),
      metrics: { count: () => {}, observe: () => {}, gauge: () => {} },
      trace: (_name, _attributes, parent, work) => work(parent),
      package: 'test',
      engine: 'local',
    }
  }

  async submit(input: Json, options: Partial<NewRun> = {}): Promise<RunRow> {
    const runId = newId('r', new Date())
    const run: NewRun = {
      runId,
      op: 'ingest',
      requestHash: runId,
      trigger: 'manual',
      package: 'test',
      engine: 'local',
      input,
      ...options,
    }
    return (await this.operations.log.runs.create(run, this.operations.now().toString())).run
  }

  /** A run over one input of a pipeline. */
  async ofInput(input: Record<string, Json>, options: Partial<NewRun> = {}): Promise<RunRow> {
    const body = { inputs: { files: { source: SOURCE, ...input } }, steps: ['ingest'] } as Json
    return this.submit({ input: 'files', pipeline: body }, { pipeline: 'nightly', ...options })
  }

  /** One attempt at each step, in order; the first failure ends it. */
  async drive(runId: string, disturbance: Disturbance = {}): Promise<Ended> {
    const context = this.context(disturbance)
    const stop = new AbortController()
    let chunks = 0
    const call = {
      signal: stop.signal,
      heartbeat: ({ rows }: { rows: number }) => {
        if (rows > 0) chunks += 1
        if (chunks > 0 && chunks === disturbance.stopAfter) stop.abort(new Error('WORKER_SHUTDOWN'))
      },
    }
    let error: Error | null = null
    try {
      for (const step of [planInput, ingestPart, finishInput] as StepFunction[]) {
        const ref = { v: 1, space: this.operations.space, runId } as const
        while ((await attempt(context, ref, step, call)).more);
      }
    } catch (thrown) {
      error = thrown as Error
    }
    return { run: (await this.operations.log.runs.get(runId)) as RunRow, error }
  }

  /** Disturbed attempts, then undisturbed ones until it ends. */
  async endure(runId: string, disturbances: readonly Disturbance[]): Promise<Ended> {
    for (const disturbance of disturbances) {
      const ended = await this.drive(runId, disturbance)
      if (ended.error === null) return ended
    }
    return this.drive(runId)
  }

  async ingest(input: Record<string, Json>, options: Partial<NewRun> = {}): Promise<Ended> {
    return this.drive((await this.ofInput(input, options)).runId)
  }

  marks(): Promise<InputMark[]> {
    return this.operations.log.inputs.marks('nightly', 'files')
  }

  /** What counts in the end: rows in their order, dead letters, counters of the run and of its parts. */
  async outcome(run: RunRow): Promise<Outcome> {
    const rows: [number, string, unknown][] = []
    for await (const { sequence, eventId, raw } of this.defacto.ledger.scan()) rows.push([sequence, eventId, raw])
    const letters = (await this.operations.log.letters.list({ limit: 10_000 }))
      .map(({ failure: { raw, error, origin } }) => ({ raw, error, origin }))
      .sort((a, b) => placeOf(a.origin).localeCompare(placeOf(b.origin)))
    const { events_read, events_ingested, duplicates, events_failed } = run.stats
    const parts = (await this.marks()).map(({ part, state, recordsRead, ingested, duplicates, failed }) => {
      return { part, state, recordsRead, ingested, duplicates, failed }
    })
    return { rows, letters, stats: { events_read, events_ingested, duplicates, events_failed }, parts }
  }
}

export interface Outcome {
  readonly rows: readonly (readonly [number, string, unknown])[]
  readonly letters: readonly { readonly raw: unknown; readonly error: string; readonly origin: unknown }[]
  readonly stats: Readonly<Record<string, number | undefined>>
  readonly parts: readonly Pick<InputMark, 'part' | 'state' | 'recordsRead' | 'ingested' | 'duplicates' | 'failed'>[]
}

function placeOf(origin: { part: string; line: number | null } | null): string {
  return `${origin?.part} ${String(origin?.line ?? 0).padStart(9, '0')}`
}

function disturbed(operations: Operations, { failAt, inCommit }: Disturbance): Operations {
  let chunks = 0
  const ingestChunk: Operations['ingestChunk'] = (call, chunk, commit) =>
    operations.ingestChunk(call, chunk, async (unit, counts) => {
      await commit(unit, counts)
      chunks += 1
      await inCommit?.(unit, counts)
      if (chunks === failAt) throw new StorageError('the commit fails', { recoverable: true })
    })
  return Object.create(operations, { ingestChunk: { value: ingestChunk } }) as Operations
}
