/**
 * What every use case of the engine works with: the store, the clock, ids, logs and the failure sink, plus the unit of
 * work. One instance belongs to one open space; it holds no entity state (that lives in `EntityCache`, per version).
 */
import { hostname } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { type Instant, instantFromDate } from '../core/instant.ts'
import type { Digests } from '../core/privacy/digest.ts'
import type { Program } from '../core/program.ts'
import { StorageError } from '../errors.ts'
import type { DeadLetterSink } from '../ports/dead-letter.ts'
import type { Logger } from '../ports/logger.ts'
import type { Store, Tx, Unit } from '../ports/store.ts'
import type { EventFailure } from '../results.ts'
import { EntityCache } from './entity-cache.ts'
import { unitRows } from './failpoint.ts'
import type { LostErasure } from './privacy/chain.ts'
import { SpaceDigests } from './privacy/key.ts'

/** The attempt of a run that an engine's units belong to (spec 10 §4.3–4.4). */
export interface RunHook {
  readonly runId: string
  /** Grows from attempt to attempt; a later one takes the slots of an earlier one over. */
  readonly attempt: number
  /**
   * Called last in every unit: throws `Fenced` if a later attempt has begun. `progress`: the unit brings the work nearer
   * to its end, which is more than having begun again.
   */
  committing(unit: Unit, progress: boolean): Promise<void>
  /** Called when such a unit is committed. */
  committed(): void
  /** Runs every transaction, tries and all; for whoever measures. Left out: nobody does. */
  around?<T>(transaction: () => Promise<T>): Promise<T>
}

export interface EngineOptions {
  store: Store
  /** Processing time; tests inject it. Locks always use the machine's own clock. */
  clock: () => Date
  newId: () => string
  logger: Logger
  deadLetter: DeadLetterSink | null
  /** Records per ingest chunk. */
  batchSize: number
  /** How long a slot is held without being renewed. */
  leaseMs?: number
  processStart: string
  /** What tokens of redacted values are made with; left out: the space makes a key of its own. */
  redactionKey?: string | Uint8Array
  run?: RunHook
}

/** Erasures that the space misses since it was restored from an older backup (`privacy/chain.ts`); nothing is built then. */
export interface Standing {
  lost: readonly LostErasure[]
}

/**
 * Ledger events per committed chunk of a build. Twice as many cost a quarter less per event than 5000: every chunk writes
 * nearly all index pages anew.
 */
export const BUILD_CHUNK = unitRows(10_000)

const LEASE_MS = 90_000

/** How long work may go on before the event loop has its turn. */
const SLICE_MS = 20

export class Engine {
  readonly store: Store
  readonly logger: Logger
  readonly deadLetter: DeadLetterSink | null
  readonly batchSize: number
  readonly leaseMs: number
  readonly newId: () => string
  readonly host = hostname()
  readonly processStart: string
  /** Null: calls of no run. */
  readonly run: RunHook | null
  readonly #options: EngineOptions
  readonly #clock: () => Date
  #breathed = 0
  readonly #caches: Map<string, EntityCache>
  readonly #digests: SpaceDigests
  /** What is known of the space and shared by all engines of this process. */
  readonly standing: Standing
  /** Failures a sink could not take; reported by `stats()`. */
  deadLetterErrors = 0

  constructor(
    options: EngineOptions,
    caches: Map<string, EntityCache> = new Map(),
    digests?: SpaceDigests,
    standing: Standing = { lost: [] },
  ) {
    this.standing = standing
    this.#options = options
    this.#caches = caches
    this.#digests = digests ?? new SpaceDigests(options.store, options.redactionKey)
    this.run = options.run ?? null
    this.store = options.store
    this.logger = options.logger
    this.deadLetter = options.deadLetter
    this.batchSize = options.batchSize
    this.leaseMs = options.leaseMs ?? LEASE_MS
    this.newId = options.newId
    this.processStart = options.processStart
    this.#clock = options.clock
  }

  /** The same engine, its units those of a run's attempt. */
  forRun(run: RunHook): Engine {
    return new Engine({ ...this.#options, run }, this.#caches, this.#digests, this.standing)
  }

  now(): Instant {
    const now = instantFromDate(this.#clock())
    if (now === null) throw new StorageError('the clock gives no valid time')
    return now
  }

  cache(version: string): EntityCache {
    let cache = this.#caches.get(version)
    if (cache === undefined) {
      cache = new EntityCache()
      this.#caches.set(version, cache)
    }
    return cache
  }

  /** What stands for values of persons. Not to be asked for the first time inside a unit: opening a space asks. */
  async digests(): Promise<Digests> {
    return this.#digests.get()
  }

  /**
   * Lets timers, signals and other work of the process have their turn. The store answers without leaving the event
   * loop, so a long build would otherwise keep it to itself.
   */
  async breathe(): Promise<void> {
    const now = performance.now()
    if (now - this.#breathed < SLICE_MS) return
    await setImmediate()
    this.#breathed = performance.now()
  }

  /** A unit of work outside any slot: appends, registrations. */
  async unit<T>(version: string, work: (unit: Unit) => Promise<T>): Promise<T> {
    const result = await this.transaction((tx) => this.inRun({ tx, epoch: 0, version, now: this.now() }, work))
    this.run?.committed()
    return result
  }

  /** A transaction of the store, told to the run. */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const { store, run } = this
    return run?.around ? run.around(() => store.transaction(work)) : store.transaction(work)
  }

  /** Does the work of a unit, and what its run has to say in the same transaction. */
  async inRun<T>(
    unit: Unit,
    work: (unit: Unit) => Promise<T>,
    isProgress: (result: T) => boolean = () => true,
  ): Promise<T> {
    const result = await work(unit)
    await this.run?.committing(unit, isProgress(result))
    return result
  }

  /** Hands failures to the dead letter sink, which never breaks the pipeline (spec 07 §9). */
  async report(failures: readonly EventFailure[]): Promise<void> {
    if (this.deadLetter === null || failures.length === 0) return
    try {
      await this.deadLetter.send(failures)
    } catch (error) {
      this.deadLetterErrors += failures.length
      this.logger.child('defacto.dead_letter').error('dead letter delivery failed', {
        failures: failures.length,
        reason: error instanceof Error ? error.message : 'unknown',
      })
    }
  }
}

/** One version's definitions, compiled, under the name the space knows it by. */
export interface Edition {
  readonly version: string
  readonly program: Program
}
