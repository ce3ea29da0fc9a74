/**
 * Databases may ask for a transaction to be run again. Here every unit of work is: the first time for nothing, rolled back
 * at its end. The outcome must be the reference interpreter's all the same, with nothing counted or remembered twice.
 */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { Defacto } from '../../src/index.ts'
import type { Store, Tx } from '../../src/ports/store.ts'
import { ownedThings } from '../support/owned-things.ts'
import { assertAsOracle, inFolder, planArbitrary, play } from '../support/scenario.ts'
import { worldArbitrary } from '../support/world-arbitrary.ts'

const repeated = vi.hoisted(() => ({ on: true, units: 0 }))

vi.mock('../../src/adapters/sqlite/store.ts', async (original) => {
  const { openSqliteStore } = await original<typeof import('../../src/adapters/sqlite/store.ts')>()
  class Again extends Error {}
  return {
    openSqliteStore: async (...options: Parameters<typeof openSqliteStore>): Promise<Store> => {
      const store = await openSqliteStore(...options)
      const transaction = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
        if (!repeated.on) return store.transaction(work)
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

const records = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => ({
  kind: 'linked',
  at: 1704067200 + n,
  k: `k${n}`,
  a: `a${n % 4}`,
}))

/** The things of `ownedThings` before anybody asked who owns them. */
function withoutOwners(): object {
  const { thing } = ownedThings.entities
  const states = { open: { when: { linked: { effects: ['create'] } } } }
  return { ...ownedThings, entities: { ...ownedThings.entities, thing: { ...thing, states } } }
}

/** Counters of every build, and whether each owner is somebody identity knows. */
async function outcomes(twice: boolean): Promise<object[]> {
  repeated.on = twice
  return inFolder(async (folder) => {
    const options = { database: `${folder}/defacto.db`, logLevel: 'ERROR' } as const
    const told: object[] = []
    const tell = ({ durationMs: _, timing: __, ...counts }: Awaited<ReturnType<Defacto['build']>>): void => {
      told.push(counts)
    }
    const first = await Defacto.fromConfig(withoutOwners(), options)
    await first.ingest('main', records)
    tell(await first.build())
    await first.close()
    // Nobody has looked for the owners yet: the replay reserves their ids.
    const second = await Defacto.fromConfig(ownedThings as object, options)
    tell(await second.build())
    const edges = await second.relationship('owned_by').execute()
    const known = new Set<unknown>()
    for (const n of [0, 1, 2, 3]) known.add(await second.identity.lookup(`a${n}`))
    told.push(edges.map((edge) => known.has((edge as { target_id: unknown }).target_id)))
    await second.ingest('main', [{ ...records[0], at: 1704067100, a: 'a9' }])
    tell(await second.build())
    tell(await second.build({ fromRaw: true }))
    await second.close()
    return told
  })
}

test('the counters of builds are those of a single run, and reserved ids are stored', async () => {
  const once = await outcomes(false)
  expect(once[2]).toEqual(Array(9).fill(true))
  expect(await outcomes(true)).toEqual(once)
})
