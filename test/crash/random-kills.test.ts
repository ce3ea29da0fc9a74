import { expect, test } from 'vitest'
import { random } from '../support/shop-records.ts'
import { live } from './processes.ts'
import { EDITIONS, END, expectedOf, expectIntact, NOW, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

/** Kills in all, shared by databases that are worked on at the same time. */
const KILLS = 200
const DATABASES = 2
const RECORDS = 3000

const [definitions] = EDITIONS as unknown as [never]

test(`${KILLS} kills at random instants of ingest, build and tick lose and repeat nothing`, {
  timeout: 480_000,
}, async () => {
  const databases = Array.from({ length: DATABASES }, (_, i) => survive(i + 1, KILLS / DATABASES))
  for (const { killed, worked } of await Promise.all(databases)) {
    expect(killed).toBe(KILLS / DATABASES)
    // The instants are spread over the work: some processes got far, some not.
    expect(worked).toBeGreaterThan(killed / 5)
    expect(worked).toBeLessThan((killed * 5) / 2)
  }
})

/** One database through `kills` processes that are killed, each going on where nobody knows how far the last one got. */
async function survive(seed: number, kills: number): Promise<{ killed: number; worked: number }> {
  const shop = workshop(RECORDS, seed)
  try {
    const next = random(seed)
    const job = { database: shop.database('killed'), recordsFile: shop.recordsFile, now: NOW }
    let acknowledged = 0
    let typicalMs = 200
    let killed = 0
    let worked = 0
    while (killed < kills) {
      const goal = Math.min(RECORDS, Math.ceil((RECORDS * (killed + 1)) / kills))
      const half = Math.min(goal, acknowledged + Math.ceil((goal - acknowledged) / 2))
      const day = new Date(Date.parse('2024-02-01T00:00:00Z') + killed * 86_400_000).toISOString()
      const steps: WorkStep[] = [
        { do: 'open', definitions, options: { batchSize: 1 + Math.floor(next() * 60) } },
        { do: 'ingest', source: 'kiosk', from: acknowledged, to: half, process: next() < 0.5 },
        { do: 'ingest', source: 'kiosk', from: half, to: goal, process: true },
        { do: 'build', full: next() < 0.15, fromRaw: next() < 0.1, asOf: day },
        { do: 'tick', asOf: day },
      ]
      const life = await live(shop.folder, { ...job, steps }, { killAfterMs: next() * typicalMs })
      expect(life.error).toBeNull()
      if (life.killed) killed += 1
      // A process that finished before its time tells how long the work takes now.
      else typicalMs = Math.max(40, life.ms)
      worked += life.done
      if (life.done >= 3) acknowledged = goal
      typicalMs *= life.killed && life.done < steps.length ? 1.02 : 1
    }
    const last: WorkStep[] = [
      { do: 'open', definitions },
      { do: 'ingest', source: 'kiosk', from: acknowledged, to: RECORDS, process: true },
      { do: 'build' },
      { do: 'tick', asOf: END },
    ]
    expect(await live(shop.folder, { ...job, steps: last })).toMatchObject({ killed: false, error: null, done: 4 })
    await expectIntact(job.database, definitions, expectedOf(shop.records, definitions, definitions))
    return { killed, worked }
  } finally {
    shop.remove()
  }
}
