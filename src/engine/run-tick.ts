/** The tick as callers ask for it: what is pending first, then time rules (spec 05 §1–§2). */
import type { Instant } from '../core/instant.ts'
import type { TickResult } from '../results.ts'
import { buildInSlot, nextMode, withMappedState } from './build.ts'
import type { Edition, Engine } from './engine.ts'
import { assertNotRestored } from './privacy/chain.ts'
import { BuildTally } from './tally.ts'
import { advanceDue, TickCounts } from './tick.ts'
import { buildStateOf } from './versions.ts'

/** Interprets what is pending and applies the time rules of all entities up to `asOf`. */
export async function tick(engine: Engine, edition: Edition, asOf: Instant, signal?: AbortSignal): Promise<TickResult> {
  await assertNotRestored(engine)
  const built = new BuildTally()
  const ticked = new BuildTally()
  const counts = new TickCounts()
  return withMappedState(engine, edition, 'tick', { signal }, new BuildTally(), async (slot) => {
    engine.cache(edition.version).validFor(slot.epoch)
    const pending = (await nextMode(engine, edition)).mode !== 'SKIP'
    // The build leaves the rules to this tick, so that they count here.
    if (pending) await buildInSlot(engine, edition, slot, { asOf: null }, built)
    const before = await buildStateOf(engine, edition)
    const { state, ...result } = await advanceDue(engine, edition, slot, before, asOf, ticked, counts)
    if (state.tickHorizon !== before.tickHorizon) {
      await slot.unit(edition.version, (unit) => engine.store.builds.put(unit, state))
    }
    engine.logger.child('defacto.lifecycle').info('tick completed', {
      effects_produced: result.effectsProduced,
      entities_affected: result.entitiesAffected,
      transitions: result.transitions,
    })
    return { ...result, failures: [...built.failures, ...ticked.failures] }
  })
}
