/** Replaying one entity without writing, for its timeline and for checks (spec 06 §8). */

import type { LedgerEvent } from '../core/event.ts'
import { hintKey } from '../core/identity.ts'
import { emptyState, type FoldOptions, type FoldResult, fold } from '../core/interpret.ts'
import type { CompiledEntity } from '../core/program.ts'
import { NotFoundError } from '../errors.ts'
import type { Edition, Engine } from './engine.ts'
import { compiledEntity, groupByEntity, targetGroups } from './entities.ts'
import { instantOrNull } from './interpret-range.ts'
import { lookupHints } from './privacy/lookup.ts'
import { buildStateOf } from './versions.ts'

export interface Replayed {
  readonly entityId: string
  readonly entityType: string
  readonly compiled: CompiledEntity
  readonly events: readonly LedgerEvent[]
  /** What the events were folded with. */
  readonly options: FoldOptions
  readonly result: FoldResult
}

/** The entity's events up to the version's cursor, folded and advanced to its tick horizon; undefined without events. */
export async function replayEntity(engine: Engine, edition: Edition, entityId: string): Promise<Replayed | undefined> {
  const { store } = engine
  const state = await buildStateOf(engine, edition)
  const [group] = groupByEntity(edition, await store.ledger.mappedFor(null, [entityId], state.cursor))
  if (group === undefined) return undefined
  const compiled = compiledEntity(edition, group.type)
  if (compiled === undefined) {
    throw new NotFoundError(`entity type '${group.type}' is not defined in version '${edition.version}'`)
  }
  const groups = targetGroups(edition, group.events, engine.now())
  const keys = groups.flatMap(({ entityType, hints }) =>
    Object.entries(hints).map(([hintType, value]) => ({ entityType, hintType, value })),
  )
  const found = await lookupHints(engine, null, keys)
  const ids = new Map(keys.map((key, index) => [hintKey(key.entityType, key.hintType, key.value), found[index]]))
  const options: FoldOptions = {
    targets: (entityType, hints) =>
      Object.entries(hints)
        .map(([hintType, value]) => ids.get(hintKey(entityType, hintType, value)))
        .filter((id) => id !== undefined)
        .sort()[0],
    advanceTo: instantOrNull(state.tickHorizon),
    wall: engine.now(),
  }
  const result = fold(compiled, emptyState(group.type, entityId), group.events, options)
  return { entityId, entityType: group.type, compiled, events: group.events, options, result }
}
