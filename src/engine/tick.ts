/** Time rules of all due entities (spec 03 §10, 05 §2). Cost follows the due entities: they come from an index. */
import { decodeState } from '../core/checkpoint.ts'
import { compareTime, Duration, Instant, laterOf } from '../core/instant.ts'
import { type FoldResult, fold } from '../core/interpret.ts'
import { setOwn } from '../core/raw-path.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { asNumber, Float, type Value } from '../core/value.ts'
import type { BuildState, Unit } from '../ports/store.ts'
import type { EventFailure, Snapshot as PlainSnapshot, TickResult } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { compiledEntity, loadEntities, outcomeOf } from './entities.ts'
import { failpoint, unitRows } from './failpoint.ts'
import { interpretationFailure, pendingFailures } from './failures.ts'
import { ChunkWork, instantOrNull } from './interpret-range.ts'
import type { Slot } from './slot.ts'
import { BuildTally } from './tally.ts'
import { Targets } from './targets.ts'

const ENTITIES_PER_UNIT = unitRows(5000)
/** Time rules relate nothing. */
const noTargets = () => undefined

/** What a tick has done so far; one that handed its slot over goes on counting. */
export class TickCounts {
  readonly affected = new Set<string>()
  effects = 0
  transitions = 0
}

export interface TickOutcome extends TickResult {
  readonly state: BuildState
}

/**
 * Advances every due entity to `asOf`, or the tick horizon if that is later, and moves the horizon there. Each unit
 * commits entities with their rows; an interrupted tick is completed by the next one, because the due index yields the rest.
 */
export async function advanceDue(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  start: BuildState,
  asOf: Instant,
  tally: BuildTally = new BuildTally(),
  counts: TickCounts = new TickCounts(),
): Promise<TickOutcome> {
  const { store } = engine
  let state = start
  // Never behind an earlier tick: events that arrived since may bring entities due before its horizon.
  const to = laterOf(instantOrNull(state.tickHorizon), asOf) ?? asOf
  const { affected } = counts
  const failuresBefore = tally.failures.length
  // Entities that stay due (rules that never come to rest) are looked at once.
  const stuck = new Set<string>()
  for (let more = true; more; ) {
    const before = state
    const advanceSome = async (unit: Unit) => {
      const chunk = new ChunkWork(engine, edition, new Targets(engine), tally)
      const limit = ENTITIES_PER_UNIT + stuck.size
      const due = await store.checkpoints.due(unit, edition.version, to, limit)
      const ids = due.filter((id) => !stuck.has(id))
      const results = await advanceIds(engine, edition, unit, chunk, ids, to, before.cursor)
      await chunk.write(unit)
      if (ids.length > 0) failpoint('tick.written')
      return { chunk, results, full: due.length === limit }
    }
    const progress = (done: { results: readonly Advanced[] }): boolean => done.results.length > 0
    const { chunk, results, full } = await slot.unit(edition.version, advanceSome, { progress })
    more = full
    if (results.length > 0) failpoint('tick.committed')
    await chunk.committed()
    for (const { id, result, due } of results) {
      if (due !== null && due < to.toString()) stuck.add(id)
      counts.effects += result.effects
      tally.effectsProduced += result.effects
      counts.transitions += result.transitions
      if (result.changes.length > 0) {
        affected.add(id)
        tally.updated(id)
      }
    }
    tally.progress('tick', affected.size, affected.size)
  }
  state = { ...state, tickHorizon: to.toString() }
  return {
    state,
    effectsProduced: counts.effects,
    entitiesAffected: affected.size,
    transitions: counts.transitions,
    failures: tally.failures.slice(failuresBefore),
  }
}

interface Advanced {
  readonly id: string
  readonly result: FoldResult
  /** Canonical text; null: no rule is left to become due. */
  readonly due: string | null
}

async function advanceIds(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  chunk: ChunkWork,
  ids: readonly string[],
  asOf: Instant,
  cursor: number,
): Promise<Advanced[]> {
  if (ids.length === 0) return []
  const wall = engine.now()
  const owning = await engine.store.mapping.existing(unit, ids)
  const checkpoints = await engine.store.checkpoints.load(unit, edition.version, ids)
  const wanted = new Map([...checkpoints.values()].map(({ id, type }) => [id, type]))
  const loaded = await loadEntities(engine, edition, unit, wanted, new Set(), checkpoints)
  const results: Advanced[] = []
  for (const [id, type] of wanted) {
    const before = loaded.get(id)
    const compiled = compiledEntity(edition, type)
    if (!owning.has(id) || before === undefined || compiled === undefined) {
      chunk.remove(id)
      continue
    }
    const result = fold(compiled, before.state, [], { targets: noTargets, advanceTo: asOf, wall })
    const outcome = outcomeOf(compiled, before, result, { generation: before.generation, appliedUpto: cursor })
    chunk.add(id, outcome)
    for (const failure of pendingFailures({ id, type, events: [] }, result.failures)) chunk.fail(failure)
    results.push({ id, result, due: outcome.checkpoint.nextDue })
  }
  return results
}

/** What a tick at `asOf` would change in the state built so far, without writing or reporting anything. */
export async function previewTick(engine: Engine, edition: Edition, asOf: Instant): Promise<TickResult> {
  const { store } = engine
  const changes: Snapshot[] = []
  const failures: EventFailure[] = []
  let effects = 0
  let transitions = 0
  let affected = 0
  // The due index is read once, whole: nothing moves it during a preview.
  const ids = await store.checkpoints.due(null, edition.version, asOf, Number.MAX_SAFE_INTEGER)
  for (let index = 0; index < ids.length; index += ENTITIES_PER_UNIT) {
    const checkpoints = await store.checkpoints.load(null, edition.version, ids.slice(index, index + ENTITIES_PER_UNIT))
    for (const { id, type, body } of checkpoints.values()) {
      const compiled = compiledEntity(edition, type)
      if (compiled === undefined) continue
      const result = fold(compiled, decodeState(compiled, id, body), [], {
        targets: noTargets,
        advanceTo: asOf,
        wall: engine.now(),
      })
      effects += result.effects
      transitions += result.transitions
      if (result.changes.length > 0) affected += 1
      changes.push(...result.changes.map((change) => change.snapshot))
      for (const failure of result.failures) {
        const pending = { failure, entityId: id, entityType: type, source: '' }
        failures.push(interpretationFailure(pending, undefined, edition.version, engine.now()))
      }
    }
  }
  changes.sort((a, b) => compareTime(a.validFrom, b.validFrom))
  return { effectsProduced: effects, entitiesAffected: affected, transitions, failures, changes: changes.map(plain) }
}

/** A snapshot as callers get it; time rules relate nothing, so there are no edges to tell. */
export function plain({ entityId, entityType, state, properties, ...times }: Snapshot): PlainSnapshot {
  const values: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) setOwn(values, name, plainValue(value))
  return {
    entityId,
    entityType,
    state,
    properties: values,
    lastEventTime: times.lastEventTime.toString(),
    stateEnteredTime: times.stateEnteredTime.toString(),
    createdTime: times.createdTime.toString(),
    validFrom: times.validFrom.toString(),
  }
}

/** A value as query rows have it. */
export function plainValue(value: Value): unknown {
  if (value instanceof Float) return asNumber(value)
  return value instanceof Instant || value instanceof Duration ? value.toJSON() : value
}
