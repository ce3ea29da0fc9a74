/** Whole pipelines and schedules on a real server, with real stores (spec 10 §3.5, §4.1–4.3). */
import './quiet.ts'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Runner } from '../../src/orchestration/contract.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { connectClient } from '../../src/temporal/connect.ts'
import {
  isWorked,
  type RunningWorker,
  runWorker,
  scheduleServer,
  temporalHealth,
  temporalRunner,
} from '../../src/temporal/index.ts'
import { freshNamespace } from '../support/postgres.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, type Space, type SpaceOptions, writePeople } from './space.ts'
import { until } from './until.ts'

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
  test('a pipeline reads, builds and ticks, and its run tells what it did', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 60)
    const { space, runner } = await start({ folder, ...place(folder), pipelines: { nightly: peoplePipeline() } })
    const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    expect(await ended(space, run.runId)).toMatchObject({
      status: 'succeeded',
      error: null,
      stats: { events_ingested: 120 },
    })
    expect(await space.defacto.table('person').rows()).toHaveLength(60)
    // Again: no part is opened, and nothing is built.
    const again = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    expect(await ended(space, again.runId)).toMatchObject({ status: 'succeeded', stats: { events_processed: 0 } })
  })

  test('runs of one workflow id take turns, or share an outcome', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 30)
    const { space, runner } = await start({ folder, ...place(folder), pipelines: { nightly: peoplePipeline() } })
    const runs = await Promise.all([1, 2, 3].map(() => submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })))
    for (const { runId } of runs) expect((await ended(space, runId)).status).toBe('succeeded')
    expect(await space.defacto.table('person').rows()).toHaveLength(30)
  })
})

describeTemporal('a worker', () => {
  test('tells of a run that failed when it has ended, not only when a minute is over', async () => {
    const folder = newFolder()
    const missing = { source: 'web', kind: 'files', path: 'none/*.ndjson', required: true, settle: '0s' }
    const alerts = [{ on: ['failure'], to: { file: { path: 'alerts.jsonl' } } }]
    const pipelines = { nightly: { ...peoplePipeline({ alerts }), inputs: { files: missing } } }
    const { space, runner } = await start({ folder, database: join(folder, 'space.db'), pipelines })
    const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    expect(await ended(space, run.runId)).toMatchObject({ status: 'failed', errorCode: 'E_INPUT_MISSING' })
    const { notifications } = space.context.operations.log
    // What looks after alerts every minute has just done so.
    await until(async () => (await notifications.count()).sent === 1, 'the alert', 40_000)
    expect(await readFile(join(folder, 'alerts.jsonl'), 'utf8')).toContain(run.runId)
  })

  test('is ready when every queue asks for work, and the server sees that', async () => {
    const folder = newFolder()
    const { space, worker } = await start({ folder, database: join(folder, 'space.db'), pipelines: {} })
    await until(async () => worker.isReady(), 'a worker that is ready')
    const { space: name } = space.context.operations
    await until(() => isWorked(sharedTemporal(), { space: name }), 'pollers')
    const health = await temporalHealth(sharedTemporal(), { space: name })
    expect(health).toMatchObject({ missingSearchAttributes: [], currentVersion: null })
    await worker.stop()
    expect(worker.isReady()).toBe(false)
  })

  test('that stops hands back what it works at, and another one goes on', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 400)
    const pipelines = { nightly: peoplePipeline() }
    const { space, runner, worker } = await start({ folder, database: join(folder, 'space.db'), pipelines })
    const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    const { runs } = space.context.operations.log
    await until(async () => (await runs.children(run.runId)).some((child) => child.startedAt !== null), 'a step')
    await worker.stop()
    expect((await runs.get(run.runId))?.status).toBe('running')
    const next = await runWorker({ temporal: sharedTemporal(), opened: space })
    closing.push(() => next.stop())
    expect((await ended(space, run.runId)).status).toBe('succeeded')
    expect(await space.defacto.table('person').rows()).toHaveLength(400)
  })

  test('stops what is cancelled, at the end of a chunk', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 4000)
    const pipelines = {
      nightly: peoplePipeline({
        inputs: { files: { source: 'web', kind: 'files', path: 'in/*.ndjson', settle: '0s', batch: 5 } },
      }),
    }
    const { space, runner } = await start({ folder, database: join(folder, 'space.db'), pipelines })
    const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
    const { runs } = space.context.operations.log
    await until(
      async () => (await runs.children(run.runId)).some((child) => (child.stats['events_ingested'] ?? 0) > 0),
      'a chunk',
    )
    const row = await space.control.requestCancel(run.runId, 'enough')
    await runner.cancel(row, 'enough')
    expect((await ended(space, run.runId)).status).toBe('cancelled')
    expect((await runs.children(run.runId)).map(({ status }) => status)).toEqual(['cancelled'])
  })
})

describeTemporal('a schedule', () => {
  test('is put, changed, paused, listed and removed; every slot it starts leaves a row and a run', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 5)
    const body = peoplePipeline({ schedule: { every: '1s', overlap: 'queue', missed: 'last', window: '1h' } })
    const { space } = await start({ folder, database: join(folder, 'space.db'), pipelines: { often: body } })
    const { operations } = space.context
    const schedules = await scheduleServer({ temporal: sharedTemporal(), space: operations.space })
    closing.push(() => schedules.close())
    const often = readPipeline('often', body)
    await schedules.put(often, 'not-yet')
    await until(async () => (await schedules.list()).length === 1, 'the schedule')
    expect(await schedules.list()).toMatchObject([
      { pipeline: 'often', pipelineHash: often.hash, paused: true, note: 'not-yet' },
    ])
    await schedules.put({ ...often, hash: 'other' }, null)
    await until(async () => (await schedules.list())[0]?.pipelineHash === 'other', 'the change')
    const started = await until(async () => {
      const ticks = await operations.log.schedules.ticks('often')
      const done = ticks.filter(({ outcome }) => outcome === 'started' || outcome === 'queued')
      return done.length > 1 ? done : null
    }, 'two slots')
    await schedules.pause('often', 'Ada asked for it')
    await until(async () => (await schedules.list())[0]?.paused, 'the pause')
    expect((await schedules.list())[0]?.note).toBe('paused')
    for (const { runId } of started) expect((await ended(space, runId ?? '')).status).toMatch(/^(succeeded|skipped)$/)
    await schedules.resume('often')
    await schedules.remove('often')
    await schedules.remove('often')
    await until(async () => (await schedules.list()).length === 0, 'no schedule')
    await expect(schedules.pause('often', 'x')).rejects.toThrow(/schedule apply/)
  })

  test('started by hand, it decides about the last slot before', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 5)
    const body = peoplePipeline({ schedule: { cron: '0 2 1,15 * 1', timezone: 'Europe/Berlin' } })
    const { space } = await start({ folder, database: join(folder, 'space.db'), pipelines: { nightly: body } })
    const { operations } = space.context
    const schedules = await scheduleServer({ temporal: sharedTemporal(), space: operations.space })
    closing.push(() => schedules.close())
    await schedules.put(readPipeline('nightly', body), null)
    closing.push(() => schedules.remove('nightly'))
    const { client, close } = await connectClient(sharedTemporal())
    closing.push(close)
    const [listed] = await until(async () => {
      const all = await schedules.list()
      return all.length > 0 ? all : null
    }, 'the schedule')
    expect(listed?.next.length).toBeGreaterThan(0)
    await client.schedule.getHandle(`defacto/${operations.space}/nightly`).trigger()
    const [tick] = await until(async () => {
      const ticks = await operations.log.schedules.ticks('nightly')
      return ticks.length > 0 ? ticks : null
    }, 'the slot')
    expect(tick?.pipeline).toBe('nightly')
  })
})
