/**
 * Workers that are stopped, woken up, told to end, or beside each other on one space (spec 10 §4.4, §4.6, §4.8): one of them
 * writes, nothing is doubled, and log and `doctor` say what happened.
 */
import '../temporal/quiet.ts'
import './temporal-units.ts'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LockHeld } from '../../src/index.ts'
import { attempt } from '../../src/orchestration/attempt.ts'
import { classify } from '../../src/orchestration/failure.ts'
import { localRunner } from '../../src/orchestration/local.ts'
import type { RunEvent } from '../../src/ports/runs.ts'
import { Project } from '../support/cli.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { readWorld } from '../support/world.ts'
import { until } from '../temporal/until.ts'
import { BACKENDS } from './places.ts'
import { EDITIONS, END, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'
import { clone, openStage, type Prepared, prepare, STEP_QUEUES, type Stage, startWorker } from './temporal-ground.ts'
import { openShop } from './temporal-space.ts'

const COUNT = 300
const [definitions] = EDITIONS as unknown as [object]

let shop: Workshop
let expected: Expected
const project = new Project()
beforeAll(() => {
  shop = workshop(COUNT, 11)
  expected = expectedOf(shop.records, definitions as never, definitions as never)
  cpSync(join(import.meta.dirname, '../fixtures/definitions/shop'), project.root, { recursive: true })
})
afterAll(() => {
  shop.remove()
  project.remove()
})

async function expectWhole({ space, clone: { expectSound } }: Stage): Promise<void> {
  const { defacto, context } = space
  await defacto.build({ asOf: END })
  await defacto.tick({ asOf: END })
  expect(await defacto.ledger.count()).toBe(expected.events)
  expect(await context.operations.buildStatus()).toMatchObject({ dirty: false, cursor: expected.events })
  expect(await readWorld(defacto, definitions)).toEqual(expected.world)
  await expectSound()
}

interface Finding {
  readonly check: string
  readonly state: string
  readonly message: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What `doctor` says of the space. */
async function doctor({ clone: { place } }: Stage): Promise<readonly Finding[]> {
  const { out, err } = await project.run(['doctor', '-o', 'json'], { env: { DEFACTO_DATABASE: place.database } })
  const { data } = JSON.parse(out || `{"data":{"checks":${JSON.stringify(err)}}}`) as { data: { checks: Finding[] } }
  return data.checks
}

const eventsOf = ({ space }: Stage, runId: string): Promise<RunEvent[]> =>
  space.context.operations.log.runs.events(runId, { kinds: ['retry', 'state'] })

const isSaid = (data: unknown, name: string): boolean =>
  (data as Readonly<Record<string, unknown>> | null)?.[name] === true

describeTemporal.each(BACKENDS)('on $name', (backend) => {
  let half: Prepared
  let begun: Prepared
  beforeAll(async () => {
    half = await prepare(shop, backend, 'half', { built: 150, pending: 150 })
    begun = await prepare(shop, backend, 'begun', { built: 60, pending: 0 })
  })

  test('a worker that slept while another one finished wakes up, and writes nothing more', async () => {
    await using stage = await openStage(await clone(shop, half), sharedTemporal())
    const temporal = sharedTemporal()
    const { operations } = stage.space.context
    await stage.work(['control'])
    const sleeper = await startWorker(stage.clone, {
      temporal,
      queues: STEP_QUEUES,
      failpoint: 'chunk.committed',
      pause: true,
    })
    const runId = await stage.submit({ op: 'build', asOf: END })
    await until(() => sleeper.isStopped(), 'a worker that stands still')
    const { version } = operations
    const { cursor, dirty } = await operations.buildStatus()
    expect(dirty).toBe(true)

    const during = await doctor(stage)
    expect(during).toContainEqual(
      expect.objectContaining({
        check: 'version',
        state: 'warn',
        data: expect.objectContaining({ version, dirty: true, cursor }),
      }),
    )
    expect(during).toContainEqual(
      expect.objectContaining({
        check: 'locks',
        message: expect.stringContaining(`in process ${sleeper.child.pid}`),
        data: expect.objectContaining({ slot: 'state', run_id: runId, fenced: false }),
      }),
    )
    expect(during).toContainEqual(
      expect.objectContaining({ check: 'runs', data: expect.objectContaining({ run_id: runId, status: 'running' }) }),
    )

    await stage.work(STEP_QUEUES)
    const row = await stage.ended(runId)
    expect(row).toMatchObject({ status: 'succeeded', error: null })
    const whole = await readWorld(stage.space.defacto, definitions)

    sleeper.child.kill('SIGCONT')
    const fenced = await until(
      async () => (await eventsOf(stage, runId)).find(({ data }) => isSaid(data, 'fenced')),
      'a word about being fenced',
    )
    expect(sleeper.said()).toContain('warn fenced')
    const lost = (await eventsOf(stage, runId)).find(({ data }) => isSaid(data, 'lost'))
    expect(fenced).toMatchObject({ level: 'warn', code: 'E_FENCED' })
    expect(lost?.data).toEqual({ epoch: expect.any(Number), lost: true })
    expect(fenced.data).toEqual({ ...(lost?.data as object), lost: undefined, fenced: true })
    // It is as able as before.
    sleeper.child.kill('SIGTERM')
    expect(await sleeper.gone).toBeNull()
    expect(await stage.run(runId)).toEqual(row)
    expect(await readWorld(stage.space.defacto, definitions)).toEqual(whole)
    const after = await doctor(stage)
    expect(after).toContainEqual(expect.objectContaining({ check: 'runs', message: 'nothing runs or waits' }))
    expect(after.filter(({ check, state }) => check === 'version' && state !== 'ok')).toEqual([])
    await expectWhole(stage)
  })

  test('a worker that slept past its lease finds its slot taken by a build beside it, and its run ends well', async () => {
    await using stage = await openStage(await clone(shop, half), sharedTemporal())
    await stage.work(['control'])
    const sleeper = await startWorker(stage.clone, {
      temporal: sharedTemporal(),
      queues: STEP_QUEUES,
      failpoint: 'map.committed',
      pause: true,
    })
    const runId = await stage.submit({ op: 'build', asOf: END })
    await until(() => sleeper.isStopped(), 'a worker that stands still')
    const { defacto } = stage.space
    await expect(defacto.build({ asOf: END })).rejects.toThrow(LockHeld)
    const [holder] = await until(async () => {
      const locks = (await doctor(stage)).filter(({ check, data }) => check === 'locks' && data['lapsed'] === true)
      return locks.length > 0 ? locks : null
    }, 'a lease that is over')
    expect(holder?.message).toContain('silent since')
    await defacto.build({ asOf: END })
    const whole = await readWorld(defacto, definitions)
    sleeper.child.kill('SIGCONT')
    const row = await stage.ended(runId)
    expect(row).toMatchObject({ status: 'succeeded', error: null })
    // Whether it learns of it from the server or from the database is up to which of them answers first.
    const told = await eventsOf(stage, runId)
    expect(told.filter(({ data }) => isSaid(data, 'lost') || isSaid(data, 'fenced'))).not.toEqual([])
    expect(await readWorld(defacto, definitions)).toEqual(whole)
    await expectWhole(stage)
  })

  test('a worker told to end hands back at once: nobody waits until it is given up', async () => {
    await using stage = await openStage(await clone(shop, begun), sharedTemporal())
    const temporal = sharedTemporal()
    // Longer than this test may take.
    const heartbeatMs = 600_000
    await stage.work(['control'], heartbeatMs)
    const first = await startWorker(stage.clone, { temporal, queues: STEP_QUEUES, heartbeatMs })
    const runId = await stage.submit({ op: 'pipeline', pipeline: 'nightly' })
    await until(async () => {
      const children = await stage.space.context.operations.log.runs.children(runId)
      return children.some(({ progressAt }) => progressAt !== null)
    }, 'a chunk')
    first.child.kill('SIGTERM')
    expect(await first.gone, first.said()).toBeNull()
    expect(first.said()).toContain('ended')
    await startWorker(stage.clone, { temporal, queues: STEP_QUEUES, heartbeatMs })
    expect(await stage.ended(runId)).toMatchObject({ status: 'succeeded', error: null })
    await expectWhole(stage)
  })

  test('two workers and a process of its own on one space: one of them writes', async () => {
    await using stage = await openStage(await clone(shop, begun), sharedTemporal())
    const temporal = sharedTemporal()
    const workers = [await startWorker(stage.clone, { temporal }), await startWorker(stage.clone, { temporal })]
    const alone = await openShop(stage.clone.place, { engine: 'local' })
    const local = localRunner(alone.context, alone.control)
    const { runs } = stage.space.context.operations.log
    const runIds = [await stage.submit({ op: 'pipeline', pipeline: 'nightly' })]
    for (let round = 0; round < 3; round++) {
      const { run } = await alone.control.submit({ op: 'build', input: { full: true }, key: `local-${round}` })
      await local.start(alone.control.stepRef(run))
      runIds.push(run.runId, await stage.submit({ op: 'build', input: { full: true }, key: `served-${round}` }))
    }
    for (const runId of runIds) {
      const { status, error } = await stage.ended(runId)
      expect({ runId, status, error }).toMatchObject({
        status: expect.stringMatching(/^(succeeded|coalesced)$/),
        error: null,
      })
    }
    await local.close()
    await alone.defacto.close()
    expect(await runs.list({ status: ['queued', 'running', 'waiting'] })).toEqual([])
    for (const { child } of workers) child.kill('SIGTERM')
    for (const { gone } of workers) expect(await gone).toBeNull()
    await expectWhole(stage)
  })

  test('an attempt that was forgotten and begins late does not end the run of the one that counts', async () => {
    await using stage = await openStage(await clone(shop, half), sharedTemporal())
    const { context, control } = stage.space
    const { run } = await control.submit({ op: 'build' })
    const ref = { v: 1, space: context.operations.space, runId: run.runId } as const
    const call = { signal: new AbortController().signal, heartbeat() {} }
    const counts = attempt(
      context,
      ref,
      async (_, { fence }) => {
        await attempt(context, ref, async () => ({ more: false, stats: {} }), call)
        await context.operations.unit({ fence }, async () => {})
        return { more: false, stats: {} }
      },
      call,
    )
    const error = await counts.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(classify(error)).toMatchObject({ code: 'E_FENCED', retryable: true, benign: true })
    expect((await stage.run(run.runId)).status).toBe('running')
  })

  test('doctor tells when a run that fails is tried again', async () => {
    await using stage = await openStage(await clone(shop, half), sharedTemporal())
    await stage.work()
    const runId = await stage.submit({ op: 'pipeline', pipeline: 'elsewhere' })
    const child = await until(async () => {
      const [found] = await stage.space.context.operations.log.runs.children(runId)
      return found?.error == null ? null : found
    }, 'a failure')
    const findings = await doctor(stage)
    const found = findings.find(({ data }) => data?.['run_id'] === child.runId)
    expect(found).toMatchObject({ check: 'runs', data: { attempt: 1, next_retry: expect.stringMatching(/^20/) } })
    expect(found?.message).toContain('next attempt at')
    await stage.space.control.requestCancel(runId, 'enough')
  })
})
