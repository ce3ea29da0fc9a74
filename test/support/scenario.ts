/**
 * Drives the engine through the public API in a random way: which records arrive in which call, in what batch size, with
 * builds, ticks and restarts between. However it went, the outcome is compared with the reference interpreter.
 */
import assert from 'node:assert/strict'
import './small-units.ts'
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Defacto, type DefactoOptions, type EventFailure } from '../../src/index.ts'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle, type World } from '../oracle/oracle.ts'
import { room } from './room.ts'
import { readWorld, sorted } from './world.ts'
import { HOUR, SPAN_HOURS, START } from './world-arbitrary.ts'

export type Step =
  /** The next `count` records; with `process`, interpreted before the call returns. */
  | { do: 'ingest'; count: number; process: boolean }
  | { do: 'build'; full?: boolean; fromRaw?: boolean; hour?: number }
  | { do: 'tick'; hour: number }
  /** The engine's clock jumps to this hour, forwards or backwards. */
  | { do: 'clock'; hour: number }
  /** Close and open again, with another batch size. */
  | { do: 'restart'; batchSize: number; catchUp: boolean }
  /** What is there goes to the archive, and all but the last `keep` rows leave the database, as far as they may. */
  | { do: 'archive'; keep: number; compact: boolean }

/** Later than every event and every instant a step can name. */
export const END_HOUR = SPAN_HOURS + 700
const hour = fc.integer({ min: 0, max: SPAN_HOURS + 600 })
export const END = new Date(START + END_HOUR * HOUR).toISOString()

export const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ingest' as const),
      count: fc.integer({ min: 1, max: 12 }),
      process: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('build' as const),
      full: fc.boolean(),
      fromRaw: fc.constantFrom(false, false, true),
      hour,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), hour }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clock' as const), hour }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      batchSize: fc.constantFrom(1, 2, 3, 7, 100),
      catchUp: fc.boolean(),
    }),
  },
)
export const planArbitrary = fc.array(stepArbitrary, { maxLength: 14, size: 'max' })

/** Plans for places with a cold tier. */
export const tieredPlanArbitrary: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: stepArbitrary },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('archive' as const),
        keep: fc.constantFrom(0, 0, 1, 5),
        compact: fc.boolean(),
      }),
    },
  ),
  { maxLength: 18, size: 'max' },
)

export interface Outcome {
  world: World
  ingested: number
  failed: number
  duplicates: number
  normalization: EventFailure[]
  /** Failures of interpretation, of every pass. */
  interpretation: EventFailure[]
}

/** Where a space lies: what it is opened with, and its removal. */
export interface Place {
  readonly options: DefactoOptions
  dispose(): Promise<void>
}

/** A new SQLite file. */
export async function sqlitePlace(): Promise<Place> {
  const folder = mkdtempSync(join(room(), 'defacto-test-'))
  return {
    options: { database: join(folder, 'defacto.db') },
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A place with a cold tier in a folder. */
export async function tieredPlace(make: () => Promise<Place> = sqlitePlace): Promise<Place> {
  const place = await make()
  const folder = mkdtempSync(join(room(), 'defacto-cold-'))
  return {
    options: { ...place.options, coldLedger: folder },
    async dispose() {
      await place.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs `work` on a new place, and removes it afterwards. */
export async function inPlace<T>(
  make: () => Promise<Place>,
  work: (options: DefactoOptions) => Promise<T>,
): Promise<T> {
  const place = await make()
  try {
    return await work(place.options)
  } finally {
    await place.dispose()
  }
}

/** Opens a space in a folder of its own, and removes it afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(room(), 'defacto-test-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** All records through the plan, then what is left, a build, and a tick at `END`. */
export async function play(
  definitions: object,
  deliveries: readonly Delivery[],
  plan: readonly Step[],
  { place = sqlitePlace, shards = 1 }: { place?: () => Promise<Place>; shards?: number } = {},
): Promise<Outcome> {
  return inPlace(place, async (options) => {
    const player = new Player(definitions, options, deliveries.length + 100 * plan.length, shards)
    await player.open({})
    try {
      let next = 0
      for (const step of plan) {
        if (step.do === 'ingest') {
          await player.ingest(deliveries.slice(next, next + step.count), step.process)
          next += step.count
        } else await player.step(step)
      }
      await player.ingest(deliveries.slice(next), false)
      return await player.finish()
    } finally {
      await player.close()
    }
  })
}

/** One process, or several that share the work. */
export class Player {
  readonly #definitions: object
  readonly #place: DefactoOptions
  readonly #seed: number
  readonly #shards: number
  readonly #outcome: Outcome = {
    world: {},
    ingested: 0,
    failed: 0,
    duplicates: 0,
    normalization: [],
    interpretation: [],
  }
  #now = START + 200 * HOUR
  #ids = 0
  #turn = 0
  #engines: Defacto[] = []

  constructor(definitions: object, place: DefactoOptions, seed = 0, shards = 1) {
    this.#definitions = definitions
    this.#seed = seed
    this.#place = place
    this.#shards = shards
  }

  get engine(): Defacto {
    const [engine] = this.#engines
    assert.ok(engine)
    return engine
  }

  async open(options: DefactoOptions): Promise<void> {
    for (let shard = 0; shard < this.#shards; shard += 1) this.#engines.push(await this.#open(shard, options))
  }

  async #open(shard: number, options: DefactoOptions): Promise<Defacto> {
    const engine = await Defacto.fromConfig(this.#definitions, {
      ...this.#place,
      ...(this.#shards === 1 ? {} : { shardId: shard, totalShards: this.#shards }),
      clock: () => new Date(this.#now),
      // The same ids in every run of a case, in no order: which of two entities survives a merge depends on their ids.
      newId: () => hash('sha1', `${this.#seed} ${shard} ${++this.#ids}`),
      logLevel: 'ERROR',
      ...options,
    })
    this.#outcome.interpretation.push(...(engine.startup?.failures ?? []))
    return engine
  }

  async close(): Promise<void> {
    for (const engine of this.#engines.splice(0)) await engine.close()
  }

  /** In the given order; one call per run of records of the same source. */
  async ingest(deliveries: readonly Delivery[], process: boolean): Promise<void> {
    for (let i = 0; i < deliveries.length; ) {
      const { source } = deliveries[i] as Delivery
      let end = i
      while (deliveries[end]?.source === source) end += 1
      const records = deliveries.slice(i, end).map((delivery) => delivery.record)
      this.#turn += 1
      const engine = this.#engines[this.#turn % this.#shards] ?? this.engine
      const result = await engine.ingest(source, records, { process, throwIfAllFail: false })
      assert.equal(result.eventsIngested + result.eventsFailed + result.duplicatesSkipped, records.length)
      assert.equal(result.duplicateIds.length, result.duplicatesSkipped)
      this.#outcome.ingested += result.eventsIngested
      this.#outcome.failed += result.eventsFailed
      this.#outcome.duplicates += result.duplicatesSkipped
      this.#outcome.normalization.push(...result.failures)
      this.#outcome.interpretation.push(...(result.buildResult?.failures ?? []))
      i = end
    }
  }

  /** All processes at once; a restart concerns one after the other. */
  async step(step: Exclude<Step, { do: 'ingest' }>): Promise<void> {
    if (step.do === 'clock') this.#now = START + step.hour * HOUR
    else if (step.do === 'restart') {
      this.#turn += 1
      const shard = this.#turn % this.#shards
      await this.#engines[shard]?.close()
      this.#engines[shard] = await this.#open(shard, { batchSize: step.batchSize, catchUp: step.catchUp })
    } else if (step.do === 'archive') {
      const { tiers } = (this.#engines[this.#turn % this.#shards] ?? this.engine).ledger
      await tiers.flush()
      const { head } = await tiers.status()
      await tiers.prune({ before: Math.max(0, head - step.keep) })
      if (step.compact) await tiers.compact()
    } else if (step.do === 'tick') {
      await this.#all((engine) => engine.tick({ asOf: START + step.hour * HOUR }))
    } else {
      const { full, fromRaw } = step
      const asOf = step.hour === undefined ? {} : { asOf: START + step.hour * HOUR }
      await this.#all((engine) => engine.build({ full, fromRaw, ...asOf }))
    }
  }

  async finish(): Promise<Outcome> {
    await this.step({ do: 'build' })
    // What one shard mapped last may concern another that was done already.
    for (let rounds = 0; (await this.#pending()) && rounds < 5; rounds += 1) await this.step({ do: 'build' })
    await this.step({ do: 'tick', hour: END_HOUR })
    for (const engine of this.#engines) {
      const status = await engine.buildStatus()
      assert.equal(status.dirty, false)
      assert.equal(status.pendingEvents, 0)
    }
    this.#outcome.world = await readWorld(this.engine, this.#definitions)
    return this.#outcome
  }

  async #pending(): Promise<boolean> {
    for (const engine of this.#engines) if ((await engine.nextBuild()).mode !== 'SKIP') return true
    return false
  }

  async #all(work: (engine: Defacto) => Promise<{ failures: readonly EventFailure[] }>): Promise<void> {
    const results = await Promise.allSettled(this.#engines.map(work))
    for (const result of results) if (result.status === 'rejected') throw result.reason
    for (const result of results) {
      if (result.status === 'fulfilled') this.#outcome.interpretation.push(...result.value.failures)
    }
  }
}

/** The engine's outcome is the reference interpreter's, and every record is accounted for. */
export function assertAsOracle(definitions: object, deliveries: readonly Delivery[], outcome: Outcome): void {
  const expected = oracle(definitions as Defs, deliveries, Date.parse(END))
  assert.deepEqual(outcome.world, sorted(expected.world))
  assert.deepEqual(
    outcome.normalization.map(({ field }) => field),
    expected.rejected.map(({ field }) => field),
  )
  assert.equal(outcome.failed, expected.rejected.length)
  assert.equal(outcome.duplicates, expected.duplicates.length)
  // Every failing event is told by the pass that first met it; a full build tells it again.
  const told = new Set(outcome.interpretation.map((failure) => failureText(failure)))
  for (const failure of expected.failures) {
    const text = failureText({ ...failure, entityType: typeOf(failure.key) })
    assert.ok(failure.sequence === null || told.has(text), `not told: ${text}`)
  }
}

function failureText({ entityType, sequence, field }: Pick<EventFailure, 'entityType' | 'sequence' | 'field'>): string {
  return JSON.stringify([entityType, sequence, field])
}

function typeOf(key: string): string {
  return /^\["(\w+)"/.exec(key)?.[1] ?? ''
}

/**
 * When all events are interpreted in one pass, every failing event is told once for each entity it fails for, and every
 * failing time rule at least once.
 */
export function assertFailuresTold(definitions: object, deliveries: readonly Delivery[], outcome: Outcome): void {
  const expected = oracle(definitions as Defs, deliveries, Date.parse(END))
  const due = expected.failures.map((failure) => ({ ...failure, entityType: typeOf(failure.key) }))
  const texts = (failures: Parameters<typeof failureText>[0][], ofEvents: boolean): string[] =>
    failures
      .filter(({ sequence }) => (sequence !== null) === ofEvents)
      .map(failureText)
      .sort()
  assert.deepEqual(texts(outcome.interpretation, true), texts(due, true))
  assert.deepEqual(new Set(texts(outcome.interpretation, false)), new Set(texts(due, false)))
}
