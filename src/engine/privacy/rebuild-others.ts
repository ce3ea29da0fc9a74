/** Everybody else whose events a pivot changes: their states are made anew from what is left, in the same transaction. */
import { shardHash } from '../../core/shard.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { BuildState, Unit } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import { ChunkWork, instantOrNull } from '../interpret-range.ts'
import { BuildTally } from '../tally.ts'
import { Targets } from '../targets.ts'
import type { PrivacyContext } from './context.ts'
import { parts } from './parts.ts'

/** From what is left of their events; each as far as its part of the version is built. */
export async function rebuildOthers(
  context: PrivacyContext,
  edition: Edition,
  unit: Unit,
  others: readonly FrozenEntity[],
): Promise<void> {
  const { engine } = context
  const { builds, history } = engine.store
  if (others.length === 0) return
  // A full build in the making may have replayed some of them from what their events were.
  const ids = others.map(({ id }) => id)
  if (await builds.dropShadows(unit, ids)) {
    for (const entities of parts(others)) await history.remove(unit, edition.program.layout, entities, 'shadow')
  }
  for (const [state, own] of byState(await builds.all(edition.version, unit), others)) {
    const chunk = new ChunkWork(engine, edition, new Targets(engine), new BuildTally())
    const { cursor } = state
    const horizon = instantOrNull(state.tickHorizon)
    const options = { upTo: cursor, newAfter: cursor, horizon, generation: state.generation + 1 }
    await chunk.rebuild(unit, own, options)
    await chunk.write(unit)
  }
}

/** Which of them the state of each shard is about. */
function byState(states: readonly BuildState[], others: readonly FrozenEntity[]): Map<BuildState, string[]> {
  const found = new Map<BuildState, string[]>()
  for (const { id } of others) {
    const state = states[shardHash(id) % Math.max(1, states.length)]
    if (state === undefined || state.cursor === 0) continue
    found.set(state, [...(found.get(state) ?? []), id])
  }
  return found
}
