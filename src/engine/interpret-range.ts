/** The incremental pass over mapped events and the rebuild of single entities (spec 04 §4.6 steps 3–6, §4.7). */
import { compareTime, type Instant, instantFromText, laterOf } from '../core/instant.ts'
import { emptyState, type FoldFailure, type FoldResult, fold } from '../core/interpret.ts'
import { isLate } from '../core/time-rules.ts'
import type { BuildState, Unit } from '../ports/store.ts'
import { BUILD_CHUNK, type Edition, type Engine } from './engine.ts'
import {
  compiledEntity,
  type EntityEvents,
  type EntityOutcome,
  groupByEntity,
  loadEntities,
  outcomeOf,
  targetGroups,
} from './entities.ts'
import { failpoint } from './failpoint.ts'
import { interpretationFailure, type PendingFailure, pendingFailures } from './failures.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'
import { Targets } from './targets.ts'

/**
 * Interprets `(cursor, upTo]` in chunks. A chunk is a contiguous range of sequences, so the cursor is contiguous too;
 * state, history and cursor commit together, and memory changes only after the commit.
 */
export async function interpretUpTo(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  start: BuildState,
  upTo: number,
  tally: BuildTally,
): Promise<BuildState> {
  const targets = new Targets(engine)
  // What counts as late must not depend on how the range is cut.
  if (tally.lateBefore === undefined) tally.lateBefore = instantOrNull(start.watermark)
  const watermark = tally.lateBefore
  let state = start
  // A shard finds its part of a range only, so it takes a longer one.
  const length = BUILD_CHUNK * (engine.store.shard?.total ?? 1)
  while (state.cursor < upTo) {
    const range = { after: state.cursor, to: Math.min(state.cursor + length, upTo) }
    const before = state
    const done = await slot.unit(edition.version, async (unit) => {
      const chunk = new ChunkWork(engine, edition, targets, tally)
      const next = await chunk.interpret(unit, before, range, watermark)
      await engine.store.builds.put(unit, next)
      failpoint('chunk.written')
      return { chunk, next }
    })
    state = done.next
    failpoint('chunk.committed')
    await done.chunk.committed()
    tally.progress('interpret', state.cursor, upTo)
  }
  return state
}

/** The work of one try of a unit; its results reach memory, tally and dead letter only through `committed`. */
export class ChunkWork {
  readonly #engine: Engine
  readonly #edition: Edition
  readonly #targets: Targets
  readonly #tally: BuildTally
  readonly #outcomes = new Map<string, EntityOutcome>()
  readonly #removed: string[] = []
  readonly #failures: PendingFailure[] = []
  readonly #afterCommit: (() => void)[] = []

  constructor(engine: Engine, edition: Edition, targets: Targets, tally: BuildTally) {
    this.#engine = engine
    this.#edition = edition
    this.#targets = targets
    this.#tally = tally
    targets.begin()
  }

  /** `watermark`: events before it count as late arrivals. */
  async interpret(
    unit: Unit,
    state: BuildState,
    range: { after: number; to: number },
    watermark: Instant | null,
  ): Promise<BuildState> {
    const edition = this.#edition
    const rows = await this.#engine.store.ledger.mappedRange(unit, range)
    const groups = groupByEntity(edition, rows)
    const { relating, needed } = this.#relating(groups)
    await this.#targets.prepare(unit, targetGroups(edition, relating, unit.now))

    const wanted = new Map(groups.map((group) => [group.id, group.type]))
    const loaded = await loadEntities(this.#engine, edition, unit, wanted, needed)
    const late: string[] = []
    const sequences = new Set<number>()
    let newest = instantOrNull(state.watermark)
    let lateArrivals = 0
    for (const group of groups) {
      for (const event of group.events) {
        sequences.add(event.sequence)
        newest = laterOf(newest, event.timestamp)
        if (watermark !== null && compareTime(event.timestamp, watermark) < 0) lateArrivals += 1
      }
      const compiled = compiledEntity(edition, group.type)
      const before = loaded.get(group.id)
      const first = group.events[0]
      if (compiled === undefined || before === undefined || first === undefined) continue
      if (isLate(before.state, first.timestamp)) {
        late.push(group.id)
        continue
      }
      const result = fold(compiled, before.state, group.events, { targets: this.#targets.lookup, wall: unit.now })
      this.#outcomes.set(
        group.id,
        outcomeOf(compiled, before, result, { generation: before.generation, appliedUpto: range.to }),
      )
      this.#note(group, result.failures)
      this.#afterCommit.push(() => {
        this.#tally.effectsProduced += result.effects
        if (result.created) this.#tally.created(group.id)
        else if (result.changes.length > 0) this.#tally.updated(group.id)
      })
    }
    const generation = late.length > 0 ? state.generation + 1 : state.generation
    const horizon = instantOrNull(state.tickHorizon)
    await this.rebuild(unit, late, { upTo: range.to, newAfter: range.after, horizon, generation })
    await this.write(unit)
    this.#afterCommit.push(() => {
      this.#tally.eventsProcessed += sequences.size
      this.#tally.lateArrivals += lateArrivals
    })
    return { ...state, generation, cursor: range.to, watermark: newest?.toString() ?? null, dirty: true }
  }

  /**
   * Replays these entities from nothing, for themselves only, up to `upTo`, then advances them to the tick horizon.
   * Of the failures those are reported that a replay of the events up to `newAfter` does not have; they were reported
   * when they first happened. Ids without events are removed.
   */
  async rebuild(
    unit: Unit,
    ids: readonly string[],
    options: { upTo: number; newAfter: number; horizon: Instant | null; generation: number },
  ): Promise<void> {
    if (ids.length === 0) return
    const { store } = this.#engine
    const edition = this.#edition
    const groups = groupByEntity(edition, await store.ledger.mappedFor(unit, ids, options.upTo))
    await this.#targets.prepare(unit, targetGroups(edition, eventsOf(groups), unit.now))
    const wanted = new Map(groups.map((group) => [group.id, group.type]))
    const loaded = await loadEntities(this.#engine, edition, unit, wanted, new Set())
    for (const group of groups) {
      const compiled = compiledEntity(edition, group.type)
      const before = loaded.get(group.id)
      if (compiled === undefined || before === undefined) continue
      const replay = (events: EntityEvents['events']): FoldResult =>
        fold(compiled, emptyState(group.type, group.id), events, {
          targets: this.#targets.lookup,
          advanceTo: options.horizon,
          wall: unit.now,
        })
      const result = replay(group.events)
      const { generation, upTo, newAfter } = options
      this.#outcomes.set(group.id, outcomeOf(compiled, null, result, { generation, appliedUpto: upTo }))
      this.#note(
        group,
        newFailures(result.failures, newAfter, () => {
          return replay(group.events.filter((event) => event.sequence <= newAfter)).failures
        }),
      )
      const existed = before.state.state !== null
      this.#afterCommit.push(() => {
        this.#tally.effectsProduced += result.effects
        if (existed) this.#tally.updated(group.id)
        else if (result.created) this.#tally.created(group.id)
      })
    }
    const gone = ids.filter((id) => !wanted.has(id))
    this.#removed.push(...gone)
  }

  /** Marks an entity's checkpoint for removal (merged away or without events). */
  remove(id: string): void {
    this.#removed.push(id)
    this.#outcomes.delete(id)
  }

  /** Adds the outcome of an advance (tick). */
  add(id: string, outcome: EntityOutcome): void {
    this.#outcomes.set(id, outcome)
  }

  fail(failure: PendingFailure): void {
    this.#failures.push(failure)
  }

  async write(unit: Unit): Promise<void> {
    const { history, checkpoints } = this.#engine.store
    const outcomes = [...this.#outcomes.values()]
    const writes = outcomes.flatMap((outcome) => (outcome.write === null ? [] : [outcome.write]))
    if (writes.length > 0) await history.write(unit, 'live', this.#edition.program.layout, writes)
    if (outcomes.length > 0) {
      await checkpoints.save(
        unit,
        'live',
        outcomes.map((outcome) => outcome.checkpoint),
      )
    }
    if (this.#removed.length > 0) await checkpoints.remove(unit, this.#removed)
  }

  /** After the commit: memory, counters, failures. */
  async committed(): Promise<void> {
    this.#targets.committed()
    const cache = this.#engine.cache(this.#edition.version)
    for (const [id, outcome] of this.#outcomes) cache.put(id, outcome.entity)
    for (const id of this.#removed) cache.delete(id)
    for (const apply of this.#afterCommit) apply()
    await reportFailures(this.#engine, this.#edition, this.#failures, this.#tally)
  }

  #note(group: EntityEvents, failures: readonly PendingFailure['failure'][]): void {
    for (const failure of pendingFailures(group, failures)) this.#failures.push(failure)
  }

  #relating(groups: readonly EntityEvents[]) {
    const { relatingEvents } = this.#edition.program
    const relating = new Map<number, EntityEvents['events'][number]>()
    const needed = new Set<string>()
    for (const group of groups) {
      for (const event of group.events) {
        if (!relatingEvents.has(event.eventType)) continue
        relating.set(event.sequence, event)
        needed.add(group.id)
      }
    }
    return { relating: relating.values(), needed }
  }
}

/** Those of `failures` that were not there before; `earlier` is asked only if that can make a difference. */
function newFailures(
  failures: readonly FoldFailure[],
  newAfter: number,
  earlier: () => readonly FoldFailure[],
): readonly FoldFailure[] {
  const isFresh = ({ sequence }: FoldFailure): boolean => sequence !== null && sequence > newAfter
  if (failures.every(isFresh)) return failures
  const keyOf = ({ sequence, at, error }: FoldFailure): string => `${sequence} ${at} ${error}`
  const known = new Set(earlier().map(keyOf))
  return failures.filter((failure) => isFresh(failure) || !known.has(keyOf(failure)))
}

/** Sends failures to the result and the dead letter, with the raw record of each event. */
export async function reportFailures(
  engine: Engine,
  edition: Edition,
  all: readonly PendingFailure[],
  tally: BuildTally,
): Promise<void> {
  const pending = all.filter(({ entityId, failure }) => tally.isNew(entityId, failure))
  if (pending.length === 0) return
  const sequences = pending.flatMap(({ failure }) => (failure.sequence === null ? [] : [failure.sequence]))
  const raws = await engine.store.ledger.raws(sequences)
  const now = engine.now()
  const failures = pending.map((one) =>
    interpretationFailure(
      one,
      one.failure.sequence === null ? undefined : raws.get(one.failure.sequence),
      edition.version,
      now,
    ),
  )
  tally.failures.push(...failures)
  tally.eventsFailed += failures.length
  await engine.report(failures)
}

export function instantOrNull(text: string | null): Instant | null {
  return text === null ? null : instantFromText(text)
}

function* eventsOf(groups: readonly EntityEvents[]) {
  for (const group of groups) yield* group.events
}
