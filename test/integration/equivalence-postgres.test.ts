/** The engine on Postgres against the reference interpreter: one process, and several that share the entities. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { oracle } from '../oracle/oracle.ts'
import { assertChangeAsOracle, changeArbitrary } from '../support/changed-definitions.ts'
import { ownedThings, ownershipCases } from '../support/owned-things.ts'
import { describePostgres } from '../support/postgres.ts'
import { postgresPlace } from '../support/postgres-place.ts'
import { assertAsOracle, assertFailuresTold, END, inPlace, Player, planArbitrary, play } from '../support/scenario.ts'
import { sorted } from '../support/world.ts'
import { deliveriesArbitrary, worldArbitrary } from '../support/world-arbitrary.ts'

/** More with `DEFACTO_RUNS=1000`. */
const numRuns = Math.ceil(Number(process.env['DEFACTO_RUNS'] ?? 60) / 5)
const timeout = 120_000 + numRuns * 10_000

describePostgres('the engine on Postgres against the reference interpreter', () => {
  test.each([1, 2, 3])('%i processes, any records, any way there', { timeout }, async (shards) => {
    await fc.assert(
      fc.asyncProperty(worldArbitrary, planArbitrary, async ({ definitions, deliveries }, plan) => {
        const outcome = await play(definitions, deliveries, plan, { place: postgresPlace, shards })
        assertAsOracle(definitions, deliveries, outcome)
      }),
      { numRuns },
    )
  })

  test.each([1, 3])(
    '%i processes tell every failure of one build, with the field at fault',
    { timeout },
    async (shards) => {
      await fc.assert(
        fc.asyncProperty(worldArbitrary, async ({ definitions, deliveries }) => {
          const outcome = await play(definitions, deliveries, [], { place: postgresPlace, shards })
          assertFailuresTold(definitions, deliveries, outcome)
        }),
        { numRuns },
      )
    },
  )

  test.each([
    [1, 1],
    [3, 3],
    [1, 2],
    [3, 2],
    [2, 1],
  ] as const)('%i processes, then %i under other definitions', { timeout }, async (...shards) => {
    await fc.assert(
      fc.asyncProperty(changeArbitrary, deliveriesArbitrary, (change, deliveries) =>
        assertChangeAsOracle(change, deliveries, { place: postgresPlace, shards }),
      ),
      { numRuns },
    )
  })

  test.each(ownershipCases)('%s', async (_title, records) => {
    const deliveries = records.map((record) => ({ source: 'main', record }))
    const expected = sorted(oracle(ownedThings, deliveries, Date.parse(END)).world)
    for (const [seed, shards] of [1, 2, 3, 4].entries()) {
      await inPlace(postgresPlace, async (options) => {
        const player = new Player(ownedThings, options, seed, shards)
        await player.open({})
        for (const delivery of deliveries) await player.ingest([delivery], true)
        const outcome = await player.finish()
        await player.close()
        expect(outcome.world).toEqual(expected)
      })
    }
  })
})
