import { expect, test } from 'vitest'
import { random } from '../support/shop-records.ts'
import { type Backend, POSTGRES, SQLITE } from './places.ts'
import { live } from './processes.ts'
import { EDITIONS, END, expectedOf, expectIntact, NOW, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

/** Kills in all, shared by spaces that are worked on at the same time. */
const KILLS: readonly [Backend, number][] = [
  [SQLITE, 200],
  [POSTGRES, 80],
]
const SPACES = 2

const [definitions] = EDITIONS as unknown as [never]

for (const [backend, kills] of KILLS) {
  backend.describe(backend.name, () => {
    test(`${kills} kills at random instants of ingest, build and tick lose and repeat nothing`, {
      timeout: 480_000,
    }, async () => {
      const spaces = Array.from({ length: SPACES }, (_, i) => survive(backend, i + 1, kills / SPACES))
      for (const reached of await Promise.all(spaces)) {
        expect(reached).toHaveLength(kills / SPACES)
        // The instants are spread over the work: some processes got far, some not.
        expect(Math.min(...reached)).toBeLessThan(2)
        expect(Math.max(...reached)).toBeGreaterThan(2)
      }
    })
  })
}

/**
 * One space through `kills` processes that are killed, each going on where nobody knows how far the last one got. Returns
 * how many steps each of them finished.
 */
async function survive(backend: Backend, seed: number, kills: number): Promise<number[]> {
  const count = 15 * kills * SPACES
  const shop = workshop(count, seed)
  const space = await backend.place(shop.folder, 'killed')
  try {
    const next = random(seed)
    const job = { database: space.database, recordsFile: shop.recordsFile, now: NOW }
    let acknowledged = 0
    /** What each step of the last process took that was not killed. */
    let typical: readonly number[] | null = null
    const reached: number[] = []
    while (reached.length < kills) {
      const goal = Math.min(count, Math.ceil((count * (reached.length + 1)) / kills))
      const half = Math.min(goal, acknowledged + Math.ceil((goal - acknowledged) / 2))
      const day = new Date(Date.parse('2024-02-01T00:00:00Z') + reached.length * 86_400_000).toISOString()
      const steps: WorkStep[] = [
        { do: 'open', definitions, options: { batchSize: 1 + Math.floor(next() * 60) } },
        { do: 'ingest', source: 'kiosk', from: acknowledged, to: half, process: next() < 0.5 },
        { do: 'ingest', source: 'kiosk', from: half, to: goal, process: true },
        { do: 'build', full: next() < 0.15, fromRaw: next() < 0.1, asOf: day },
        { do: 'tick', asOf: day },
      ]
      // Somewhere within one of the steps: each gets its share however long the others take on a busy machine.
      const killAfterSteps = Math.floor(next() * steps.length)
      const killAfterMs = next() * (typical?.[killAfterSteps] ?? 0)
      const when = typical === null ? {} : { killAfterSteps, killAfterMs }
      const life = await live(shop.folder, { ...job, steps }, when)
      expect(life.error).toBeNull()
      // A process that finished before its time tells how long the work takes now.
      if (!life.killed) typical = life.stepMs
      if (life.killed) reached.push(life.done)
      if (life.done >= 3) acknowledged = goal
    }
    const last: WorkStep[] = [
      { do: 'open', definitions },
      { do: 'ingest', source: 'kiosk', from: acknowledged, to: count, process: true },
      { do: 'build' },
      { do: 'tick', asOf: END },
    ]
    expect(await live(shop.folder, { ...job, steps: last })).toMatchObject({ killed: false, error: null, done: 4 })
    await expectIntact(space, definitions, expectedOf(shop.records, definitions, definitions))
    return reached
  } finally {
    await space.remove()
    shop.remove()
  }
}
