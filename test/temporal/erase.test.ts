/** Requests as workflows on a real server, with real stores (spec 10 §10): waiting, stopping, being killed, finding back. */
import './quiet.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { DefactoOptions } from '../../src/index.ts'
import type { Runner } from '../../src/orchestration/contract.ts'
import { Erasures, Holds } from '../../src/orchestrator/erasure.ts'
import type { RunRow } from '../../src/ports/runs.ts'
import { connectClient } from '../../src/temporal/connect.ts'
import { runWorker, temporalRunner } from '../../src/temporal/index.ts'
import { joined, used } from '../support/people.ts'
import { freshNamespace } from '../support/postgres.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended } from './runs.ts'
import { openSpace, type Space } from './space.ts'
import { until } from './until.ts'
import type { WorkerProcess } from './worker-process.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const { privateKey } = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})

interface World {
  readonly folder: string
  readonly space: Space
  readonly runner: Runner
  readonly erasure: Erasures
  readonly holds: Holds
  /** Of the worker that others start. */
  readonly process: WorkerProcess
}

const mail = (n: number): string => `m${n}@example.org`
const PEOPLE = 12

/** People, archived and out of the database; nobody works yet. */
async function world(
  place: (folder: string) => DefactoOptions,
  options: DefactoOptions = {},
  { pipelines = {}, prune = true }: { pipelines?: Record<string, object>; prune?: boolean } = {},
): Promise<World> {
  const folder = newFolder()
  const where = place(folder)
  const compliance = { signingKey: privateKey, ...options.compliance }
  const given = { ...where, coldLedger: join(folder, 'cold'), compliance }
  const space = await openSpace({ folder, pipelines, ...given, ...(options.clock && { clock: options.clock }) })
  closing.push(() => space.close())
  const records = Array.from({ length: PEOPLE }, (_, n) => [joined(mail(n), 1 + (n % 9)), used(mail(n), 10, n)])
  await space.defacto.ingest('web', records.flat())
  await space.defacto.build()
  await space.defacto.ledger.tiers.flush()
  if (prune) await space.defacto.ledger.tiers.prune()
  const temporal = sharedTemporal()
  const runner = await temporalRunner({ temporal, space: space.context.operations.space })
  closing.push(() => runner.close())
  const { erasure: api, holds: holdApi } = space.defacto
  const erasure = new Erasures({ context: space.context, control: space.control, runner, erasure: api })
  const process = { temporal, folder, options: given as unknown as WorkerProcess['options'], pipelines: {} }
  return { folder, space, runner, erasure, holds: new Holds(holdApi, erasure), process }
}

async function work({ space }: World): Promise<void> {
  const worker = await runWorker({ temporal: sharedTemporal(), opened: space })
  closing.push(() => worker.stop())
}

const SQLITE = (folder: string): DefactoOptions => ({ database: join(folder, 'space.db') })
const PLACES = [
  ['SQLite', SQLITE],
  [
    'Postgres',
    () => {
      const { url, namespace } = freshNamespace()
      return { database: url, namespace }
    },
  ],
] as const

/** Somebody who is told of everything about requests. */
const ALERTED = {
  told: {
    steps: ['build'],
    alerts: [{ on: ['erase_deadline', 'store_pending', 'recovered'], to: { file: { path: 'alerts' } } }],
  },
}

const ask = ({ erasure }: World, n: number, kind: 'erase' | 'redact' = 'erase') =>
  erasure.request({ hint: `person.mail=${mail(n)}`, kind, requestedBy: 'ada' })
const idOf = ({ space }: World, n: number): Promise<string | undefined> => space.defacto.identity.lookup(mail(n))
const rowOf = async ({ space }: World, runId: string | undefined): Promise<RunRow> =>
  (await space.context.operations.log.runs.get(runId ?? '')) as RunRow
const waiting = (world: World, runId: string | undefined, what: RegExp): Promise<RunRow> =>
  until(async () => {
    const row = await rowOf(world, runId)
    return row.status === 'waiting' && what.test(row.waitingFor ?? '') ? row : null
  }, `a run that waits for ${what.source}`)

describeTemporal.each(PLACES)('on %s', (_, place) => {
  test('a request is carried out to its certificate, by a workflow of its own', async () => {
    const here = await world(place)
    await work(here)
    const { requestId, run } = await ask(here, 3)
    expect(await ended(here.space, run?.runId ?? '')).toMatchObject({
      status: 'succeeded',
      workflowId: `erase/${requestId}`,
      stats: { requests_closed: 1, entities_erased: 1, events_deleted: 2 },
    })
    expect(await idOf(here, 3)).toBeUndefined()
    expect(await here.erasure.certificate(requestId)).toMatchObject({ request_id: requestId })
    // Started again, by whomever, it does nothing.
    await here.runner.start(here.space.control.stepRef(await rowOf(here, run?.runId)))
    expect(await here.space.defacto.table('person').rows()).toHaveLength(PEOPLE - 1)
  })

  test('a redaction goes the same way, and the entity stays', async () => {
    const here = await world(place)
    await work(here)
    const id = await idOf(here, 4)
    const { requestId, run } = await ask(here, 4, 'redact')
    expect(await ended(here.space, run?.runId ?? '')).toMatchObject({ status: 'succeeded', op: 'redact' })
    expect((await here.erasure.status(requestId)).status).toBe('closed')
    expect((await here.space.defacto.table('person').rows()).map((row) => row['person_id'])).toContain(id)
  })
})

describeTemporal('a request that waits', () => {
  test('for approval, goes on as soon as it is given', async () => {
    const here = await world(SQLITE, { compliance: { approval: 'required' } })
    await work(here)
    const { requestId, run } = await ask(here, 1)
    await waiting(here, run?.runId, /^approval$/)
    await here.erasure.approve(requestId, { by: 'bob' })
    expect(await ended(here.space, run?.runId ?? '')).toMatchObject({ status: 'succeeded' })
  })

  test('for a hold, goes on when it is released', async () => {
    const here = await world(SQLITE)
    await work(here)
    const hold = await here.holds.add({ entityId: (await idOf(here, 1)) ?? '', reason: 'a dispute' })
    const { run } = await ask(here, 1)
    await waiting(here, run?.runId, new RegExp(`^hold:${hold.holdId}$`))
    await here.holds.release(hold.holdId)
    expect(await ended(here.space, run?.runId ?? '')).toMatchObject({ status: 'succeeded' })
  })

  test('for nobody, because whoever stored it ended: a worker finds it', async () => {
    const here = await world(SQLITE)
    const { requestId } = await here.erasure.request({ hint: `person.mail=${mail(2)}`, kind: 'erase' }, { queue: true })
    const late = { ...here.space.context, clock: () => new Date(Date.now() + 60_000) }
    const { createControl } = await import('../../src/orchestration/control.ts')
    const refs = await createControl(late).sweep()
    expect(refs.map(({ workflowId }) => workflowId)).toEqual([`erase/${requestId}`])
    for (const ref of refs) await here.runner.start(ref)
    await work(here)
    const { runId } = await here.erasure.status(requestId)
    expect(await ended(here.space, runId ?? '')).toMatchObject({ status: 'succeeded' })
  })
})

describeTemporal('a request to stop', () => {
  test('before the pivot takes the request back; there is no trace of it', async () => {
    const here = await world(SQLITE, { compliance: { approval: 'required' } })
    await work(here)
    const { requestId, run } = await ask(here, 1)
    const row = await waiting(here, run?.runId, /^approval$/)
    await here.space.control.requestCancel(row.runId, 'a mistake')
    await here.runner.cancel(row, 'a mistake')
    expect(await ended(here.space, row.runId)).toMatchObject({ status: 'cancelled' })
    expect((await here.erasure.status(requestId)).status).toBe('refused')
    expect(await idOf(here, 1)).toEqual(expect.any(String))
  })

  test('after the pivot is refused, whoever asks: what is left of the person has to go', async () => {
    const here = await world(SQLITE, {}, { prune: false })
    const restore = await hideArchive(here)
    await work(here)
    const { requestId, run } = await ask(here, 1)
    const row = await waiting(here, run?.runId, /^store:cold$/)
    expect(await idOf(here, 1)).toBeUndefined()
    await expect(here.space.control.requestCancel(row.runId, 'a mistake')).rejects.toMatchObject({
      code: 'E_PAST_PIVOT',
    })
    const { client, close } = await connectClient(sharedTemporal())
    closing.push(close)
    const handle = client.workflow.getHandle(`defacto/${here.space.context.operations.space}/erase/${requestId}`)
    await handle.cancel()
    await until(async () => (await rowOf(here, row.runId)).epoch > row.epoch, 'another look')
    await restore()
    await handle.signal('wake')
    expect(await ended(here.space, row.runId)).toMatchObject({ status: 'succeeded', stats: { requests_closed: 1 } })
  })
})

/** The archive's place does not answer until it is given back. */
async function hideArchive({ folder }: World): Promise<() => Promise<void>> {
  const cold = join(folder, 'cold')
  await rename(cold, `${cold}.away`)
  await writeFile(cold, '')
  return async () => {
    await rm(cold)
    await rename(`${cold}.away`, cold)
  }
}

describeTemporal('a place that does not answer', () => {
  test('is asked again until it does; people are told', async () => {
    const here = await world(SQLITE, {}, { pipelines: ALERTED, prune: false })
    const restore = await hideArchive(here)
    await work(here)
    const { requestId, run } = await ask(here, 1)
    const row = await waiting(here, run?.runId, /^store:cold$/)
    const state = await here.erasure.status(requestId)
    expect(state).toMatchObject({
      status: 'store_pending',
      waitingFor: ['store:cold'],
      stores: { cold: { state: 'pending' } },
    })
    const told = await here.space.context.operations.log.notifications.of('alert', `erasure/${requestId}`)
    expect(told.map(({ payload }) => payload)).toMatchObject([
      { event: 'store_pending', data: { request_id: requestId, stores: ['cold'] } },
    ])
    expect(JSON.stringify(told)).not.toContain('example.org')
    await restore()
    await here.runner.wake(here.space.control.stepRef(row))
    expect(await ended(here.space, row.runId)).toMatchObject({ status: 'succeeded' })
    const { notifications } = here.space.context.operations.log
    const events = (await notifications.of('alert', `erasure/${requestId}`)).map(({ payload }) => payload)
    expect(events).toMatchObject([{ event: 'recovered' }, { event: 'store_pending' }])
  })
})

describeTemporal('a deadline', () => {
  test('is told of at each instant of warn_at and when it has passed, with the reason of the delay', async () => {
    let now = Date.parse('2026-03-01T00:00:00Z')
    const clock = () => new Date(now)
    const compliance = { approval: 'required', deadline: '30d', warnAt: '20d, 25d' } as const
    const here = await world(SQLITE, { compliance, clock }, { pipelines: ALERTED })
    await work(here)
    const { requestId, run } = await ask(here, 1)
    const row = await waiting(here, run?.runId, /^approval$/)
    const { notifications } = here.space.context.operations.log
    const told = async () => (await notifications.of('alert', `deadline/${requestId}`)).map(({ payload }) => payload)
    for (const [days, count] of [
      [19, 0],
      [21, 1],
      [22, 1],
      [26, 2],
      [31, 3],
      [40, 3],
    ] as const) {
      now = Date.parse('2026-03-01T00:00:00Z') + days * 86_400_000
      const { epoch } = await rowOf(here, row.runId)
      await here.runner.wake(here.space.control.stepRef(row))
      await until(async () => {
        const seen = await rowOf(here, row.runId)
        return seen.epoch > epoch && seen.status === 'waiting'
      }, 'a look at the request')
      expect(await told()).toHaveLength(count)
    }
    expect(await told()).toMatchObject([
      { severity: 'error', event: 'erase_deadline', data: { status: 'requested', waiting_for: ['approval'] } },
      { severity: 'warn' },
      { severity: 'warn', data: { request_id: requestId } },
    ])
    await here.erasure.approve(requestId, { by: 'bob' })
    expect(await ended(here.space, row.runId)).toMatchObject({ status: 'succeeded' })
  })
})

async function startProcess(worker: WorkerProcess, failpoint?: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'worker-process.ts')
  const child = spawn(process.execPath, [script, JSON.stringify(worker)], {
    env: { ...process.env, ...(failpoint === undefined ? {} : { DEFACTO_FAILPOINT: failpoint }) },
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
  await until(async () => said.includes('ready') || child.exitCode !== null || child.signalCode !== null, 'a worker')
  return child
}

describeTemporal('a worker killed', () => {
  // In each of the five steps, before or after what they commit.
  test.each([
    ['erase.freeze.committed', PLACES[0]],
    ['erase.written', PLACES[0]],
    ['erase.committed', PLACES[1]],
    ['erase.store.done', PLACES[0]],
    ['erase.verified', PLACES[0]],
    ['certify.written', PLACES[1]],
    ['certify.committed', PLACES[0]],
  ])('at %s: another one goes on, and there is one certificate', async (failpoint, [, place]) => {
    const here = await world(place)
    const first = await startProcess(here.process, failpoint)
    const dead = once(first, 'exit')
    const { requestId, run } = await ask(here, 5)
    await dead
    expect(first.signalCode).toBe('SIGKILL')
    await startProcess(here.process)
    expect(await ended(here.space, run?.runId ?? '')).toMatchObject({
      status: 'succeeded',
      error: null,
      stats: { requests_closed: 1, requests_pending: 0, entities_erased: 1, events_deleted: 2 },
    })
    expect(await idOf(here, 5)).toBeUndefined()
    expect(await here.erasure.certificates()).toHaveLength(1)
    expect((await here.erasure.status(requestId)).status).toBe('closed')
  })
})
