/** Workers and servers that are killed (spec 10 §4.1, §4.6): the run completes after a restart, and nothing is done twice. */
import './quiet.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../infra/starters/host.ts'
import { temporalExecutable } from '../../infra/starters/temporal.ts'
import { isServer } from '../../src/temporal/dev-server.ts'
import { type TemporalAddress, temporalRunner } from '../../src/temporal/index.ts'
import { freshNamespace } from '../support/postgres.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, type Space, writePeople } from './space.ts'
import { until } from './until.ts'
import type { WorkerProcess } from './worker-process.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Units of few rows, so that there are many places to be killed at. */
const UNIT_ROWS = '20'

async function startProcess(worker: WorkerProcess): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'worker-process.ts')
  const child = spawn(process.execPath, [script, JSON.stringify(worker)], {
    env: { ...process.env, DEFACTO_UNIT_ROWS: UNIT_ROWS },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closing.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  let said = ''
  child.stdout?.on('data', (text) => {
    said += text
  })
  await until(async () => said.includes('ready') || child.exitCode !== null, 'a worker')
  expect(child.exitCode).toBeNull()
  return child
}

async function killed(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

const PEOPLE = 800
const PIPELINES = {
  nightly: peoplePipeline({
    inputs: { files: { source: 'web', kind: 'files', path: 'in/*.ndjson', settle: '0s', batch: 40 } },
    retry: { attempts: 0, backoff: '1s', max: '1s' },
  }),
}

interface Played {
  readonly space: Space
  readonly worker: WorkerProcess
  readonly start: () => Promise<string>
}

async function prepare(temporal: TemporalAddress, options: WorkerProcess['options'], folder: string): Promise<Played> {
  await writePeople(join(folder, 'in', 'a.ndjson'), PEOPLE)
  const worker = { temporal, folder, options, pipelines: PIPELINES }
  const space = await openSpace({ folder, pipelines: PIPELINES, ...options })
  closing.push(() => space.close())
  return {
    space,
    worker,
    async start() {
      const runner = await temporalRunner({ temporal, space: space.context.operations.space })
      closing.push(() => runner.close())
      return (await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })).runId
    },
  }
}

/** The child run of an operation has begun and committed something. */
function amid({ context }: Space, runId: string, op: 'ingest' | 'build'): Promise<unknown> {
  const { runs } = context.operations.log
  return until(async () => {
    const child = (await runs.children(runId)).find((run) => run.op === op)
    return child !== undefined && child.progressAt !== null
  }, `a chunk of ${op}`)
}

async function assertWhole(space: Space, runId: string): Promise<void> {
  const run = await ended(space, runId)
  expect(run).toMatchObject({ status: 'succeeded', error: null })
  expect(run.stats).toMatchObject({
    events_read: 2 * PEOPLE,
    events_ingested: 2 * PEOPLE,
    duplicates: 0,
    events_failed: 0,
  })
  await space.defacto.build()
  const rows = await space.defacto.table('person').rows()
  expect(rows).toHaveLength(PEOPLE)
  expect(rows.every((row) => row['n'] === 1)).toBe(true)
}

const PLACES = [
  [
    'SQLite',
    () => {
      const folder = newFolder()
      return { folder, options: { database: join(folder, 'space.db') } }
    },
  ],
  [
    'Postgres',
    () => {
      const { url, namespace } = freshNamespace()
      return { folder: newFolder(), options: { database: url, namespace } }
    },
  ],
] as const

describeTemporal.each(PLACES)('on %s', (_, place) => {
  test.each(['ingest', 'build'] as const)(
    'a worker killed amid %s: another one goes on at the last chunk',
    async (op) => {
      const { folder, options } = place()
      const { space, worker, start } = await prepare(sharedTemporal(), options, folder)
      const first = await startProcess(worker)
      const runId = await start()
      await amid(space, runId, op)
      await killed(first)
      await startProcess(worker)
      await assertWhole(space, runId)
    },
  )
})

describeTemporal('a process', () => {
  test('told to end does so in order, and another one goes on', async () => {
    const folder = newFolder()
    const { space, worker, start } = await prepare(sharedTemporal(), { database: join(folder, 'space.db') }, folder)
    const first = await startProcess(worker)
    const runId = await start()
    await amid(space, runId, 'ingest')
    await killed(first, 'SIGTERM')
    expect(first.exitCode).toBe(0)
    await startProcess(worker)
    await assertWhole(space, runId)
  })
})

describeTemporal('a server', () => {
  test('killed amid a run goes on after its restart, workers included', async () => {
    const folder = newFolder()
    const port = await freePort()
    const temporal = { address: `127.0.0.1:${port}`, namespace: 'default' }
    const { path } = await temporalExecutable()
    async function startServer(): Promise<ChildProcess> {
      const args = [
        'server',
        'start-dev',
        '--headless',
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--log-level',
        'never',
      ]
      const server = spawn(
        path,
        [...args, '--db-filename', join(folder, 'temporal.db'), '--sqlite-pragma', 'journal_mode=WAL'],
        {
          stdio: 'ignore',
        },
      )
      closing.push(async () => {
        if (server.exitCode === null && server.signalCode === null) await killed(server)
      })
      await until(() => isServer(temporal.address, temporal.namespace), 'the server')
      return server
    }
    const server = await startServer()
    const { space, worker, start } = await prepare(temporal, { database: join(folder, 'space.db') }, folder)
    await startProcess(worker)
    const runId = await start()
    await amid(space, runId, 'ingest')
    await killed(server)
    await startServer()
    await assertWhole(space, runId)
  })
})
