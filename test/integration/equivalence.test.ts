import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Defs } from '../oracle/definitions.ts'
import { oracle } from '../oracle/oracle.ts'
import { EQUIVALENCE_CHECKS } from '../support/equivalences.ts'
import { assertAsOracle, assertFailuresTold, END, inFolder, Player, planArbitrary, play } from '../support/scenario.ts'
import { sorted } from '../support/world.ts'
import {
  definitionsArbitrary,
  deliveriesArbitrary,
  type GeneratedDefinitions,
  worldArbitrary,
} from '../support/world-arbitrary.ts'

/** More with `DEFACTO_RUNS=1000`. */
const numRuns = Number(process.env['DEFACTO_RUNS'] ?? 60)
const timeout = 120_000 + numRuns * 2000

describe('the engine against the reference interpreter', () => {
  test('any records, any way of ingesting, building, ticking and restarting', { timeout }, async () => {
    await fc.assert(
      fc.asyncProperty(worldArbitrary, planArbitrary, async ({ definitions, deliveries }, plan) => {
        assertAsOracle(definitions, deliveries, await play(definitions, deliveries, plan))
      }),
      { numRuns: 2 * numRuns },
    )
  })

  test('one build tells every failure, with the field at fault', { timeout }, async () => {
    await fc.assert(
      fc.asyncProperty(worldArbitrary, async ({ definitions, deliveries }) => {
        assertFailuresTold(definitions, deliveries, await play(definitions, deliveries, []))
      }),
      { numRuns },
    )
  })

  test('changed entities, identity and sources over an existing ledger', { timeout }, async () => {
    const cases = fc.record({
      before: definitionsArbitrary,
      after: definitionsArbitrary,
      reset: fc.constantFrom('none', 'identity', 'sources'),
    })
    await fc.assert(
      fc.asyncProperty(cases, deliveriesArbitrary, async ({ before, after, reset }, deliveries) => {
        const changed = edition(before, after, reset)
        const kept = accepted(before as unknown as Defs, deliveries)
        const expected = oracle(changed as unknown as Defs, kept, Date.parse(END))
        const world = await inFolder(async (folder) => {
          const first = new Player(before, { database: `${folder}/defacto.db` })
          await first.open({})
          await first.ingest(deliveries, true)
          await first.engine.tick({ asOf: END })
          await first.close()
          // Another seed: ids of its own, not those of the first once more.
          const second = new Player(changed, { database: `${folder}/defacto.db` }, 1)
          await second.open({})
          const outcome = await second.finish()
          await second.close()
          return outcome.world
        })
        expect(world).toEqual(sorted(expected.world))
      }),
      { numRuns },
    )
  })
})

describe.each(Object.entries(EQUIVALENCE_CHECKS))('equivalence %s of spec 03 §12', (_id, check) => {
  test('holds', { timeout }, () => check({ numRuns }))
})

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
function accepted(defs: Defs, deliveries: Parameters<typeof oracle>[1]): typeof deliveries {
  const { rejected, duplicates } = oracle(defs, deliveries, null)
  const out = new Set([...duplicates, ...rejected.map(({ index }) => index)])
  return deliveries.filter((_, index) => !out.has(index))
}
