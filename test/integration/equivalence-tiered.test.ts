/**
 * The engine with events in two tiers against the reference interpreter: whatever moved to the archive and when, every
 * build, tick and late arrival gives what it gives without a cold tier.
 */
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { assertChangeAsOracle, changeArbitrary } from '../support/changed-definitions.ts'
import { describePostgres } from '../support/postgres.ts'
import { postgresPlace } from '../support/postgres-place.ts'
import { assertAsOracle, play, sqlitePlace, tieredPlace, tieredPlanArbitrary } from '../support/scenario.ts'
import { deliveriesArbitrary, worldArbitrary } from '../support/world-arbitrary.ts'

/** More with `DEFACTO_RUNS=1000`. */
const numRuns = Math.ceil(Number(process.env['DEFACTO_RUNS'] ?? 60) / 3)
const timeout = 180_000 + numRuns * 10_000

const BACKENDS = [
  { name: 'SQLite', scope: describe, place: () => tieredPlace(sqlitePlace), processes: [1] },
  { name: 'Postgres', scope: describePostgres, place: () => tieredPlace(postgresPlace), processes: [1, 3] },
]

for (const { name, scope, place, processes } of BACKENDS) {
  scope(`events in the archive and in ${name} against the reference interpreter`, () => {
    test.each(processes)('%i processes, any records, any way there', { timeout }, async (shards) => {
      await fc.assert(
        fc.asyncProperty(worldArbitrary, tieredPlanArbitrary, async ({ definitions, deliveries }, plan) => {
          assertAsOracle(definitions, deliveries, await play(definitions, deliveries, plan, { place, shards }))
        }),
        { numRuns },
      )
    })

    test.each(processes)('%i processes, then other definitions over archived events', { timeout }, async (shards) => {
      await fc.assert(
        fc.asyncProperty(
          changeArbitrary,
          deliveriesArbitrary,
          fc.constantFrom(0, 3),
          fc.boolean(),
          (change, deliveries, keep, compact) =>
            assertChangeAsOracle(change, deliveries, {
              place,
              shards: [shards, shards],
              between: [{ do: 'archive', keep, compact }],
            }),
        ),
        { numRuns },
      )
    })
  })
}
