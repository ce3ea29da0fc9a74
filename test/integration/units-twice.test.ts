/**
 * Databases may ask for a transaction to be run again. Here every unit of work is: the first time for nothing, rolled back
 * at its end. The outcome must be the reference interpreter's all the same, with nothing counted or remembered twice.
 */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Store, Tx } from '../../src/ports/store.ts'
import { assertAsOracle, planArbitrary, play } from '../support/scenario.ts'
import { worldArbitrary } from '../support/world-arbitrary.ts'

const repeated = vi.hoisted(() => ({ units: 0 }))

vi.mock('../../src/adapters/sqlite/store.ts', async (original) => {
  const { openSqliteStore } = await original<typeof import('../../src/adapters/sqlite/store.ts')>()
  class Again extends Error {}
  return {
    openSqliteStore: async (...options: Parameters<typeof openSqliteStore>): Promise<Store> => {
      const store = await openSqliteStore(...options)
      const transaction = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
        const firstTime = store.transaction(async (tx) => {
          await work(tx)
          throw new Again()
        })
        await firstTime.catch((error: unknown) => {
          if (!(error instanceof Again)) throw error
        })
        repeated.units += 1
        return store.transaction(work)
      }
      return { ...store, transaction }
    },
  }
})

const numRuns = Number(process.env['DEFACTO_RUNS'] ?? 60)

test('a unit of work that is run again counts once', { timeout: 120_000 + numRuns * 2000 }, async () => {
  await fc.assert(
    fc.asyncProperty(worldArbitrary, planArbitrary, async ({ definitions, deliveries }, plan) => {
      assertAsOracle(definitions, deliveries, await play(definitions, deliveries, plan))
    }),
    { numRuns },
  )
  expect(repeated.units).toBeGreaterThan(numRuns)
})
