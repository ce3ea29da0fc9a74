/**
 * Replaying everything beside the live state (spec 04 §4.4 "Replacing state"): entity by entity in id order, so memory
 * holds one entity at a time and history rows are written once, then one transaction swaps the tables.
 */
import { type Instant, laterOf } from '../core/instant.ts'
import { emptyState, fold } from '../core/interpret.ts'
import type { BuildState, MappedRow, ShadowBuild } from '../ports/store.ts'
import type { BuildMode } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import {
  compiledEntity,
  type EntityEvents,
  type EntityOutcome,
  groupByEntity,
  outcomeOf,
  targetGroups,
} from './entities.ts'
import { failpoint, unitRows } from './failpoint.ts'
import { type PendingFailure, pendingFailures } from './failures.ts'
import { instantOrNull, reportFailures } from './interpret-range.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'
import { Targets } from './targets.ts'
import { sameHashes } from './versions.ts'

/**
 * The interrupted full build of this version, if going on with it gives what a new one would: begun for the definitions
 * as they are now and for the identities there are, and not beyond `upTo`.
 */
export async function interruptedBuild(
  engine: Engine,
  edition: Edition,
  upTo: number,
): Promise<ShadowBuild | undefined> {
  const shadow = await engine.store.builds.shadow(edition.version)
  if (shadow === undefined || shadow.upTo > upTo || !sameHashes(shadow, edition.program.hashes)) return undefined
  const since = await engine.store.identity.changes(null, shadow.changeCursor)
  return since.some((change) => change.kind === 'reset') ? undefined : shadow
}

/** Replaces the version's state by a replay up to the ledger head seen at its start; continues an interrupted one. */
export async function fullBuild(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  state: BuildState,
  options: { mode: BuildMode; upTo: number; asOf: Instant | null },
  tally: BuildTally,
): Promise<BuildState> {
  const { store } = engine
  const { program, version } = edition
  let shadow = await interruptedBuild(engine, edition, options.upTo)
  const resumed = shadow?.mode === options.mode
  // What this build itself counted before it handed over is counted.
  const isOwn = tally.behind.shadow
  if (shadow !== undefined && resumed) {
    if (!isOwn) tally.restore(shadow.stats)
  } else {
    shadow = await slot.unit(version, async (unit) => {
      const latest = await store.identity.changes(unit, state.changeCursor)
      const begun: ShadowBuild = {
        version,
        mode: options.mode,
        upTo: options.upTo,
        asOf: laterOf(options.asOf, instantOrNull(state.tickHorizon))?.toString() ?? NEVER,
        afterEntity: null,
        stats: tally.save(),
        watermark: null,
        generation: state.generation + 1,
        changeCursor: latest.at(-1)?.changeSeq ?? state.changeCursor,
        ...program.hashes,
      }
      await store.history.beginShadow(unit, program.layout)
      await store.builds.putShadow(unit, begun)
      failpoint('shadow.begun')
      return begun
    })
  }
  tally.behind.shadow = true
  const replay = new Replay(engine, edition, slot, shadow, tally)
  await replay.run()

  const finished = replay.shadow
  // Events of several entities, some of them replayed before the interruption, must count once.
  if (resumed && !isOwn) tally.eventsProcessed = await store.ledger.countMapped(finished.upTo)
  const next: BuildState = {
    ...state,
    ...program.hashes,
    totalShards: store.shard?.total ?? 1,
    cursor: finished.upTo,
    watermark: replay.watermark ?? state.watermark,
    generation: finished.generation,
    tickHorizon: finished.asOf === NEVER ? null : finished.asOf,
    changeCursor: finished.changeCursor,
    dirty: true,
  }
  await slot.unit(version, async (unit) => {
    await store.history.swapShadow(unit, program.layout)
    await store.builds.dropShadow(unit)
    await store.builds.put(unit, next)
    failpoint('swap.written')
  })
  tally.behind.swap = true
  failpoint('swap.committed')
  engine.cache(version).clear()
  tally.progress('swap', 1, 1)
  return next
}

/** Mapped rows per committed unit of a replay. */
const ROWS_PER_UNIT = unitRows(5000)

/** Stands for no instant to advance to. */
const NEVER = ''

class Replay {
  readonly #engine: Engine
  readonly #edition: Edition
  readonly #slot: Slot
  readonly #asOf: Instant | null
  readonly #tally: BuildTally
  readonly #targets: Targets
  #outcomes: EntityOutcome[] = []
  #failures: PendingFailure[] = []
  #newest: Instant | null = null
  #lastEntity: string | null
  shadow: ShadowBuild

  constructor(engine: Engine, edition: Edition, slot: Slot, shadow: ShadowBuild, tally: BuildTally) {
    this.#engine = engine
    this.#edition = edition
    this.#slot = slot
    this.shadow = shadow
    this.#asOf = shadow.asOf === NEVER ? null : instantOrNull(shadow.asOf)
    this.#tally = tally
    this.#targets = new Targets(engine)
    this.#lastEntity = shadow.afterEntity
    this.#newest = instantOrNull(shadow.watermark)
  }

  get watermark(): string | null {
    return this.#newest?.toString() ?? null
  }

  /** While the database writes one batch of entities, the next is read and decoded. */
  async run(): Promise<void> {
    let rows: MappedRow[] = []
    let writing = Promise.resolve()
    const write = async (batch: readonly MappedRow[]): Promise<void> => {
      const lastEntity = batch.at(-1)?.entityId
      if (lastEntity === undefined) return
      const groups = groupByEntity(this.#edition, batch)
      await writing
      writing = this.#write(groups, lastEntity)
      // A failure is reported before the next batch is written.
      writing.catch(() => undefined)
    }
    const { ledger } = this.#engine.store
    const range = { afterEntity: this.#lastEntity, to: this.shadow.upTo, chunk: ROWS_PER_UNIT }
    for await (const chunk of ledger.mappedByEntity(range)) {
      rows = rows.length === 0 ? chunk : rows.concat(chunk)
      const last = rows.at(-1)
      if (last === undefined || rows.length < ROWS_PER_UNIT) continue
      // The last entity may go on in the next chunk.
      const boundary = rows.findLastIndex((row) => row.entityId !== last.entityId) + 1
      if (boundary === 0) continue
      await write(rows.slice(0, boundary))
      rows = rows.slice(boundary)
    }
    await write(rows)
    await writing
  }

  async #write(groups: readonly EntityEvents[], lastEntity: string): Promise<void> {
    const { store } = this.#engine
    const { version, program } = this.#edition
    this.#lastEntity = lastEntity
    for (const { type, events } of groups) {
      if (compiledEntity(this.#edition, type) === undefined) continue
      for (const event of events) this.#newest = laterOf(this.#newest, event.timestamp)
      this.#tally.countEvents(events)
    }
    const undo = this.#tally.mark()
    this.shadow = await this.#slot.unit(version, async (unit) => {
      undo()
      this.#outcomes = []
      this.#failures = []
      this.#targets.begin()
      await this.#targets.prepare(
        unit,
        targetGroups(
          this.#edition,
          groups.flatMap((group) => group.events),
          unit.now,
        ),
      )
      for (const group of groups) this.#fold(group, unit.now)
      const writes = this.#outcomes.flatMap((outcome) => (outcome.write === null ? [] : [outcome.write]))
      await store.history.write(unit, 'shadow', program.layout, writes)
      await store.checkpoints.save(
        unit,
        'shadow',
        this.#outcomes.map((outcome) => outcome.checkpoint),
      )
      const next = {
        ...this.shadow,
        afterEntity: this.#lastEntity,
        stats: this.#tally.save(),
        watermark: this.#newest?.toString() ?? null,
      }
      await store.builds.putShadow(unit, next)
      failpoint('shadow.written')
      return next
    })
    failpoint('shadow.committed')
    this.#targets.committed()
    await reportFailures(this.#engine, this.#edition, this.#failures, this.#tally)
    this.#tally.progress('rebuild', this.#tally.eventsProcessed, this.shadow.upTo)
  }

  #fold(group: EntityEvents, wall: Instant): void {
    const compiled = compiledEntity(this.#edition, group.type)
    if (compiled === undefined) return
    const empty = emptyState(group.type, group.id)
    const result = fold(compiled, empty, group.events, { targets: this.#targets.lookup, advanceTo: this.#asOf, wall })
    const { generation, upTo } = this.shadow
    this.#outcomes.push(outcomeOf(compiled, null, result, { generation, appliedUpto: upTo }))
    for (const failure of pendingFailures(group, result.failures)) this.#failures.push(failure)
    this.#tally.effectsProduced += result.effects
    if (result.created) this.#tally.entitiesCreated += 1
  }
}
