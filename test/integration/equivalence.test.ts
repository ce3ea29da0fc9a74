import fc from 'fast-check'
import { describe, test } from 'vitest'
import { assertChangeAsOracle, changeArbitrary } from '../support/changed-definitions.ts'
import { EQUIVALENCE_CHECKS } from '../support/equivalences.ts'
import { assertAsOracle, assertFailuresTold, planArbitrary, play } from '../support/scenario.ts'
import { deliveriesArbitrary, worldArbitrary } from '../support/world-arbitrary.ts'

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
    await fc.assert(
      fc.asyncProperty(changeArbitrary, deliveriesArbitrary, (change, deliveries) =>
        assertChangeAsOracle(change, deliveries),
      ),
      { numRuns },
    )
  })
})

describe.each(Object.entries(EQUIVALENCE_CHECKS))('equivalence %s of spec 03 §12', (_id, check) => {
  test('holds', { timeout }, () => check({ numRuns }))
})
