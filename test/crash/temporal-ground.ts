/** The ground of crash tests of runs: spaces prepared once and cloned, worker processes that die, workers that go on. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { SubmitRequest } from '../../src/orchestration/contract.ts'
import { RUN_ENDED, type RunRow } from '../../src/ports/runs.ts'
import {
  type Queue,
  type RunningWorker,
  runWorker,
  type TemporalAddress,
  temporalRunner,
} from '../../src/temporal/index.ts'
import { execute, freshDatabase, postgresUrl } from '../support/postgres.ts'
import { until } from '../temporal/until.ts'
import { type Backend, expectSoundPostgres, POSTGRES, SQLITE } from './places.ts'
import { NOW, type Workshop } from './shop-job.ts'
import { HEARTBEAT_MS, LEASE_MS, openShop, type ShopPlace, type ShopSpace, type WorkerOrder } from './temporal-space.ts'

/** Queues of the steps; the fourth one is that of the workflows. */
export const STEP_QUEUES: readonly Queue[] = ['io', 'state', 'cold']

/** What a space has behind it before the run. */
export interface Past {
  /** Records that were taken in and built, and those that only were taken in. */
  readonly built: number
  readonly pending: number
  readonly tiered?: boolean
  readonly flushed?: boolean
}

export interface Prepared {
  readonly backend: Backend
  readonly past: Past
  /** Path of the file, or name of the database to copy. */
  readonly origin: string
  readonly cold: string | null
}

export async function prepare(shop: Workshop, backend: Backend, name: string, past: Past): Promise<Prepared> {
  const place = await backend.place(shop.folder, `origin-${name}`)
  const cold = past.tiered === true ? join(shop.folder, `origin-${backend.name}-${name}-cold`) : null
  if (cold !== null) mkdirSync(cold)
  const { defacto } = await openShop(
    { database: place.database, folder: shop.folder, edition: 0, ...(cold === null ? {} : { coldLedger: cold }) },
    { clock: () => new Date(NOW) },
  )
  const ingest = async (from: number, to: number): Promise<void> => {
    await defacto.ingest('kiosk', shop.records.slice(from, to), { process: false, throwIfAllFail: false })
  }
  if (past.built > 0) {
    await ingest(0, past.built)
    await defacto.build()
  }
  if (past.flushed === true) await defacto.ledger.tiers.flush()
  if (past.pending > 0) await ingest(past.built, past.built + past.pending)
  await defacto.close()
  const origin = backend === POSTGRES ? new URL(place.database).pathname.slice(1) : place.database
  return { backend, past, origin, cold }
}

export interface Clone {
  readonly place: ShopPlace
  /** Of ids and queues on the server: clones are one space to it otherwise. */
  readonly prefix: string
  readonly expectSound: () => Promise<void>
  remove(): Promise<void>
}

/** A space that is new, in a database of the test's own; its input is every record. */
export async function emptyClone(shop: Workshop, database: string): Promise<Clone> {
  const prefix = newPrefix()
  const folder = inputFolder(shop, prefix, shop.records)
  const place = { database, folder, edition: 0 }
  await (await openShop(place)).defacto.close()
  return { prefix, place, expectSound: async () => {}, remove: async () => {} }
}

const newPrefix = (): string => `t${randomBytes(6).toString('hex')}`

function inputFolder(shop: Workshop, name: string, records: readonly object[]): string {
  const folder = join(shop.folder, name)
  mkdirSync(join(folder, 'in'), { recursive: true })
  writeFileSync(join(folder, 'in', 'a.ndjson'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  return folder
}

export async function clone(shop: Workshop, prepared: Prepared, edition = 0): Promise<Clone> {
  const { backend, past, origin } = prepared
  const prefix = newPrefix()
  const folder = inputFolder(shop, prefix, shop.records.slice(past.built + past.pending))
  const cold = prepared.cold === null ? null : join(folder, 'cold')
  if (prepared.cold !== null && cold !== null) cpSync(prepared.cold, cold, { recursive: true })
  const { database, remove, expectSound } = await copied(backend, folder, origin)
  return {
    prefix,
    place: { database, folder, edition, ...(cold === null ? {} : { coldLedger: cold }) },
    expectSound,
    remove,
  }
}

async function copied(
  backend: Backend,
  folder: string,
  origin: string,
): Promise<{ database: string; remove: () => Promise<void>; expectSound: () => Promise<void> }> {
  if (backend === SQLITE) {
    const place = await backend.place(folder, 'space')
    copyFileSync(origin, place.database)
    return { database: place.database, remove: place.remove, expectSound: place.expectSound }
  }
  const { url, drop } = await freshDatabase()
  const name = new URL(url).pathname.slice(1)
  await drop()
  await execute(postgresUrl(), `create database ${name} template ${origin}`)
  return { database: url, remove: drop, expectSound: () => expectSoundPostgres(url) }
}

const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

export interface WorkerLife {
  readonly child: ChildProcess
  /** Everything it said so far. */
  said(): string
  /** Resolves with the signal that ended it; null: it ended itself. */
  readonly gone: Promise<NodeJS.Signals | null>
  /** Whether it stands still at its failpoint. */
  isStopped(): Promise<boolean>
}

export interface WorkerOptions {
  readonly temporal: TemporalAddress
  readonly queues?: readonly Queue[]
  readonly failpoint?: string
  /** The failpoint stops the process instead of killing it. */
  readonly pause?: boolean
  readonly heartbeatMs?: number
}

/** Rows per unit of work: so few that little work crosses every place more than once. */
export const UNIT_ROWS = '60'

/** A process that works a clone's queues. */
export async function startWorker({ place, prefix }: Clone, options: WorkerOptions): Promise<WorkerLife> {
  const { temporal, queues, failpoint, pause, heartbeatMs = HEARTBEAT_MS } = options
  const order: WorkerOrder = {
    temporal,
    prefix,
    place,
    heartbeatMs,
    leaseMs: LEASE_MS,
    ...(queues === undefined ? {} : { queues }),
  }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'temporal-worker.ts'), JSON.stringify(order)], {
    env: {
      ...process.env,
      NODE_NO_WARNINGS: '1',
      NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
      DEFACTO_UNIT_ROWS: UNIT_ROWS,
      ...(failpoint === undefined ? {} : { DEFACTO_FAILPOINT: failpoint }),
      ...(pause === true ? { DEFACTO_FAILPOINT_SIGNAL: 'SIGSTOP' } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      said += text
    })
  }
  const gone = once(child, 'close').then(([, signal]) => {
    children.delete(child)
    return signal as NodeJS.Signals | null
  })
  const { pid } = child
  await until(async () => /^ready$/m.test(said) || child.exitCode !== null || child.signalCode !== null, 'a worker')
  if (child.exitCode !== null) throw new Error(`the worker ended at once: ${said}`)
  return {
    child,
    said: () => said,
    gone,
    async isStopped() {
      const { readFile } = await import('node:fs/promises')
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      return /\) [Tt] /.test(stat)
    },
  }
}

export interface Stage extends AsyncDisposable {
  readonly space: ShopSpace
  readonly clone: Clone
  /** A worker in this process. */
  work(queues?: readonly Queue[], heartbeatMs?: number): Promise<RunningWorker>
  submit(request: SubmitRequest): Promise<string>
  run(runId: string): Promise<RunRow>
  ended(runId: string): Promise<RunRow>
}

/** The clone, opened in this process. */
export async function openStage(clone: Clone, temporal: TemporalAddress): Promise<Stage> {
  const space = await openShop(clone.place)
  const { prefix } = clone
  const runner = await temporalRunner({ temporal, prefix, space: space.context.operations.space })
  const workers: RunningWorker[] = []
  const { runs } = space.context.operations.log
  const get = async (runId: string): Promise<RunRow> => {
    const row = await runs.get(runId)
    if (row === undefined) throw new Error(`there is no run ${runId}`)
    return row
  }
  return {
    space,
    clone,
    run: get,
    async work(queues, heartbeatMs = HEARTBEAT_MS) {
      const worker = await runWorker({
        temporal,
        prefix,
        opened: space,
        heartbeatMs,
        ...(queues === undefined ? {} : { queues }),
      })
      workers.push(worker)
      return worker
    },
    async submit(request) {
      const { run } = await space.control.submit(request)
      await runner.start(space.control.stepRef(run))
      return run.runId
    },
    ended: (runId) =>
      until(async () => {
        const row = await get(runId)
        return RUN_ENDED.includes(row.status) ? row : null
      }, `the end of run ${runId}`),
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await runner.close()
      await space.defacto.close()
      await clone.remove()
    },
  }
}
