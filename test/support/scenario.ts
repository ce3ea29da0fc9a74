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

export interface Outcome {
  world: World
  ingested: number
  failed: number
  duplicates: number
  normalization: EventFailure[]
  /** Failures of interpretation, of every pass. */
  interpretation: EventFailure[]
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
): Promise<Outcome> {
  return inFolder(async (folder) => {
    const player = new Player(definitions, join(folder, 'defacto.db'), deliveries.length + 100 * plan.length)
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

export class Player {
  readonly #definitions: object
  readonly #database: string
  readonly #seed: number
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
  #engine: Defacto | null = null

  constructor(definitions: object, database: string, seed = 0) {
    this.#definitions = definitions
    this.#seed = seed
    this.#database = database
  }

  get engine(): Defacto {
    assert.ok(this.#engine)
    return this.#engine
  }

  async open(options: DefactoOptions): Promise<void> {
    this.#engine = await Defacto.fromConfig(this.#definitions, {
      database: this.#database,
      clock: () => new Date(this.#now),
      // The same ids in every run of a case, in no order: which of two entities survives a merge depends on their ids.
      newId: () => hash('sha1', `${this.#seed} ${++this.#ids}`),
      logLevel: 'ERROR',
      ...options,
    })
    this.#outcome.interpretation.push(...(this.#engine.startup?.failures ?? []))
  }

  async close(): Promise<void> {
    await this.#engine?.close()
    this.#engine = null
  }

  /** In the given order; one call per run of records of the same source. */
  async ingest(deliveries: readonly Delivery[], process: boolean): Promise<void> {
    for (let i = 0; i < deliveries.length; ) {
      const { source } = deliveries[i] as Delivery
      let end = i
      while (deliveries[end]?.source === source) end += 1
      const records = deliveries.slice(i, end).map((delivery) => delivery.record)
      const result = await this.engine.ingest(source, records, { process, throwIfAllFail: false })
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

  async step(step: Exclude<Step, { do: 'ingest' }>): Promise<void> {
    if (step.do === 'clock') this.#now = START + step.hour * HOUR
    else if (step.do === 'restart') {
      await this.close()
      await this.open({ batchSize: step.batchSize, catchUp: step.catchUp })
    } else if (step.do === 'tick') {
      const { failures } = await this.engine.tick({ asOf: START + step.hour * HOUR })
      this.#outcome.interpretation.push(...failures)
    } else {
      const { full, fromRaw } = step
      const asOf = step.hour === undefined ? {} : { asOf: START + step.hour * HOUR }
      const { failures } = await this.engine.build({ full, fromRaw, ...asOf })
      this.#outcome.interpretation.push(...failures)
    }
  }

  async finish(): Promise<Outcome> {
    await this.step({ do: 'build' })
    await this.step({ do: 'tick', hour: END_HOUR })
    const status = await this.engine.buildStatus()
    assert.equal(status.dirty, false)
    assert.equal(status.pendingEvents, 0)
    this.#outcome.world = await readWorld(this.engine, this.#definitions)
    return this.#outcome
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
