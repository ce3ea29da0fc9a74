/** The public engine: the composition root that picks adapters and wires use cases (spec 09 §2–§6). */
import { join, resolve } from 'node:path'
import {
  asOfOption,
  type BuildCallOptions,
  type EngineStats,
  engineBuildOptions,
  type IngestOptions,
  type TickOptions,
} from './calls.ts'
import type { Compliance } from './compliance.ts'
import type { ProgramOptions } from './core/program.ts'
import { reprocessLetters } from './dead-letters.ts'
import type { DefinitionsInput, SourceName } from './definition-types.ts'
import { Definitions } from './definitions.ts'
import { DefinitionsManager } from './definitions-manager.ts'
import type { Editions } from './editions.ts'
import { build, type BuildOptions as EngineBuildOptions, nextMode } from './engine/build.ts'
import { ColdSchedule } from './engine/cold/schedule.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { explainProperty } from './engine/explain.ts'
import { mergeEntities } from './engine/merge.ts'
import { guardedExports } from './engine/privacy/chain.ts'
import { type SubjectInput, subjectOf } from './engine/privacy/requests.ts'
import { tick } from './engine/run-tick.ts'
import { Serial } from './engine/serial.ts'
import { withSlot, withStateSlot } from './engine/slot.ts'
import { previewTick } from './engine/tick.ts'
import { buildStateOf, historyCursor, isBuilt, switchActive } from './engine/versions.ts'
import { ConfigError, LockHeld } from './errors.ts'
import { exportWriters } from './export-writers.ts'
import type { GraphPlace } from './graph-place.ts'
import { ingestRecords } from './ingest-call.ts'
import { entityTimeline, IdentityInspection, LedgerInspection } from './inspection.ts'
import { Lifecycle } from './lifecycle.ts'
import { type OpenedSpace, openSpace } from './open-space.ts'
import type { DefactoOptions } from './options.ts'
import { operationsOf } from './orchestration-host.ts'
import { ownPlaces } from './own-places.ts'
import type { DeadLetterBox } from './ports/dead-letter.ts'
import type { ExportRow, ExportWriters } from './ports/exports.ts'
import type { Logger } from './ports/logger.ts'
import type { Operations } from './ports/operations.ts'
import type { Holder, LockRow, Store } from './ports/store.ts'
import { Privacy } from './privacy.ts'
import { type Queries, type QuerySource, VersionQueries } from './queries.ts'
import type { InstantInput } from './query/instants.ts'
import { type RawEvent, toRecords } from './records.ts'
import type {
  BuildResult,
  BuildStatus,
  Explanation,
  IngestResult,
  MergeResult,
  TickResult,
  Timeline,
} from './results.ts'
import { buildStatusOf, engineStats } from './space-status.ts'
import { loggingStorage } from './storage-log.ts'
import { Subject } from './subject-export.ts'
import { LedgerTiers, type TierCallOptions } from './tiers.ts'

/**
 * An open space: ledger, identity, versions and state history of one database.
 * Calls may overlap; those that write run in call order.
 */
export class Defacto<D extends DefinitionsInput = DefinitionsInput> extends Lifecycle<D> {
  /** What the warm restart did; null if there was nothing to do (spec 04 §4.10). */
  startup: BuildResult | null = null
  readonly definitions: DefinitionsManager
  readonly ledger: LedgerInspection
  readonly identity: IdentityInspection
  readonly #privacy: Privacy
  readonly #engine: Engine
  readonly #store: Store
  readonly #logger: Logger
  readonly #programOptions: ProgramOptions
  readonly #writes = new Serial()
  readonly #writers: ExportWriters
  readonly #editions: Editions
  readonly #schedule: ColdSchedule | null
  readonly #graphPlace: GraphPlace | null
  readonly #cleanup: () => Promise<void>
  readonly #letters: DeadLetterBox | null
  readonly #isDead: (holder: Holder) => boolean
  readonly #compliance: Compliance
  #working: Edition
  #readable: Edition
  #closing: Promise<void> | null = null

  private constructor(parts: OpenedSpace) {
    super()
    this.#engine = parts.engine
    this.#store = parts.engine.store
    this.#writers = exportWriters(ownPlaces(this.#store.location, parts.cold?.url ?? null))
    this.#logger = parts.logger
    this.#programOptions = parts.programOptions
    this.#working = parts.working
    this.#readable = parts.readable
    this.#graphPlace = parts.graph
    this.#cleanup = parts.cleanup
    this.#letters = parts.letters
    this.#isDead = parts.isDead
    this.#compliance = parts.compliance
    this.#editions = parts.editions
    this.ledger = new LedgerInspection(this.#store, new LedgerTiers(this.#engine, parts.cold, () => this.#assertOpen()))
    const { flushEveryMs, retention } = parts.cold ?? {}
    this.#schedule = flushEveryMs === undefined ? null : new ColdSchedule(this.#engine, { flushEveryMs, retention })
    this.identity = new IdentityInspection(this.#engine)
    this.#privacy = new Privacy({
      engine: this.#engine,
      compliance: parts.compliance,
      mode: parts.mode,
      working: () => this.#working,
      editions: () => this.#editions.all(),
      interpret: async (signal) => void (await this.#build(this.#working, { signal })),
      refresh: () => this.#store.reader.refresh(),
      write: (work) => this.#write(work),
    })
    this.definitions = new DefinitionsManager({
      engine: this.#engine,
      programOptions: this.#programOptions,
      edition: (version) => this.#editions.find(version),
      activate: (version) => this.#activate(version),
    })
  }

  /** Opens a project directory, a definitions object or a `Definitions` (spec 09 §2). */
  static async open<const D extends DefinitionsInput>(
    config: string | D | Definitions,
    options: DefactoOptions = {},
  ): Promise<Defacto<D>> {
    return typeof config === 'string'
      ? ((await Defacto.fromDirectory(config, options)) as unknown as Defacto<D>)
      : Defacto.fromConfig<D>(config, options)
  }

  static async fromDirectory(path: string, options: DefactoOptions = {}): Promise<Defacto> {
    return Defacto.#open(await Definitions.fromDirectory(path), withDatabase(path, options))
  }

  static async fromConfig<const D extends DefinitionsInput>(
    config: D | Definitions,
    options: DefactoOptions = {},
  ): Promise<Defacto<D>> {
    return Defacto.#open(definitionsOf(config), options) as unknown as Promise<Defacto<D>>
  }

  /**
   * Takes events that only the archive has into a database that was lost, or put back to an older backup, and returns how
   * many. Such a space cannot be opened otherwise. The next build makes entities of them. Nothing may be ingested before.
   */
  static async restore<D extends DefinitionsInput>(
    config: string | D | Definitions,
    options: DefactoOptions & TierCallOptions,
  ): Promise<{ rows: number; head: number }> {
    const { signal, onProgress, ...rest } = options
    const definitions = typeof config === 'string' ? await Definitions.fromDirectory(config) : definitionsOf(config)
    const located = typeof config === 'string' ? withDatabase(config, rest) : rest
    const space = await Defacto.#open(definitions, { ...located, catchUp: false }, false)
    try {
      return await space.ledger.tiers.restore({ signal, onProgress })
    } finally {
      await space.close()
    }
  }

  static async #open(definitions: Definitions, options: object, compare = true): Promise<Defacto> {
    const opened = await openSpace(definitions, options, compare)
    try {
      const instance = new Defacto(opened)
      await instance.#privacy.checkRestored()
      // Somebody has to decide first, and opens the space for it.
      const isWhole = opened.engine.standing.lost.length === 0
      await instance.#start(opened.catchUp && isWhole)
      if (compare) instance.#schedule?.start()
      return instance
    } catch (error) {
      await opened.graph?.close()
      await opened.engine.store.close()
      await opened.cleanup()
      throw error
    }
  }

  /** The version that `ingest`, `build` and `tick` use when none is named. */
  get activeVersion(): string {
    return this.#working.version
  }

  // ── ingest, build, tick ────────────────────────────────────────────────────────────────────────────────────────

  /** Normalizes and appends records; with `process`, interprets everything pending (spec 04 §4.5). */
  async ingest(
    source: SourceName<D>,
    events: Iterable<RawEvent> | AsyncIterable<RawEvent>,
    options: IngestOptions = {},
  ): Promise<IngestResult> {
    this.#assertOpen()
    const records = toRecords(events, options.signal)
    return this.#write(async () => {
      const target = await this.#edition(typeof options.process === 'string' ? options.process : undefined)
      const process = options.process
        ? (counts: object) => this.#buildAfter(target, counts, options.signal)
        : async () => null
      return ingestRecords(this.#engine, target, source as string, records, options, process)
    })
  }

  /** Brings state history to the ledger head in the mode that is needed (spec 04 §4.3). */
  async build(version: string, options?: BuildCallOptions): Promise<BuildResult>
  async build(options?: BuildCallOptions): Promise<BuildResult>
  async build(first?: string | BuildCallOptions, second?: BuildCallOptions): Promise<BuildResult> {
    this.#assertOpen()
    const options = typeof first === 'string' ? { ...second, version: first } : (first ?? {})
    const engineOptions = engineBuildOptions(options)
    return this.#write(async () => this.#build(await this.#edition(options.version), engineOptions))
  }

  /**
   * Ingests the records of open dead letters again and marks them (spec 07 §9). `from`: a file that a sink wrote, default
   * what this engine's own sink stored, in a file or in the database. Failures of later stages are not records to read
   * again; a build mends them.
   */
  async reprocessDeadLetters(options: { from?: string; process?: boolean } = {}): Promise<IngestResult> {
    return reprocessLetters(this.#letters, options, {
      ingest: (source, records) => this.ingest(source as SourceName<D>, records, { throwIfAllFail: false }),
      build: () => this.build(),
    })
  }

  /** What `build` would do now, and why, without doing it. */
  async nextBuild(
    options: BuildCallOptions = {},
  ): Promise<{ mode: BuildResult['mode']; reason: string; pendingEvents: number }> {
    this.#assertOpen()
    const edition = await this.#edition(options.version)
    const decision = await nextMode(this.#engine, edition, engineBuildOptions(options))
    const { cursor } = await buildStateOf(this.#engine, edition)
    return { ...decision, pendingEvents: await this.#store.ledger.countAfter(cursor) }
  }

  /** How far the version is built; with shards, by this one, or by all of them where this process has none. */
  async buildStatus(version?: string): Promise<BuildStatus> {
    this.#assertOpen()
    return buildStatusOf(this.#engine, await this.#edition(version))
  }

  /**
   * Applies time rules of all entities up to `asOf` (default now), after interpreting what is pending (spec 05 §2).
   * `dryRun` writes nothing and returns the changes.
   */
  async tick(options: TickOptions = {}): Promise<TickResult> {
    this.#assertOpen()
    const asOf = options.asOf === undefined ? this.#engine.now() : asOfOption(options.asOf)
    if (options.dryRun) return previewTick(this.#engine, await this.#edition(options.version), asOf)
    return this.#write(async () => {
      await this.#privacy.resume()
      const edition = await this.#edition(options.version)
      const result = await tick(this.#engine, edition, asOf)
      await this.#settle(edition, edition.version === this.#working.version)
      return result
    })
  }

  /**
   * Makes one entity part of another of its type, for good (spec 05 §3). Waits for builds to hand over; merging what is merged
   * already does nothing. @throws IdentityError, NotFoundError
   */
  async merge(
    from: string,
    into: string,
    options: { reason?: string; signal?: AbortSignal } = {},
  ): Promise<MergeResult> {
    this.#assertOpen()
    return this.#write(async () => {
      const result = await mergeEntities(this.#engine, this.#working, from, into, options)
      await this.#settle(this.#working, true)
      return result
    })
  }

  /** Counts and places, for people and monitoring. */
  async stats(): Promise<EngineStats> {
    this.#assertOpen()
    return engineStats(this.#engine, this.#readable.version)
  }

  /**
   * Runs `work` while this process holds the named run: a second call with the same name, here or in another process,
   * rejects with `LockHeld` until it ends. A holder that died lets go by itself. Does not keep others from writing; the
   * calls of `work` take their own slots.
   */
  async exclusive<T>(run: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#assertOpen()
    return withSlot(this.#engine, `run/${run}`, run, signal, work)
  }

  /** What runs of an orchestrator do with this engine (spec 10 §4); their calls may overlap, slots keep them apart. */
  operations(): Operations {
    this.#assertOpen()
    return operationsOf({
      engine: this.#engine,
      editions: this.#editions,
      working: () => this.#working,
      settle: (edition) => this.#settle(edition, edition.version === this.#working.version),
      status: (version) => this.buildStatus(version),
      queries: (edition) => new VersionQueries(this.#source(edition)),
      privacy: () => this.#privacy.context(),
      compliance: this.#compliance,
      close: () => this.close(),
    })
  }

  /** Who holds the space's slots, and since when; a holder that is `dead` lets go as soon as somebody asks. */
  async locks(): Promise<readonly (LockRow & { readonly dead: boolean })[]> {
    this.#assertOpen()
    const rows = await this.#store.locks.list()
    return rows.map((row) => ({ ...row, dead: row.holder !== null && this.#isDead(row.holder) }))
  }

  /** What was written out of the space, oldest first: the last export to every place (spec 05 §4.5). */
  async exports(): Promise<readonly ExportRow[]> {
    this.#assertOpen()
    return this.#store.exports.list()
  }

  /** One person's data from every tier, to look at or to hand over: by its id, or by a hint `type.field=value`. */
  async subject(subject: string | SubjectInput): Promise<Subject> {
    this.#assertOpen()
    const engine = this.#engine
    const named = typeof subject === 'string' ? { entityId: subject } : subject
    const { entityId } = await subjectOf({ engine, working: () => this.#working }, named)
    const queries = new VersionQueries(this.#source(this.#readable))
    const log = guardedExports(engine)
    return Subject.of({ engine, edition: this.#readable, queries, writers: this.#writers, log }, entityId)
  }

  // ── queries (the rest is in `queries.ts`) ──────────────────────────────────────────────────────────────────────

  /** The same entry points for another registered version, with that version's definitions. */
  version(name: string): Queries {
    this.#assertOpen()
    return new VersionQueries(this.#source(this.#editions.get(name)))
  }

  /** Chronological changes of one entity (spec 06 §8); unknown ids give no entries. */
  async timeline(entityId: string, options: { all?: boolean } = {}): Promise<Timeline> {
    this.#assertOpen()
    return entityTimeline(this.#engine, this.#readable, entityId, options)
  }

  /**
   * What gave a property (or `state`) the value it had at `asOf` (default: now): the event or time rule, the effect in the
   * definitions, and the raw fields behind it. Unknown entities and properties are a `NotFoundError`.
   */
  async explain(
    entityId: string,
    property: string,
    options: { asOf?: InstantInput; version?: string } = {},
  ): Promise<Explanation> {
    this.#assertOpen()
    const asOf = options.asOf === undefined ? this.#engine.now() : asOfOption(options.asOf)
    const edition = options.version === undefined ? this.#readable : await this.#edition(options.version)
    return explainProperty(this.#engine, edition, { entityId, property, asOf })
  }

  /** Finishes queued work and releases everything; may be repeated. */
  async close(): Promise<void> {
    this.#closing ??= this.#release()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ── internals ──────────────────────────────────────────────────────────────────────────────────────────────────

  protected privacy(): Privacy {
    this.#assertOpen()
    return this.#privacy
  }

  protected source(): QuerySource {
    this.#assertOpen()
    return this.#source(this.#readable)
  }

  #source({ version, program }: Edition): QuerySource {
    const { reader } = this.#store
    const log = guardedExports(this.#engine)
    const exports = { writers: this.#writers, log, space: this.#store.spaceId, now: () => this.#engine.now() }
    const graph = this.#graphPlace?.of(this.#store.spaceId, version, program)
    const cursor = (): Promise<string> => historyCursor(this.#engine, version)
    return { reader, program, version, exports, cursor, ...(graph && { graph }) }
  }

  async #release(): Promise<void> {
    await this.#schedule?.stop()
    await this.#writes.idle()
    await this.ledger.tiers.idle()
    await this.#engine.deadLetter?.close()
    await this.#graphPlace?.close()
    await this.#store.close()
    await this.#cleanup()
  }

  /** Queues work that writes: one call after the other, in call order. Every storage failure is logged once. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    return this.#writes.run(() => loggingStorage(this.#logger, work))
  }

  /** The version of this name; none named: the working one. */
  async #edition(version: string | undefined): Promise<Edition> {
    return version === undefined ? this.#working : this.#editions.find(version)
  }

  /** A build of the working version ends with readers on it. */
  async #build(edition: Edition, options: EngineBuildOptions): Promise<BuildResult> {
    const result = await build(this.#engine, edition, options)
    await this.#settle(edition, edition.version === this.#working.version)
    return result
  }

  /** The pass behind `process`; if somebody else is building, the error says what is in the ledger already. */
  async #buildAfter(edition: Edition, counts: object, signal: AbortSignal | undefined): Promise<BuildResult> {
    try {
      return await this.#build(edition, { signal })
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error
      const message = `${error.message}; the records are in the ledger, a later build interprets them`
      throw new LockHeld(message, { details: { ...error.details, ingested: counts }, cause: error })
    }
  }

  /** After a build: readers see it, and change over to its version if that is wanted. */
  async #settle(edition: Edition, read: boolean): Promise<void> {
    const change = read && this.#readable.version !== edition.version
    // Readers of a version built in shards change over when the last of them is done.
    if (change && (await isBuilt(this.#engine, edition.version))) await this.#switchTo(edition)
    await this.#store.reader.refresh()
  }

  async #switchTo(edition: Edition): Promise<void> {
    await withStateSlot(this.#engine, 'activate', undefined, (slot) => switchActive(this.#engine, edition, slot))
    this.#readable = edition
  }

  /**
   * Nothing changes unless the build succeeds; then ingest and builds work with the version, and queries and the active
   * version of the space change over (with shards, when the last of them has built it).
   */
  async #activate(version: string): Promise<BuildResult> {
    this.#assertOpen()
    return this.#write(async () => {
      const edition = await this.#editions.find(version)
      const result = await build(this.#engine, edition)
      this.#working = edition
      if (await isBuilt(this.#engine, edition.version)) await this.#switchTo(edition)
      await this.#store.reader.refresh()
      return result
    })
  }

  /**
   * Pending events and interrupted builds are finished; a build that the definitions ask for waits for a call. A working
   * version that has nothing to build is read from at once.
   */
  async #start(catchUp: boolean): Promise<void> {
    const state = await buildStateOf(this.#engine, this.#working)
    const { mode } = await nextMode(this.#engine, this.#working)
    const wanted = mode === 'INCREMENTAL' || (mode !== 'SKIP' && state.dirty)
    try {
      if (wanted && catchUp) this.startup = await this.#write(() => this.#build(this.#working, {}))
      else if (mode === 'SKIP') await this.#write(() => this.#settle(this.#working, true))
      if (catchUp) await this.#write(() => this.#privacy.resume())
    } catch (error) {
      // Somebody else is at it; what they finish is what a build here would have done.
      if (!(error instanceof LockHeld)) throw error
    }
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new ConfigError('this engine is closed; open it again')
  }
}

function definitionsOf(config: DefinitionsInput | Definitions): Definitions {
  return config instanceof Definitions ? config : Definitions.fromObject(config)
}

function withDatabase(path: string, options: DefactoOptions): DefactoOptions {
  return { ...options, database: options.database ?? join(resolve(path), '.defacto', 'defacto.db') }
}
