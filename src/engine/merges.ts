/** What merges and erasures found elsewhere mean for one version's state (spec 04 §3.5, §4.6; 05 §3.3, §4.2 no. 18). */
import { owns } from '../core/shard.ts'
import type { BuildState, IdentityChange, Unit } from '../ports/store.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint, unitRows } from './failpoint.ts'
import { ChunkWork, instantOrNull } from './interpret-range.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'
import { Targets } from './targets.ts'

const CHANGES_PER_UNIT = unitRows(500)

/**
 * Applies the change feed past the version's `changeCursor`: losers disappear, winners (and entities that had edges to
 * both) are rebuilt from their events up to the cursor, incoming edges point at the winner. Who was erased leaves every
 * table, whatever else the feed says of it, and who had edges to it is rebuilt. Every shard reads the whole
 * feed and does its part of each change: the hand-over between shards is this cursor (spec 04 §5.3).
 */
export async function applyChanges(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  start: BuildState,
  tally: BuildTally,
): Promise<BuildState> {
  const feed = await engine.store.identity.changes(null, start.changeCursor)
  const { shard } = engine.store
  const erased = new Set(
    feed.flatMap(({ kind, entityId }) => (kind === 'erase' && entityId !== null ? [entityId] : [])),
  )
  let state = start
  const length = CHANGES_PER_UNIT * (shard?.total ?? 1)
  for (let index = 0; index < feed.length; index += length) {
    const changes = feed.slice(index, index + length)
    const before = state
    const done = await slot.unit(edition.version, async (unit) => {
      const chunk = new ChunkWork(engine, edition, new Targets(engine), tally)
      const winners = new Set<string>()
      const linked = new Set<string>()
      const absorbed = new Set<string>()
      const concerned = await losersConcerned(engine, edition, unit, changes)
      for (const change of changes) await applyOne(change)
      for (const id of erased) {
        winners.delete(id)
        linked.delete(id)
      }
      const options = {
        upTo: before.cursor,
        horizon: instantOrNull(before.tickHorizon),
        generation: before.generation + 1,
      }
      // What failed for winner or loser alone cannot be told any more from what fails for both together.
      await chunk.rebuild(unit, [...winners], { ...options, newAfter: 0 })
      const sources = [...linked].filter((id) => !winners.has(id))
      await chunk.rebuild(unit, sources, { ...options, newAfter: before.cursor })
      await chunk.write(unit)
      // Last: nothing that is written for others may lead to them.
      const gone = changes.flatMap(({ kind, entityId }) => (kind === 'erase' && entityId !== null ? [entityId] : []))
      if (gone.length > 0) {
        const ids = gone.map((id) => ({ id, type: '' }))
        await engine.store.history.remove(unit, edition.program.layout, ids)
      }
      const changeCursor = changes.at(-1)?.changeSeq ?? before.changeCursor
      const next = { ...before, changeCursor, generation: before.generation + 1 }
      await engine.store.builds.put(unit, next)
      failpoint('merge.applied')
      return { chunk, next, rebuilt: [...winners, ...sources], absorbed }

      async function applyOne(change: IdentityChange): Promise<void> {
        if (change.kind === 'erase' && change.entityId !== null) await forget(change.entityId)
        if (change.kind !== 'merge' || change.entityId === null || change.intoEntityId === null) return
        const { entityId: from, intoEntityId: into } = change
        if (erased.has(from) || erased.has(into)) return
        if (concerned.has(from)) await absorb(from, into)
        linked.delete(from)
        winners.delete(from)
        if (owns(shard, into)) winners.add(into)
      }
      async function absorb(from: string, into: string): Promise<void> {
        // An id that relationships alone reserved has no events, hence no rows of its own, but edges that lead to it.
        const type = (await engine.store.mapping.entityType(into)) ?? (await survivorType(into)) ?? ''
        const both = await engine.store.history.absorb(unit, edition.program.layout, type, from, into, unit.now)
        for (const id of both) linked.add(id)
        if (owns(shard, from)) {
          chunk.remove(from)
          absorbed.add(from)
        }
        // Edges lead to the winner now, should it lose in turn.
        concerned.add(into)
      }
      async function forget(id: string): Promise<void> {
        for (const source of await engine.store.history.sourcesOf(unit, edition.program.layout, [id])) {
          if (owns(shard, source)) linked.add(source)
        }
        chunk.remove(id)
      }
      async function survivorType(id: string): Promise<string | undefined> {
        return engine.store.mapping.entityType(await engine.store.identity.survivorOf(id))
      }
    })
    state = done.next
    const gone = new Set(changes.flatMap(({ entityId }) => (entityId === null ? [] : [entityId])))
    engine.cache(edition.version).forgetEdgesTo(gone)
    for (const id of done.rebuilt) tally.rebuilt.add(id)
    for (const id of done.absorbed) tally.absorbed.add(id)
    await done.chunk.committed()
  }
  return state
}

/** Losers that left something in this shard's part: they were owned, or edges lead to them. */
async function losersConcerned(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  changes: readonly IdentityChange[],
): Promise<Set<string>> {
  const { shard, history } = engine.store
  const losers = changes.flatMap(({ kind, entityId }) => (kind === 'merge' && entityId !== null ? [entityId] : []))
  const concerned = new Set(losers.filter((id) => owns(shard, id)))
  const others = losers.filter((id) => !concerned.has(id))
  for (const id of await history.targetsAmong(unit, edition.program.layout, others)) concerned.add(id)
  return concerned
}
