/** Merging by hand: killed at every place, two processes at once, shards (spec 05 §3, §6). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import { idOf, merging, NOW, openMerging, picture, RECORDS } from '../support/merging.ts'
import { describePostgres } from '../support/postgres.ts'
import { room } from '../support/room.ts'
import { BACKENDS, type CrashPlace, POSTGRES } from './places.ts'
import { live } from './processes.ts'
import type { Job, WorkStep } from './worker.ts'

const PLACES = [
  'merge.recorded:1',
  'merge.committed:1',
  'merge.applied:1',
  'merge.recorded:2',
  'merge.committed:2',
  'merge.applied:2',
  'map.written:2',
  'map.committed:2',
  'chunk.written:1',
  'finish.written:2',
  'finish.committed:2',
]

let folder: string
let recordsFile: string
beforeAll(() => {
  folder = mkdtempSync(join(room(), 'defacto-merge-'))
  recordsFile = join(folder, 'records.json')
  writeFileSync(recordsFile, JSON.stringify(RECORDS))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const MERGES: readonly WorkStep[] = [
  { do: 'merge', from: 'ann', into: 'bob' },
  { do: 'merge', from: 'bob', into: 'cat' },
]
function steps(merges: readonly WorkStep[] = MERGES, options: DefactoOptions = {}): WorkStep[] {
  return [
    { do: 'open', definitions: merging, options },
    { do: 'ingest', source: 'web', from: 0, to: RECORDS.length, process: true },
    ...merges,
  ]
}
const job = (space: CrashPlace, work: readonly WorkStep[]): Job => ({
  database: space.database,
  recordsFile,
  now: NOW,
  steps: [...work],
  patient: true,
})

/** What queries show, ids under the names of those who had them. */
async function outcome(space: CrashPlace, options: DefactoOptions = {}): Promise<object> {
  await using engine = (await openMerging({ database: space.database, ...options })) as Defacto
  const names: Record<string, string> = {}
  for (const name of ['cat', 'bike', 'boat', 'both']) names[name] = await idOf(engine, name)
  const rows = (await engine.history('person').resolveMerges().rows()) as Record<string, unknown>[]
  const losers = new Set(rows.filter((row) => row['merged_into'] !== null).map((row) => row['person_id'] as string))
  for (const id of losers) {
    // Bob's first row is of the second of January.
    const first = rows.filter((row) => row['person_id'] === id).map((row) => String(row['valid_from']))
    const own = await engine.identity.merges(id)
    names[own.length > 0 ? 'bob' : 'ann'] = id
    expect(first.length).toBeGreaterThan(0)
  }
  expect(await engine.nextBuild()).toMatchObject({ mode: 'SKIP' })
  const shown = await picture(engine, names)
  return { ...shown, events: await engine.ledger.count(), hints: await engine.identity.hints(names['cat'] ?? '') }
}

for (const { name, describe, place } of BACKENDS) {
  describe(`merging by hand on ${name}`, () => {
    let undisturbed: object
    beforeAll(async () => {
      const space = await place(folder, 'undisturbed')
      expect(await live(folder, job(space, steps()))).toMatchObject({ killed: false, error: null })
      undisturbed = await outcome(space)
      await space.remove()
    }, 60_000)

    test.each(PLACES)(
      'killed at %s, another process ends where nothing happened',
      { timeout: 60_000 },
      async (failpoint) => {
        const space = await place(folder, failpoint.replace(/\W/g, '-'))
        const dead = await live(folder, job(space, steps()), { failpoint })
        expect(dead).toMatchObject({ killed: true, error: null })
        const [open, ...rest] = steps()
        const heir = await live(folder, job(space, [open as WorkStep, ...rest.slice(Math.max(0, dead.done - 1))]))
        expect(heir).toMatchObject({ killed: false, error: null })
        expect(await outcome(space)).toEqual(undisturbed)
        await space.expectSound()
        await space.remove()
      },
    )

    test('a restart alone finishes what was begun', { timeout: 60_000 }, async () => {
      const space = await place(folder, 'restart')
      await live(folder, job(space, steps()), { failpoint: 'merge.committed:2' })
      expect(await outcome(space)).toEqual(undisturbed)
      await space.remove()
    })

    test('two processes that merge at once', { timeout: 60_000 }, async () => {
      const space = await place(folder, 'two')
      await live(folder, job(space, steps([])))
      const merge = (step: WorkStep) => live(folder, job(space, [steps()[0] as WorkStep, step]))
      const lives = await Promise.all([
        merge({ do: 'merge', from: 'ann', into: 'cat' }),
        merge({ do: 'merge', from: 'bob', into: 'cat' }),
      ])
      expect(lives.map(({ error }) => error)).toEqual([null, null])
      await using engine = (await openMerging({ database: space.database })) as Defacto
      const cat = await idOf(engine, 'cat')
      expect(await engine.identity.hints(cat)).toEqual({ mail: ['ann', 'bob', 'cat'] })
      expect(await engine.table('person').rows()).toMatchObject([{ person_id: cat, seen: 6 }])
      const names = { cat, bike: await idOf(engine, 'bike'), boat: await idOf(engine, 'boat') }
      const shown = await picture(engine, names)
      await engine.build({ full: true })
      expect(await picture(engine, names)).toEqual(shown)
      await space.expectSound()
    })
  })
}

describePostgres('merging by hand beside other shards', () => {
  test('each does its part when it builds', { timeout: 60_000 }, async () => {
    const space = await POSTGRES.place(folder, 'shards')
    const whole = await POSTGRES.place(folder, 'whole')
    await live(folder, job(whole, steps()))
    const shards = [0, 1].map((shardId) => ({ shardId, totalShards: 2 }))
    const engines = await Promise.all(shards.map((shard) => openMerging({ database: space.database, ...shard })))
    try {
      const [first, second] = engines as [Defacto, Defacto]
      await first.ingest('web', RECORDS as object[])
      await Promise.all(engines.map((engine) => engine.build()))
      const [ann, bob, cat] = [await idOf(first, 'ann'), await idOf(first, 'bob'), await idOf(first, 'cat')]
      await first.merge(ann, bob, { reason: 'test' })
      await second.merge(bob, cat, { reason: 'test' })
      for (const engine of engines) await engine.build()
      expect(await outcome(space, shards[0])).toEqual(await outcome(whole))
    } finally {
      await Promise.all(engines.map((engine) => engine.close()))
      await Promise.all([space.remove(), whole.remove()])
    }
  })
})
