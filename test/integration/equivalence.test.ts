import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Defs } from '../oracle/definitions.ts'
import { oracle } from '../oracle/oracle.ts'
import { EQUIVALENCE_CHECKS } from '../support/equivalences.ts'
import { assertAsOracle, assertFailuresTold, END, inFolder, Player, planArbitrary, play } from '../support/scenario.ts'
import { sorted } from '../support/world.ts'
import { definitionsArbitrary, deliveriesArbitrary, worldArbitrary } from '../support/world-arbitrary.ts'

const numRuns = 60
const timeout = 120_000

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
    const cases = fc.record({ before: definitionsArbitrary, after: definitionsArbitrary, keepSources: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(cases, deliveriesArbitrary, async ({ before, after, keepSources }, deliveries) => {
        const changed = { ...after, sources: keepSources ? before.sources : after.sources }
        const kept = accepted(before as unknown as Defs, deliveries)
        const expected = oracle(changed as unknown as Defs, kept, Date.parse(END))
        const world = await inFolder(async (folder) => {
          const first = new Player(before, `${folder}/defacto.db`)
          await first.open({})
          await first.ingest(deliveries, true)
          await first.engine.tick({ asOf: END })
          await first.close()
          const second = new Player(changed, `${folder}/defacto.db`)
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

/** The records that are in the ledger under these definitions. */
function accepted(defs: Defs, deliveries: Parameters<typeof oracle>[1]): typeof deliveries {
  const { rejected, duplicates } = oracle(defs, deliveries, null)
  const out = new Set([...duplicates, ...rejected.map(({ index }) => index)])
  return deliveries.filter((_, index) => !out.has(index))
}
