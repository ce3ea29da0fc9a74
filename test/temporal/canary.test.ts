/** Nothing of records, pipelines' texts and errors reaches the server (spec 10 §4.7): its whole database is searched. */
import './quiet.ts'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningTemporal, startTemporal } from '../../infra/starters/temporal.ts'
import type { Runner } from '../../src/orchestration/contract.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { Erasures } from '../../src/orchestrator/erasure.ts'
import { connectClient } from '../../src/temporal/connect.ts'
import { type CodecOptions, runWorker, scheduleServer, temporalRunner } from '../../src/temporal/index.ts'
import { describeTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended, submit } from './runs.ts'
import { openSpace, type Space, writePeople } from './space.ts'
import { until } from './until.ts'

const CANARY = 'Kanarienvogel'
let server: RunningTemporal
beforeAll(async () => {
  server = await startTemporal()
})
afterAll(() => server?.stop())

const PIPELINES = {
  good: {
    description: `made for ${CANARY}`,
    tags: { team: CANARY },
    schedule: { every: '7d' },
    inputs: {
      files: {
        source: 'web',
        kind: 'files',
        path: `in/${CANARY}*.ndjson`,
        settle: '0s',
        on_error: { max_ratio: 1, max_count: 100 },
      },
    },
    steps: ['ingest', 'build', 'tick', 'check'],
    checks: {
      named: { asset: 'entity/person', severity: 'warn', sql: `select person_id from person where mail = '${CANARY}'` },
    },
  },
  bad: {
    retry: { attempts: 1, backoff: '1s' },
    inputs: { files: { source: 'web', kind: 'files', path: `broken/${CANARY}*.ndjson`, settle: '0s' } },
    steps: ['ingest', 'build'],
  },
  queue: { steps: ['erase_queue'] },
  old: { steps: ['expire'], as_of: '2024-01-20T00:00:00Z', retention: { cold: '5d' } },
}

/** Runs all that can be run, and what fails. */
async function play(codec: CodecOptions): Promise<{ good: string; bad: string }> {
  const folder = newFolder()
  await writePeople(join(folder, 'in', `${CANARY}.ndjson`), 5)
  const lines = [
    { kind: 'joined', mail: `${CANARY}@example.org`, at: '2024-01-02' },
    { kind: 'used', mail: `${CANARY}@example.org`, at: CANARY, no: 7 },
    ...['a', 'b'].map((letter) => ({ kind: 'joined', mail: `${letter}-${CANARY}@example.org`, at: '2024-01-19' })),
  ]
  await mkdir(join(folder, 'in'), { recursive: true })
  await writeFile(
    join(folder, 'in', `${CANARY}-2.ndjson`),
    `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"${CANARY}\n`,
  )
  const resolve = (text: string): string => {
    if (text.startsWith('broken')) throw new Error(`${CANARY} at ${text}`)
    return text
  }
  const space = await openSpace({ folder, database: join(folder, 'space.db'), pipelines: PIPELINES, resolve })
  const { operations } = space.context
  const worker = await runWorker({ temporal: server, opened: space, codec })
  const runner = await temporalRunner({ temporal: server, space: operations.space, codec })
  const schedules = await scheduleServer({ temporal: server, space: operations.space, codec })
  try {
    await schedules.put(readPipeline('good', PIPELINES.good), `because ${CANARY} said so`)
    await until(async () => (await schedules.list()).length === 1, 'the schedule')
    const good = await submit(space, runner, { op: 'pipeline', pipeline: 'good', tags: { who: CANARY } })
    const bad = await submit(space, runner, { op: 'pipeline', pipeline: 'bad' })
    expect(await ended(space, good.runId)).toMatchObject({ status: 'succeeded', stats: { events_failed: 2 } })
    expect((await ended(space, bad.runId)).status).toBe('failed')
    await forget(space, runner)
    return { good: good.runId, bad: bad.runId }
  } finally {
    await schedules.close()
    await runner.close()
    await worker.stop()
    await space.close()
  }
}

/** One erased, one redacted, one in a queue, the rest too old; a hold and a wrong approval on the way. */
async function forget(space: Space, runner: Runner): Promise<void> {
  const { context, control, defacto } = space
  const erasure = new Erasures({ context, control, runner, erasure: defacto.erasure })
  const about = { reason: `as ${CANARY} wishes`, requestedBy: CANARY }
  const hold = await defacto.holds.add({
    entityType: 'person',
    reason: `${CANARY} against ${CANARY}`,
    placedBy: CANARY,
  })
  const ask = (name: string, kind: 'erase' | 'redact', queue = false) =>
    erasure.request({ hint: `person.mail=${name}${CANARY}@example.org`, kind, ...about }, { queue })
  const asked = [await ask('', 'erase'), await ask('a-', 'redact')]
  for (const { run } of asked) {
    await until(async () => (await context.operations.log.runs.get(run?.runId ?? ''))?.status === 'waiting', 'a hold')
  }
  const { requests } = await defacto.holds.release(hold.holdId)
  await erasure.woken(requests)
  for (const { run } of asked) expect((await ended(space, run?.runId ?? '')).status).toBe('succeeded')
  await ask('b-', 'erase', true)
  const queue = await submit(space, runner, { op: 'pipeline', pipeline: 'queue' })
  expect(await ended(space, queue.runId)).toMatchObject({ status: 'succeeded', stats: { requests_closed: 1 } })
  const old = await submit(space, runner, { op: 'pipeline', pipeline: 'old' })
  expect(await ended(space, old.runId)).toMatchObject({ status: 'succeeded', stats: { requests_closed: 1 } })
}

/** All payloads of all histories, with where they stand. */
async function payloads(codec: CodecOptions): Promise<{ path: string; encoding: string; text: string }[]> {
  const { client, close } = await connectClient(server, codec)
  const found: { path: string; encoding: string; text: string }[] = []
  function walk(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) return
    const { metadata, data } = value as { metadata?: { encoding?: Uint8Array }; data?: Uint8Array }
    if (ArrayBuffer.isView(value)) return
    if (metadata?.encoding) {
      const encoding = Buffer.from(metadata.encoding).toString()
      found.push({ path, encoding, text: Buffer.from(data ?? []).toString() })
      return
    }
    for (const [key, item] of Object.entries(value)) walk(item, `${path}/${key}`)
  }
  for await (const { workflowId, runId } of client.workflow.list()) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory()
    for (const event of history.events ?? []) walk(event, workflowId)
  }
  await close()
  return found
}

const isOfSdk = ({ path }: { path: string }): boolean => path.includes('markerRecordedEventAttributes/details/data/')

async function stored(): Promise<Buffer> {
  const database = server.database ?? ''
  const files = await Promise.all(
    [database, `${database}-wal`].map((path) => readFile(path).catch(() => Buffer.alloc(0))),
  )
  return Buffer.concat(files)
}

describeTemporal('what the server stores', () => {
  test('names runs, and nothing of records, texts or errors', async () => {
    const { good, bad } = await play({})
    const all = await payloads({})
    expect(all.length).toBeGreaterThan(20)
    expect(all.filter(({ text }) => text.includes(CANARY))).toEqual([])
    expect(all.filter(({ text }) => text.length > 8192)).toEqual([])
    const everything = await stored()
    // What is there is found.
    for (const runId of [good, bad]) expect(everything.includes(runId)).toBe(true)
    expect(everything.includes(CANARY)).toBe(false)
    expect(everything.includes('example.org')).toBe(false)
  })

  test('is not even that with keys: every payload is encrypted, failures included', async () => {
    await server.stop()
    server = await startTemporal()
    const key = Buffer.alloc(32, 7).toString('base64')
    const codec = { keys: [{ id: 'k1', key }], strict: true }
    await play(codec)
    const found = (await payloads(codec)).filter(({ path }) => !path.includes('searchAttributes'))
    // What the SDK says itself of calls in the workflow's process: which one, and when, as of every activity.
    const [own, all] = [found.filter(isOfSdk), found.filter((payload) => !isOfSdk(payload))]
    for (const { text } of own) {
      const times = { seconds: expect.any(Number), nanos: expect.any(Number) }
      expect(JSON.parse(text)).toEqual({
        seq: expect.any(Number),
        attempt: expect.any(Number),
        activity_id: expect.stringMatching(/^\d+$/),
        activity_type: expect.stringMatching(/^(openRun|nextStep|closeRun|decideTick)$/),
        complete_time: times,
        backoff: null,
        original_schedule_time: times,
      })
    }
    expect(all.length).toBeGreaterThan(20)
    expect([...new Set(all.map(({ encoding }) => encoding))]).toEqual(['binary/encrypted'])
    const everything = await stored()
    for (const text of [CANARY, 'E_INTERNAL', 'events_ingested', key]) expect(everything.includes(text)).toBe(false)
  })
})
