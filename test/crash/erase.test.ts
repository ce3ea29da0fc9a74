/** Killed at every place of an erasure: the next process finishes it, and the outcome is that of an undisturbed one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PRIVACY_FAILPOINTS } from '../../src/engine/failpoint.ts'
import type { DefactoOptions } from '../../src/index.ts'
import type { World } from '../oracle/oracle.ts'
import { inFolders } from '../support/canary.ts'
import { ADA, ADA_VALUES, ADAS, eraseDefinitions, NOW, OTHERS, openErase, sightings } from '../support/erase-world.ts'
import { room } from '../support/room.ts'
import { readWorld } from '../support/world.ts'
import { BACKENDS } from './places.ts'
import { live } from './processes.ts'
import type { Job, WorkStep } from './worker.ts'

const definitions = eraseDefinitions()
const records = [...ADAS, ...OTHERS, { ...ADAS[2], extra: ADA.name }]
/** Places that every request passes once only. */
const ONCE = /^(?:erase\.(?:frozen|freeze|written|committed)|certify)/
const failpoints = PRIVACY_FAILPOINTS.filter((name) => /^(?:erase|certify)\./.test(name)).flatMap((name) =>
  ONCE.test(name) ? [`${name}:1`] : [`${name}:1`, `${name}:2`],
)

let folder: string
let recordsFile: string
beforeAll(() => {
  folder = mkdtempSync(join(room(), 'defacto-erase-crash-'))
  recordsFile = join(folder, 'records.json')
  writeFileSync(recordsFile, JSON.stringify(records))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function scene(database: string, name: string): { options: DefactoOptions; cold: string; steps: WorkStep[] } {
  const cold = join(folder, `${name}-cold`)
  mkdirSync(cold)
  const options = { coldLedger: cold, compliance: { certificates: join(folder, `${name}-certificates`) } }
  const ingest = (from: number, to: number): WorkStep => ({ do: 'ingest', source: 'crm', from, to, process: true })
  return {
    options: { database, ...options },
    cold,
    steps: [
      { do: 'open', definitions, options },
      ingest(0, 9),
      { do: 'archive', keep: 2 },
      ingest(9, records.length),
      { do: 'erase', hint: ADA.email },
    ],
  }
}

/** What is left when everything is over: nothing of her, one certificate, and everybody else. */
async function outcome(options: DefactoOptions, cold: string): Promise<World> {
  const engine = await openErase(options, definitions)
  try {
    expect(await sightings({ namespace: '', ...options })).toEqual([])
    expect(await inFolders([cold], ADA_VALUES)).toEqual([])
    expect(await engine.erasure.certificates()).toHaveLength(1)
    expect((await engine.erasure.list()).map(({ status }) => status)).toEqual(['closed'])
    const world = await readWorld(engine, definitions)
    await engine.build({ full: true })
    expect(await readWorld(engine, definitions)).toEqual(world)
    return world
  } finally {
    await engine.close()
  }
}

for (const { name, describe, place } of BACKENDS) {
  describe(name, () => {
    let undisturbed: World
    test('an undisturbed erasure', { timeout: 60_000 }, async () => {
      const space = await place(folder, 'undisturbed')
      const { options, cold, steps } = scene(space.database, `undisturbed-${name}`)
      const job: Job = { database: space.database, recordsFile, now: NOW, steps }
      expect(await live(folder, job)).toMatchObject({ killed: false, error: null, done: steps.length })
      undisturbed = await outcome(options, cold)
      await space.expectSound()
      await space.remove()
    })

    test('erased while a full build is half done: what it has replayed forgets, too', {
      timeout: 60_000,
    }, async () => {
      const space = await place(folder, 'half-built')
      const { options, cold, steps } = scene(space.database, `half-built-${name}`)
      const job: Job = { database: space.database, recordsFile, now: NOW, steps: [] }
      const begun = [...steps.slice(0, -1), { do: 'build', full: true } as const]
      const dead = await live(folder, { ...job, steps: begun }, { failpoint: 'shadow.committed:4', chunk: 4 })
      expect(dead).toMatchObject({ killed: true, error: null, done: begun.length - 1 })
      const calm: WorkStep = { do: 'open', definitions, options: { ...options, catchUp: false } }
      const rest: WorkStep[] = [calm, steps.at(-1) as WorkStep, { do: 'build', full: true }]
      expect(await live(folder, { ...job, steps: rest })).toMatchObject({ killed: false, error: null, done: 3 })
      expect(await outcome(options, cold)).toEqual(undisturbed)
      await space.expectSound()
      await space.remove()
    })

    test.each(failpoints)('killed at %s, a new process finishes it', { timeout: 60_000 }, async (failpoint) => {
      const label = failpoint.replace(/\W/g, '-')
      const space = await place(folder, label)
      const { options, cold, steps } = scene(space.database, `${label}-${name}`)
      const job: Job = { database: space.database, recordsFile, now: NOW, steps }
      const dead = await live(folder, job, { failpoint })
      expect(dead).toMatchObject({ killed: true, error: null, done: steps.length - 1 })
      const rest = [steps[0] as WorkStep, steps.at(-1) as WorkStep]
      expect(await live(folder, { ...job, steps: rest })).toMatchObject({ killed: false, error: null, done: 2 })
      expect(await outcome(options, cold)).toEqual(undisturbed)
      await space.expectSound()
      await space.remove()
    })
  })
}
