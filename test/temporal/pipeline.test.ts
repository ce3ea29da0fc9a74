/** Whole pipelines on a real server, with real stores (spec 10 §4.1–4.3). */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Runner } from '../../src/orchestration/contract.ts'
import { type RunningWorker, runWorker, temporalRunner } from '../../src/temporal/index.ts'
import { freshNamespace } from '../support/postgres.ts'
import { room } from '../support/room.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, type Space, type SpaceOptions, writePeople } from './space.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Started {
  readonly space: Space
  readonly runner: Runner
  readonly worker: RunningWorker
}

async function start(options: SpaceOptions): Promise<Started> {
  const space = await openSpace(options)
  closing.push(() => space.close())
  const temporal = sharedTemporal()
  const worker = await runWorker({ temporal, opened: space })
  closing.push(() => worker.stop())
  const runner = await temporalRunner({ temporal, space: space.context.operations.space })
  closing.push(() => runner.close())
  return { space, runner, worker }
}

const PLACES = [
  ['SQLite', (folder: string) => ({ database: join(folder, 'space.db') })],
  [
    'Postgres',
    () => {
      const { url, namespace } = freshNamespace()
      return { database: url, namespace }
    },
  ],
] as const

describeTemporal.each(PLACES)('on %s', (_, place) => {
  test('a pipeline reads, builds and ticks, and the run tells what it did', async () => {
    const folder = room()
    await writePeople(join(folder, 'in', 'a.ndjson'), 60)
    const { space, runner } = await start({ folder, ...place(folder), pipelines: { nightly: peoplePipeline() } })
    const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    const end = await ended(space, run.runId)
    expect(end.error).toBeNull()
    expect(end.status).toBe('succeeded')
    expect(end.stats).toMatchObject({ events_ingested: 120 })
    expect(await space.defacto.table('person').rows()).toHaveLength(60)
  })
})
