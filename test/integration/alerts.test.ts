/** Notifications arrive, whatever the receiver does and whoever dies meanwhile (spec 10 §3.8). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deliver } from '../../src/orchestration/alerts/deliver.ts'
import { failure, runRecovered } from '../../src/orchestration/alerts/events.ts'
import { alertsOf } from '../../src/orchestration/alerts/rules.ts'
import { signatureOf } from '../../src/orchestration/alerts/senders.ts'
import { createControl } from '../../src/orchestration/control.ts'
import { localRunner } from '../../src/orchestration/local.ts'
import type { Notification } from '../../src/ports/runs.ts'
import { postgresPlace, sqlitePlace, TestSpace, teams } from '../support/orchestration.ts'
import { joined } from '../support/people.ts'
import { describePostgres } from '../support/postgres.ts'
import { Receiver } from '../support/receiver.ts'

const SECRET = 'a secret that nobody stores'
const PLACES = [
  { name: 'SQLite', place: sqlitePlace, describe },
  { name: 'Postgres', place: postgresPlace, describe: describePostgres as typeof describe },
] as const
const ERROR = { code: 'E_STORAGE', class: 'StorageError' }
const SUBJECT = 'pipeline/nightly'

let space: TestSpace
let receiver: Receiver
beforeEach(async () => {
  process.env['ALERT_SECRET'] = SECRET
  receiver = await new Receiver().start()
})
afterEach(async () => {
  delete process.env['ALERT_SECRET']
  await receiver.stop()
  await space?.close()
})

function nightly(to: object, on: readonly string[] = ['failure', 'recovered']): void {
  space.pipeline('nightly', { alerts: [{ on, to }] })
}

/** A run of the pipeline fails, or succeeds; alerts come with the change. */
async function ends(status: 'failed' | 'succeeded'): Promise<void> {
  const run = await space.newRun('pipeline', { pipeline: 'nightly' })
  const { log } = space.context.operations
  await log.runs.begin(run.runId, space.text)
  const signal = status === 'failed' ? failure(run, space.text, ERROR) : runRecovered(run, space.text)
  const pipeline = space.pipelines.get('nightly')?.pipeline ?? null
  const notifications = await alertsOf(space.context, pipeline, [signal])
  await log.runs.change(run.runId, { status }, { at: space.text, notifications })
}

const after = (seconds: number): void => {
  space.now = new Date(space.now.getTime() + seconds * 1000)
}
const stored = (): Promise<Notification[]> => space.context.operations.log.notifications.of('alert', SUBJECT)
const states = async (): Promise<string[]> => (await stored()).map(({ status }) => status).reverse()

for (const { name, place, describe: describeHere } of PLACES)
  describeHere(`notifications on ${name}`, () => {
    beforeEach(async () => {
      space = await TestSpace.open(await place(), teams())
    })

    it('go to a webhook, signed, with headers and secrets put in when they are sent', async () => {
      const secret = '$' + '{env:ALERT_SECRET}'
      const headers = { Authorization: `Bearer ${secret}` }
      nightly({ webhook: { url: `${receiver.url}/hook`, secret, headers } })
      await ends('failed')
      await ends('failed')
      await ends('succeeded')
      expect(await deliver(space.context)).toBe(2)
      const [first, second] = receiver.received
      expect(receiver.received).toHaveLength(2)
      const [recovered, failed] = await stored()
      expect(first?.path).toBe('/hook')
      expect(JSON.parse(first?.body ?? '')).toEqual({
        id: failed?.id,
        type: 'defacto.run.failed',
        space: space.context.operations.namespace,
        subject: SUBJECT,
        time: '2024-01-20T00:00:01+00:00',
        data: {
          event: 'failure',
          severity: 'error',
          pipeline: 'nightly',
          run_id: expect.stringMatching(/^r_/),
          op: 'pipeline',
          step: null,
          code: 'E_STORAGE',
          class: 'StorageError',
        },
      })
      expect(JSON.parse(second?.body ?? '')).toMatchObject({ id: recovered?.id, type: 'defacto.recovered' })
      for (const { headers: got, body } of receiver.received) {
        expect(got['x-defacto-id']).toBe(JSON.parse(body).id)
        expect(got['authorization']).toBe(`Bearer ${SECRET}`)
        expect(got['x-defacto-signature']).toBe(signatureOf(SECRET, String(got['x-defacto-timestamp']), body))
        expect(Number(got['x-defacto-timestamp'])).toBe(Math.floor(space.now.getTime() / 1000))
      }
      expect(await states()).toEqual(['sent', 'sent'])
      expect(JSON.stringify(await stored())).not.toContain(SECRET)
      expect(await deliver(space.context)).toBe(0)
    })

    it('go out as CloudEvents, and into a file', async () => {
      nightly({ cloudevents: { url: receiver.url } })
      await ends('failed')
      nightly({ file: { path: 'out/alerts.ndjson' } })
      await ends('failed')
      await ends('succeeded')
      expect(await deliver(space.context)).toBe(3)
      const [event] = receiver.received
      expect(event?.headers['content-type']).toBe('application/cloudevents+json')
      expect(JSON.parse(event?.body ?? '')).toEqual({
        specversion: '1.0',
        id: expect.stringMatching(/^n_/),
        source: `defacto/${space.context.operations.namespace}`,
        type: 'defacto.run.failed',
        subject: SUBJECT,
        time: '2024-01-20T00:00:01Z',
        datacontenttype: 'application/json',
        data: expect.objectContaining({ severity: 'error', code: 'E_STORAGE' }),
      })
      const lines = readFileSync(join(space.place.folder, 'out/alerts.ndjson'), 'utf8').trim().split('\n')
      expect(lines.map((line) => JSON.parse(line).type)).toEqual(['defacto.run.failed', 'defacto.recovered'])
    })

    it('are tried again until the receiver is there, with one id, ever more seldom, for a day', async () => {
      nightly({ webhook: { url: receiver.url } })
      await ends('failed')
      await receiver.stop()
      expect(await deliver(space.context)).toBe(0)
      expect(await states()).toEqual(['pending'])

      await receiver.start()
      receiver.mood = 500
      expect(await deliver(space.context)).toBe(0)
      expect(receiver.received).toEqual([])
      after(10)
      expect(await deliver(space.context)).toBe(0)
      expect(receiver.received).toHaveLength(1)

      receiver.mood = 'slow'
      after(10)
      expect(await deliver(space.context, { requestMs: 1000 })).toBe(0)
      expect(receiver.received).toHaveLength(1)
      after(10)
      expect(await deliver(space.context, { requestMs: 1000 })).toBe(0)
      expect(receiver.received).toHaveLength(2)

      receiver.mood = 307
      after(40)
      expect(await deliver(space.context)).toBe(0)
      receiver.mood = 'up'
      after(80)
      expect(await deliver(space.context)).toBe(1)
      expect(await states()).toEqual(['sent'])
      expect(new Set(receiver.received.map(({ headers }) => headers['x-defacto-id'])).size).toBe(1)
      expect(receiver.received).toHaveLength(4)
    })

    it('are given up after a day', async () => {
      nightly({ webhook: { url: receiver.url } })
      receiver.mood = 503
      await ends('failed')
      for (let hours = 0; hours < 26; hours += 1) {
        await deliver(space.context)
        after(3600)
      }
      expect(await states()).toEqual(['dead'])
      expect(await space.context.operations.log.notifications.count()).toEqual({ pending: 0, sent: 0, dead: 1 })
    })

    it('of one receiver do not wait for another that does not answer, and stay in order', async () => {
      const slow = await new Receiver().start()
      slow.mood = 'slow'
      try {
        space.pipeline('nightly', {
          alerts: [slow, receiver].map(({ url }) => ({ on: ['failure', 'recovered'], to: { webhook: { url } } })),
        })
        for (const status of ['failed', 'succeeded', 'failed', 'succeeded'] as const) await ends(status)
        expect(await deliver(space.context, { requestMs: 1000 })).toBe(4)
        const types = receiver.received.map(({ body }) => JSON.parse(body).type)
        expect(types).toEqual(['defacto.run.failed', 'defacto.recovered', 'defacto.run.failed', 'defacto.recovered'])
        expect(slow.received).toHaveLength(1)
      } finally {
        await slow.stop()
      }
    })

    it('that only close an alert go nowhere', async () => {
      nightly({ webhook: { url: receiver.url } }, ['failure'])
      await ends('failed')
      await ends('succeeded')
      await ends('failed')
      expect(await deliver(space.context)).toBe(2)
      expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual([
        'defacto.run.failed',
        'defacto.run.failed',
      ])
      expect(await states()).toEqual(['sent', 'sent', 'sent'])
    })

    it('of other kinds go through their own senders', async () => {
      const row = { id: 'n_1', kind: 'lineage', subject: 'run/r_1', payload: { a: 1 }, availableAt: space.text }
      const { notifications } = space.context.operations.log
      await notifications.enqueue([{ ...row, target: { kind: 'peer', url: 'x' } }], space.text)
      expect(await deliver(space.context)).toBe(0)
      after(10)
      const seen: unknown[] = []
      const peer = async (_: unknown, { id, payload }: Notification, target: unknown): Promise<void> =>
        void seen.push([id, payload, target])
      expect(await deliver(space.context, { senders: { peer } })).toBe(1)
      expect(seen).toEqual([['n_1', { a: 1 }, { kind: 'peer', url: 'x' }]])
    })
  })

describe('a sender that dies after the receiver took it', () => {
  it('leaves it to the next one, which sends it with the same id', async () => {
    const place = await sqlitePlace()
    space = await TestSpace.open(place, teams())
    // The process that is killed has a clock of its own, which shows the same.
    nightly({ webhook: { url: receiver.url } })
    space.now = new Date(space.now.getTime() - 3_600_000)
    await ends('failed')
    let child: ChildProcess | undefined
    receiver.onRequest = async () => {
      child?.kill('SIGKILL')
      await once(child as ChildProcess, 'exit')
    }
    const job = join(import.meta.dirname, '../support/deliver-job.ts')
    child = spawn(process.execPath, [job, place.folder], { stdio: 'inherit' })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    expect(await states()).toEqual(['pending'])

    receiver.onRequest = () => {}
    space.now = new Date(space.now.getTime() + 3_600_000)
    expect(await deliver(space.context)).toBe(0)
    after(61)
    expect(await deliver(space.context)).toBe(1)
    const ids = receiver.received.map(({ headers }) => headers['x-defacto-id'])
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
    const db = new DatabaseSync(join(place.folder, 'space.db'), { readOnly: true })
    const rows = db.prepare('select attempts, status from notifications').all()
    db.close()
    expect(rows).toEqual([{ attempts: 2, status: 'sent' }])
  })
})

describe('a pipeline that fails', () => {
  it('is told of when it ends, and again when it is well', async () => {
    space = await TestSpace.open(await sqlitePlace(), teams())
    const sql = 'select person_id from person_history'
    const alerts = [{ on: ['failure', 'check', 'recovered', 'freshness'], to: { webhook: { url: receiver.url } } }]
    const body = {
      steps: ['build', 'check'],
      checks: { nobody: { sql } },
      freshness: { 'source/web': { error: '1d' } },
    }
    space.pipeline('nightly', { ...body, alerts })
    await space.engine.ingest('web', [joined('a', 2)] as never)
    const control = createControl(space.context)
    const runner = localRunner(space.context, control)
    const run = async (): Promise<void> => {
      space.now = new Date(space.now.getTime() + 60_000)
      const submitted = await control.submit({ op: 'pipeline', pipeline: 'nightly' })
      await runner.start(control.stepRef(submitted.run))
      await runner.idle()
    }
    const told = (): string[] => {
      const events = receiver.received.splice(0).map(({ body: text }) => JSON.parse(text))
      return events.map(({ subject, data }) => `${data.event} ${subject}`).toSorted()
    }
    await run()
    expect(told()).toEqual(['check check/nobody', 'failure pipeline/nightly', 'freshness asset/source/web'])
    await run()
    expect(told()).toEqual([])
    await space.engine.ingest('web', [joined('b', 20)] as never)
    space.pipeline('nightly', { ...body, checks: { nobody: { sql: `${sql} where 1 = 2` } }, alerts })
    await run()
    expect(told()).toEqual(['recovered asset/source/web', 'recovered check/nobody', 'recovered pipeline/nightly'])
    await runner.close()
  })

  it('or goes on with too many failures, is told of that once, and well again only after a good read', async () => {
    space = await TestSpace.open(await sqlitePlace(), teams())
    const files = {
      source: 'web',
      kind: 'files',
      path: '*.ndjson',
      settle: '0s',
      on_error: { max_count: 0, action: 'warn' },
    }
    const alerts = [{ on: ['threshold', 'recovered'], to: { webhook: { url: receiver.url } } }]
    space.pipeline('nightly', { inputs: { files }, steps: ['ingest'], alerts })
    const control = createControl(space.context)
    const runner = localRunner(space.context, control)
    const read = async (name: string, text: string): Promise<string[]> => {
      writeFileSync(join(space.place.folder, name), text)
      space.now = new Date(space.now.getTime() + 60_000)
      const { run } = await control.submit({ op: 'pipeline', pipeline: 'nightly' })
      await runner.start(control.stepRef(run))
      await runner.idle()
      expect((await space.context.operations.log.runs.get(run.runId))?.status).toBe('succeeded')
      return receiver.received.splice(0).map(({ body }) => `${JSON.parse(body).data.event} ${JSON.parse(body).subject}`)
    }
    const good = JSON.stringify(joined('a', 2))
    expect(await read('a.ndjson', `${good}\nno record\n`)).toEqual(['threshold input/nightly/files'])
    expect(await read('b.ndjson', `${JSON.stringify(joined('b', 3))}\n`)).toEqual(['recovered input/nightly/files'])
    await runner.close()
  })
})
