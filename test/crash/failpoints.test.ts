import { afterAll, beforeAll, expect, test } from 'vitest'
import { FAILPOINTS } from '../../src/engine/failpoint.ts'
import { BACKENDS } from './places.ts'
import { live } from './processes.ts'
import { EDITIONS, END, type Expected, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { Job, WorkStep } from './worker.ts'

const [first, second, third] = EDITIONS as unknown as [never, never, never]
const COUNT = 420

/** Reaches every place where the engine can be stopped: appends, maps, merges, rebuilds, both resets, full, tick. */
const STEPS: WorkStep[] = [
  { do: 'open', definitions: first },
  { do: 'ingest', source: 'kiosk', from: 0, to: 200, process: true },
  { do: 'ingest', source: 'kiosk', from: 200, to: 300, process: false },
  { do: 'build' },
  { do: 'ingest', source: 'kiosk', from: 300, to: COUNT, process: true },
  { do: 'tick', asOf: '2024-08-01T00:00:00Z' },
  { do: 'build', full: true },
  { do: 'open', definitions: second },
  { do: 'build' },
  { do: 'open', definitions: third },
  { do: 'build' },
  { do: 'tick', asOf: END },
]

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 7)
  expected = expectedOf(shop.records, first, third)
})
afterAll(() => shop.remove())

/** The steps a person would repeat after the first `done` were finished. */
function remaining(done: number): WorkStep[] {
  const opened = STEPS.slice(0, done + 1).findLast((step) => step.do === 'open')
  const rest = STEPS.slice(done)
  return rest[0]?.do === 'open' ? rest : [opened as WorkStep, ...rest]
}

const failpoints = FAILPOINTS.flatMap((name) => [`${name}:1`, `${name}:2`])

for (const { name, describe, place } of BACKENDS) {
  describe(name, () => {
    test('the undisturbed run is the reference history', { timeout: 60_000 }, async () => {
      const space = await place(shop.folder, 'undisturbed')
      const job: Job = { database: space.database, recordsFile: shop.recordsFile, now: NOW, steps: STEPS }
      const life = await live(shop.folder, job, { chunk: 100 })
      expect(life).toMatchObject({ killed: false, error: null, done: STEPS.length })
      await expectIntact(space, third, expected)
      await space.remove()
    })

    test.concurrent.each(failpoints)(
      'killed at %s, a new process finishes the job',
      { timeout: 60_000 },
      async (failpoint) => {
        const space = await place(shop.folder, failpoint.replace(/\W/g, '-'))
        const job: Job = { database: space.database, recordsFile: shop.recordsFile, now: NOW, steps: STEPS }
        const dead = await live(shop.folder, job, { failpoint, chunk: 100 })
        expect(dead).toMatchObject({ killed: true, error: null })
        const steps = remaining(dead.done)
        const heir = await live(shop.folder, { ...job, steps }, { chunk: 100 })
        expect(heir).toMatchObject({ killed: false, error: null, done: steps.length })
        await expectIntact(space, third, expected)
        await space.remove()
      },
    )
  })
}
