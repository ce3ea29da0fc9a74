/** Servers that are killed under a run (spec 10 §4.1): Temporal and Postgres; the run goes on where it was and completes. */
import '../temporal/quiet.ts'
import './temporal-units.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../infra/starters/host.ts'
import { temporalExecutable } from '../../infra/starters/temporal.ts'
import type { RunRow } from '../../src/ports/runs.ts'
import { isServer } from '../../src/temporal/dev-server.ts'
import type { TemporalAddress } from '../../src/temporal/index.ts'
import { describePostgres, execute, withServer } from '../support/postgres.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { readWorld } from '../support/world.ts'
import { until } from '../temporal/until.ts'
import { expectSoundPostgres, SQLITE } from './places.ts'
import { EDITIONS, END, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'
import {
  type Clone,
  clone,
  emptyClone,
  openStage,
  prepare,
  STEP_QUEUES,
  type Stage,
  startWorker,
} from './temporal-ground.ts'

const COUNT = 300
const [definitions] = EDITIONS as unknown as [object]

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 13)
  expected = expectedOf(shop.records, definitions as never, definitions as never)
})
afterAll(() => shop.remove())

const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

/** A server of the test's own on a port that stays the same. */
async function startTemporal(address: TemporalAddress, database: string): Promise<() => Promise<void>> {
  const { path } = await temporalExecutable()
  const port = address.address.split(':')[1] as string
  const place = ['--ip', '127.0.0.1', '--port', port, '--db-filename', database, '--sqlite-pragma', 'journal_mode=WAL']
  const child = spawn(path, ['server', 'start-dev', '--headless', '--log-level', 'never', ...place], {
    stdio: 'ignore',
  })
  running.add(child)
  await until(() => isServer(address.address, address.namespace), 'the server')
  return async () => {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    running.delete(child)
  }
}

/** The run has committed something of this step. */
function amid({ space }: Stage, runId: string, op: 'ingest' | 'build'): Promise<RunRow> {
  const { runs } = space.context.operations.log
  return until(async () => {
    const child = (await runs.children(runId)).find((run) => run.op === op)
    return child !== undefined && child.progressAt !== null ? child : null
  }, `a chunk of ${op}`)
}

async function expectWhole(stage: Stage, runId: string): Promise<void> {
  const { defacto, context } = stage.space
  expect(await stage.ended(runId)).toMatchObject({
    status: 'succeeded',
    error: null,
    stats: { events_read: COUNT, events_ingested: expected.events },
  })
  await defacto.build({ asOf: END })
  await defacto.tick({ asOf: END })
  expect(await defacto.ledger.count()).toBe(expected.events)
  expect(await context.operations.buildStatus()).toMatchObject({ dirty: false, cursor: expected.events })
  expect(await readWorld(defacto, definitions)).toEqual(expected.world)
}

const NIGHTLY = { op: 'pipeline', pipeline: 'nightly' } as const

describeTemporal('Temporal', () => {
  test.each(['ingest', 'build'] as const)('killed amid %s, with the worker: both start again', async (op) => {
    const ground: Clone = await clone(shop, await prepare(shop, SQLITE, `temporal-${op}`, { built: 0, pending: 0 }))
    const temporal = { address: `127.0.0.1:${await freePort()}`, namespace: 'default' }
    const database = join(ground.place.folder, 'temporal.db')
    const kill = await startTemporal(temporal, database)
    await using stage = await openStage(ground, temporal)
    // At its place it stands still, so that both are killed amid the step.
    const failpoint = op === 'ingest' ? 'ingest.committed:3' : 'map.committed:2'
    const worker = await startWorker(ground, { temporal, failpoint, pause: true })
    const runId = await stage.submit(NIGHTLY)
    await until(() => worker.isStopped(), 'a worker that stands still')
    await kill()
    worker.child.kill('SIGKILL')
    expect(await worker.gone).toBe('SIGKILL')
    await startTemporal(temporal, database)
    await startWorker(ground, { temporal })
    await expectWhole(stage, runId)
  })
})

describePostgres('Postgres', () => {
  describeTemporal('under a run', () => {
    test.each(['restart', 'crash'] as const)('%s amid ingest and build: the worker goes on', async (how) => {
      await withServer({}, async (server) => {
        const ground = await emptyClone(shop, server.url)
        await using stage = await openStage(ground, sharedTemporal())
        await startWorker(ground, { temporal: sharedTemporal() })
        const runId = await stage.submit(NIGHTLY)
        for (const op of ['ingest', 'build'] as const) {
          await amid(stage, runId, op)
          if (how === 'crash') await server.crash()
          await server.restart()
        }
        await expectWhole(stage, runId)
        await expectSoundPostgres(server.url)
      })
    })

    test('connections that are killed all the time: the worker goes on', async () => {
      await withServer({}, async (server) => {
        const ground = await emptyClone(shop, server.url)
        await using stage = await openStage(ground, sharedTemporal())
        await startWorker(ground, { temporal: sharedTemporal(), queues: STEP_QUEUES })
        await stage.work(['control'])
        const runId = await stage.submit(NIGHTLY)
        for (const op of ['ingest', 'build'] as const) {
          await amid(stage, runId, op)
          await execute(
            server.url,
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
          )
        }
        await expectWhole(stage, runId)
        await expectSoundPostgres(server.url)
      })
    })
  })
})
