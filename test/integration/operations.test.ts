/** The engine's operations under a run: units are its attempt's, whoever else writes (spec 10 §4.3–4.4). */
import '../support/small-units.ts'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Defacto } from '../../src/index.ts'
import type { Operations, RunCall } from '../../src/ports/operations.ts'
import type { RunOp, RunRow } from '../../src/ports/runs.ts'
import { day, joined, openPeople, people, standing, used } from '../support/people.ts'
import { freshNamespace } from '../support/postgres.ts'
import { room } from '../support/room.ts'

const AT = day(20)
const opened: Defacto[] = []

async function open(options: object): Promise<Defacto> {
  const engine = await openPeople(people(), { catchUp: false, ...options })
  opened.push(engine)
  return engine
}

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close()
})

async function newRun({ log }: Operations, op: RunOp): Promise<RunRow> {
  const runId = `r_${crypto.randomUUID()}`
  const { run } = await log.runs.create(
    { runId, op, requestHash: '0', trigger: 'manual', package: '0', engine: 'local' },
    AT,
  )
  return run
}

async function attempt({ log }: Operations, { runId }: RunRow): Promise<RunCall> {
  const { epoch } = await log.runs.begin(runId, AT)
  return { fence: { runId, epoch } }
}

const records = (from: number, to: number): { value: object }[] =>
  Array.from({ length: to - from }, (_, i) => ({ value: joined(`M${from + i}`, 1 + ((from + i) % 9)) }))

async function ingest(operations: Operations, call: RunCall, from: number, to: number): Promise<number> {
  const chunk = { source: 'web', records: records(from, to), deadLetters: 'table' } as const
  return (await operations.ingestChunk(call, chunk, async () => {})).ingested
}

const PLACES = [
  ['a SQLite file', async () => ({ database: join(mkdtempSync(join(room(), 'defacto-operations-')), 'space.db') })],
  [
    'Postgres',
    async () => {
      const { url, namespace } = freshNamespace()
      return { database: url, namespace }
    },
  ],
] as const

describe.each(PLACES)('on %s', (_, place) => {
  test('a chunk stores rows, letters, counters and progress in one transaction, or nothing of them', async () => {
    const operations = (await open(await place())).operations()
    const run = await newRun(operations, 'ingest')
    const call = await attempt(operations, run)
    const mixed = [
      ...records(0, 5),
      { value: { kind: 'unheard of' } },
      { value: undefined, text: '{', problem: 'not JSON' },
    ]
    const chunk = { source: 'web', records: mixed, deadLetters: 'table' } as const
    const fails = operations.ingestChunk(call, chunk, async () => {
      throw new Error('mark')
    })
    await expect(fails).rejects.toThrow('mark')
    expect(await operations.head()).toBe(0)
    expect(await operations.log.letters.list()).toEqual([])

    const counts = { read: 7, ingested: 5, duplicates: 0, failed: 2 }
    await expect(
      operations.ingestChunk(call, chunk, async (_unit, made) => expect(made).toEqual(counts)),
    ).resolves.toEqual(counts)
    expect(await operations.log.runs.get(run.runId)).toMatchObject({
      attempt: 0,
      stats: { events_read: 7, events_ingested: 5, duplicates: 0, events_failed: 2 },
    })
    expect((await operations.log.letters.list()).map(({ runId }) => runId)).toEqual([run.runId, run.runId])
  })

  test('an attempt that a later one replaced commits nothing more, whatever it does', async () => {
    const where = await place()
    const zombie = (await open(where)).operations()
    const successor = (await open(where)).operations()
    const run = await newRun(zombie, 'ingest')
    const late = await attempt(zombie, run)
    await ingest(zombie, late, 0, 10)
    const call = await attempt(successor, run)
    await expect(ingest(zombie, late, 10, 20)).rejects.toMatchObject({ code: 'E_FENCED' })
    await expect(zombie.build(late, {})).rejects.toMatchObject({ code: 'E_FENCED' })
    await expect(zombie.tick(late, {})).rejects.toMatchObject({ code: 'E_FENCED' })
    expect(await successor.head()).toBe(10)
    expect(await ingest(successor, call, 10, 20)).toBe(10)
  })

  test('a later attempt of the same run takes its slots over at once, another run has to wait', async () => {
    const where = await place()
    const hung = await open(where)
    const awake = (await open(where)).operations()
    const operations = hung.operations()
    await ingest(operations, await attempt(operations, await newRun(operations, 'ingest')), 0, 40)
    const run = await newRun(operations, 'build')
    const first = await attempt(operations, run)
    const reached = Promise.withResolvers<void>()
    const building = operations.build(first, {
      onProgress: ({ phase }) => {
        if (phase === 'map') reached.resolve()
      },
    })
    await reached.promise
    const other = await attempt(awake, await newRun(awake, 'build'))
    const second = await attempt(awake, run)
    const outcome = await Promise.allSettled([awake.build(other, {}), awake.build(second, {}), building])
    const codes = outcome.map((one) => (one.status === 'rejected' ? one.reason.code : 'done'))
    // Whoever is first, nobody writes beside somebody else, and what stays is one whole history.
    expect(codes.every((code) => ['done', 'E_LOCK_HELD', 'E_FENCED'].includes(code))).toBe(true)
    const last = await attempt(awake, await newRun(awake, 'build'))
    await awake.build(last, {})
    expect(Object.keys(await standing(hung))).toHaveLength(40)
    expect(await awake.buildStatus()).toMatchObject({ dirty: false, pendingEvents: 0, cursor: 40 })
  })

  test('what every attempt does anew counts as no progress', async () => {
    const operations = (await open(await place())).operations()
    await ingest(operations, await attempt(operations, await newRun(operations, 'ingest')), 0, 40)
    const run = await newRun(operations, 'build')
    for (const expected of [1, 2, 3]) {
      const call = await attempt(operations, run)
      const stop = new AbortController()
      // Stopped right after the build was marked as begun.
      const onChunk = (): void => stop.abort(new Error('stop'))
      stop.abort(new Error('stop'))
      await expect(operations.build({ ...call, signal: stop.signal, onChunk }, {})).rejects.toThrow('stop')
      expect(await operations.log.runs.get(run.runId)).toMatchObject({ attempt: expected })
    }
    const call = await attempt(operations, run)
    await operations.build(call, {})
    expect(await operations.log.runs.get(run.runId)).toMatchObject({ attempt: 0, epoch: 4 })
  })

  test('a build stopped after each chunk goes on there and gives the history of one that was not', async () => {
    const operations = (await open(await place())).operations()
    const whole = (await open(await place())).operations()
    for (const one of [operations, whole]) {
      const call = await attempt(one, await newRun(one, 'ingest'))
      await ingest(one, call, 0, 30)
      const more = Array.from({ length: 30 }, (_, i) => ({ value: used(`M${i}`, 10, i) }))
      await one.ingestChunk(call, { source: 'web', records: more, deadLetters: 'off' }, async () => {})
    }
    const run = await newRun(operations, 'build')
    let attempts = 0
    for (let done = false; !done; attempts += 1) {
      const call = await attempt(operations, run)
      const stop = new AbortController()
      const onChunk = (): void => stop.abort(new Error('stop'))
      done = await operations.build({ ...call, signal: stop.signal, onChunk }, {}).then(
        () => true,
        (error: Error) => {
          if (error.message !== 'stop') throw error
          return false
        },
      )
    }
    expect(attempts).toBeGreaterThan(2)
    await whole.build(await attempt(whole, await newRun(whole, 'build')), {})
    const [stopped, straight] = opened as [Defacto, Defacto]
    expect(Object.values(await standing(stopped)).sort()).toEqual(Object.values(await standing(straight)).sort())
    expect(await operations.buildStatus()).toMatchObject({ dirty: false, cursor: 60 })
  })

  test('entities whose rows are not what the ledger gives are found', async () => {
    const engine = await open(await place())
    const operations = engine.operations()
    const call = await attempt(operations, await newRun(operations, 'ingest'))
    await ingest(operations, call, 0, 3)
    const more = [1, 2].map((no) => ({ value: used('M1', 10 + no, no) }))
    await operations.ingestChunk(call, { source: 'web', records: more, deadLetters: 'off' }, async () => {})
    await operations.build(await attempt(operations, await newRun(operations, 'build')), {})
    const ids = Object.keys(await standing(engine))
    expect(await operations.replayDiffers(ids)).toEqual([])
    expect(await operations.newestEvent('web')).toBe('2024-01-12T00:00:00+00:00')
    expect(await operations.newestEvent('nothing')).toBeNull()
    expect(await operations.oldestPending()).toBeNull()
    await operations.ingestChunk(call, { source: 'web', records: records(7, 8), deadLetters: 'off' }, async () => {})
    expect(await operations.oldestPending()).toBe('2024-01-08T00:00:00+00:00')
  })
})
