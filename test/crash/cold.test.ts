/** Events in two tiers: killed at every place, what comes out is the history of an undisturbed ledger without a cold tier. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { COLD_FAILPOINTS } from '../../src/engine/failpoint.ts'
import type { DefactoOptions } from '../../src/index.ts'
import { BACKENDS, type Backend, type CrashPlace } from './places.ts'
import { live } from './processes.ts'
import { EDITIONS, END, type Expected, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { Job, WorkStep } from './worker.ts'

const [first, second, third] = EDITIONS as unknown as [never, never, never]
const COUNT = 420

/** Everything a build can do, over rows that are archived, on their way there, or new. */
const steps = (options: DefactoOptions): WorkStep[] => [
  { do: 'open', definitions: first, options },
  { do: 'ingest', source: 'kiosk', from: 0, to: 200, process: true },
  { do: 'archive', keep: 30 },
  { do: 'ingest', source: 'kiosk', from: 200, to: 300, process: false },
  { do: 'build' },
  { do: 'archive', keep: 0 },
  { do: 'maintain' },
  { do: 'ingest', source: 'kiosk', from: 300, to: COUNT, process: true },
  { do: 'build', full: true },
  { do: 'open', definitions: second, options },
  { do: 'build' },
  { do: 'archive', keep: 50 },
  { do: 'open', definitions: third, options },
  { do: 'build' },
  { do: 'tick', asOf: END },
  { do: 'archive', keep: 10 },
]

/** Where a build reads or changes archived rows. */
const BUILD_FAILPOINTS = [
  'map.written:4',
  'chunk.committed:3',
  'shadow.written:1',
  'swap.written:1',
  'renormalize.written:2',
  'renormalize.committed:3',
  'hints.written:2',
  'reset.written:1',
  'reset.committed:1',
  'finish.written:4',
]
const RESTORING = ['restore.written', 'restore.committed', 'forget.written', 'forget.committed']
const failpoints = [
  ...COLD_FAILPOINTS.filter((name) => !RESTORING.includes(name)).flatMap((name) => [`${name}:1`, `${name}:2`]),
  ...BUILD_FAILPOINTS,
]

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 7)
  expected = expectedOf(shop.records, first, third)
})
afterAll(() => shop.remove())

/** A place with a cold tier, and the job to be done there. */
async function tiered(
  backend: Backend,
  name: string,
): Promise<{ space: CrashPlace; options: DefactoOptions; job: Job; all: WorkStep[] }> {
  const space = await backend.place(shop.folder, name)
  const coldLedger = join(shop.folder, `${backend.name}-${name}-cold`)
  mkdirSync(coldLedger)
  const options = { coldLedger }
  const all = steps(options)
  return { space, options, all, job: { database: space.database, recordsFile: shop.recordsFile, now: NOW, steps: all } }
}

/** The steps a person would repeat after the first `done` were finished. */
function remaining(all: readonly WorkStep[], done: number): WorkStep[] {
  const opened = all.slice(0, done + 1).findLast((step) => step.do === 'open')
  const rest = all.slice(done)
  return rest[0]?.do === 'open' ? rest : [opened as WorkStep, ...rest]
}

for (const backend of BACKENDS) {
  backend.describe(backend.name, () => {
    test('the undisturbed run is the reference history', { timeout: 240_000 }, async () => {
      const { space, options, job, all } = await tiered(backend, 'undisturbed')
      const life = await live(shop.folder, job, { chunk: 40 })
      expect(life).toMatchObject({ killed: false, error: null, done: all.length })
      await expectIntact(space, third, expected, { options })
      await space.remove()
    })

    test.concurrent.each(failpoints)(
      'killed at %s, a new process finishes the job',
      { timeout: 240_000 },
      async (failpoint) => {
        const { space, options, job, all } = await tiered(backend, failpoint.replace(/\W/g, '-'))
        const dead = await live(shop.folder, job, { failpoint, chunk: 40 })
        expect(dead).toMatchObject({ killed: true, error: null })
        const steps = remaining(all, dead.done)
        const heir = await live(shop.folder, { ...job, steps }, { chunk: 40 })
        expect(heir).toMatchObject({ killed: false, error: null, done: steps.length })
        await expectIntact(space, third, expected, { options })
        await space.remove()
      },
    )
  })
}
