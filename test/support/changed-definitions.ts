/** Other definitions over a ledger that is there already: what a second edition makes of the events of the first. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle } from '../oracle/oracle.ts'
import { END, END_HOUR, inPlace, type Place, Player, type Step, sqlitePlace } from './scenario.ts'
import { sorted } from './world.ts'
import { definitionsArbitrary, type GeneratedDefinitions } from './world-arbitrary.ts'

export interface Change {
  readonly before: GeneratedDefinitions
  readonly after: GeneratedDefinitions
  readonly reset: 'none' | 'identity' | 'sources'
}

export const changeArbitrary: fc.Arbitrary<Change> = fc.record({
  before: definitionsArbitrary,
  after: definitionsArbitrary,
  reset: fc.constantFrom('none', 'identity', 'sources'),
})

/** `shards`: how many processes work with the first edition, and how many with the second; `between` comes between. */
export async function assertChangeAsOracle(
  { before, after, reset }: Change,
  deliveries: readonly Delivery[],
  {
    place = sqlitePlace,
    shards = [1, 1],
    between = [],
  }: {
    place?: () => Promise<Place>
    shards?: readonly [number, number]
    between?: readonly Exclude<Step, { do: 'ingest' }>[]
  } = {},
): Promise<void> {
  const changed = edition(before, after, reset)
  const kept = accepted(before as unknown as Defs, deliveries)
  const expected = oracle(changed as unknown as Defs, kept, Date.parse(END))
  const world = await inPlace(place, async (options) => {
    const first = new Player(before, options, 0, shards[0])
    await first.open({})
    await first.ingest(deliveries, true)
    await first.step({ do: 'tick', hour: END_HOUR })
    for (const step of between) await first.step(step)
    await first.close()
    // Another seed: ids of its own, not those of the first once more.
    const second = new Player(changed, options, 1, shards[1])
    await second.open({})
    const outcome = await second.finish()
    await second.close()
    return outcome.world
  })
  assert.deepEqual(world, sorted(expected.world))
}

/**
 * The second edition with as much of the first as calls for this reset. Without one, identity stays as it was found, so
 * what people are related by must stay, too.
 */
function edition(
  before: GeneratedDefinitions,
  after: GeneratedDefinitions,
  reset: 'none' | 'identity' | 'sources',
): GeneratedDefinitions {
  if (reset === 'sources') return after
  const { person, thing } = before.entities as Record<string, Record<string, { k?: { match?: string } }>>
  if (reset === 'none') {
    const { identity, relationships } = person ?? {}
    const entities = { person: { ...(after.entities['person'] as object), identity, relationships }, thing }
    return { entities, sources: before.sources }
  }
  const match = thing?.['identity']?.k?.match === undefined ? 'case_insensitive' : 'exact'
  const entities = { ...after.entities, thing: { ...(after.entities['thing'] as object), identity: { k: { match } } } }
  return { entities, sources: before.sources }
}

/** The records that are in the ledger under these definitions. */
function accepted(defs: Defs, deliveries: readonly Delivery[]): Delivery[] {
  const { rejected, duplicates } = oracle(defs, deliveries, null)
  const out = new Set([...duplicates, ...rejected.map(({ index }) => index)])
  return deliveries.filter((_, index) => !out.has(index))
}
