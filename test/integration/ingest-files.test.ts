/** Files into the ledger as a run does it: parts that grow, change, vanish, or are bad (spec 10 §3.2–3.3, §4.6). */
import { appendFileSync, existsSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { hasNewParts } from '../../src/orchestration/ingest/plan.ts'
import { pipelineOf } from '../../src/orchestration/pinned.ts'
import type { Json, RunRow } from '../../src/ports/runs.ts'
import { IngestWorld, sale, sales } from '../support/ingest-world.ts'

const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')
const bad = (count: number): string => 'this is no record\n'.repeat(count)
const INPUT = { kind: 'files', path: 'in/*.ndjson', settle: '0s', batch: 5 }

async function eventsOf(world: IngestWorld, run: RunRow): Promise<string> {
  return JSON.stringify(await world.operations.log.runs.events(run.runId))
}

describe('parts', () => {
  test('are read once, in order of their names, with marks and counters', async () => {
    await using world = await IngestWorld.open()
    world.write('in/b.ndjson', lines(sales(10, 5)))
    world.write('in/a.ndjson', lines(sales(0, 12)))
    const { run, error } = await world.ingest(INPUT)
    expect(error).toBeNull()
    const { rows, stats, parts } = await world.outcome(run)
    expect(rows).toHaveLength(15)
    expect(stats).toEqual({ events_read: 17, events_ingested: 15, duplicates: 2, events_failed: 0 })
    expect(parts).toEqual([
      { part: 'in/a.ndjson', state: 'done', recordsRead: 12, ingested: 12, duplicates: 0, failed: 0 },
      { part: 'in/b.ndjson', state: 'done', recordsRead: 5, ingested: 3, duplicates: 2, failed: 0 },
    ])
    expect(await world.operations.log.inputs.headAt('2999-01-01T00:00:00+00:00')).toBe(15)

    const again = await world.ingest(INPUT)
    expect(again.error).toBeNull()
    expect((await world.outcome(again.run)).stats).toEqual({})
  })

  test('are read several at once with the same result', async () => {
    const read = async (parallel: number, disturbances: readonly { stopAfter?: number; failAt?: number }[]) => {
      await using world = await IngestWorld.open()
      for (let i = 0; i < 9; i++) world.write(`in/${i}.ndjson`, lines(sales(i * 10, 12)))
      const { runId } = await world.ofInput({ ...INPUT, parallel })
      const { run, error } = await world.endure(runId, disturbances)
      expect(error).toBeNull()
      const { rows, stats, parts } = await world.outcome(run)
      const count = (of: 'ingested' | 'duplicates'): number => parts.reduce((sum, part) => sum + part[of], 0)
      return {
        ids: rows.map(([, id]) => id).sort(),
        stats,
        ingested: count('ingested'),
        duplicates: count('duplicates'),
      }
    }
    const wanted = await read(1, [])
    expect(wanted.stats).toEqual({ events_read: 108, events_ingested: 92, duplicates: 16, events_failed: 0 })
    expect(await read(4, [])).toEqual(wanted)
    expect(await read(4, [{ stopAfter: 2 }, { failAt: 3 }, { stopAfter: 1 }])).toEqual(wanted)
  })

  test('that are young wait, and a required input without a new part fails with E_INPUT_MISSING', async () => {
    await using world = await IngestWorld.open()
    const path = world.write('in/a.ndjson', lines(sales(0, 3)))
    const input = { ...INPUT, settle: '1h', required: true }
    const young = await world.ingest(input)
    expect(young.error).toMatchObject({ name: 'ThresholdError', code: 'E_INPUT_MISSING' })
    expect(await world.marks()).toEqual([])
    const before = new Date(Date.now() - 7_200_000)
    utimesSync(path, before, before)
    expect((await world.ingest(input)).error).toBeNull()
    expect((await world.ingest(input)).error).toMatchObject({ code: 'E_INPUT_MISSING' })
  })

  test('that changed are read from the start, and dedup keeps what is known', async () => {
    await using world = await IngestWorld.open()
    world.write('in/a.ndjson', lines(sales(0, 6)))
    await world.ingest(INPUT)
    world.write('in/a.ndjson', lines([sale(100), ...sales(0, 6)]))
    const { run } = await world.ingest(INPUT)
    expect(run.stats).toMatchObject({ events_read: 7, events_ingested: 1, duplicates: 6 })
    expect(await world.marks()).toMatchObject([{ state: 'done', recordsRead: 7, ingested: 1, duplicates: 6 }])
  })

  test('that grow go on at the last complete line', async () => {
    await using world = await IngestWorld.open()
    const input = { ...INPUT, append: true, settle: '1h' }
    const next = lines([sale(6)])
    const path = world.write('in/a.ndjson', lines(sales(0, 6)) + next.slice(0, 20))
    const first = await world.ingest(input)
    expect(first.run.stats).toMatchObject({ events_read: 6, events_ingested: 6 })
    appendFileSync(path, next.slice(20) + lines(sales(7, 4)))
    const second = await world.ingest(input)
    expect(second.run.stats).toMatchObject({ events_read: 5, events_ingested: 5, events_failed: 0 })
    expect(await world.marks()).toMatchObject([{ state: 'done', recordsRead: 11, ingested: 11 }])
    expect((await world.ingest(input)).run.stats['events_read']).toBeUndefined()

    // Another file under the same name.
    writeFileSync(path, lines(sales(50, 20)))
    expect((await world.ingest(input)).run.stats).toMatchObject({ events_read: 20, events_ingested: 20 })
  })

  test('that grow in packed members go on too, and a torn member waits', async () => {
    await using world = await IngestWorld.open()
    const input = { ...INPUT, path: 'in/*.gz', append: true }
    const more = gzipSync(lines(sales(4, 4)))
    const path = world.write('in/a.ndjson.gz', Buffer.concat([gzipSync(lines(sales(0, 4))), more.subarray(0, 15)]))
    expect((await world.ingest(input)).run.stats).toMatchObject({ events_read: 4, events_failed: 0 })
    appendFileSync(path, more.subarray(15))
    expect((await world.ingest(input)).run.stats).toMatchObject({ events_read: 4, events_ingested: 4 })
  })

  test('that are half written and do not grow are complete as they are', async () => {
    await using world = await IngestWorld.open()
    const text = lines(sales(0, 20))
    world.write('in/a.ndjson', text.slice(0, -15))
    const { run, error } = await world.ingest({ ...INPUT, on_error: { max_ratio: 0.1 } })
    expect(error).toBeNull()
    expect(run.stats).toMatchObject({ events_read: 20, events_ingested: 19, events_failed: 1 })
    world.write('in/a.ndjson', text)
    expect((await world.ingest(INPUT)).run.stats).toMatchObject({ events_ingested: 1, duplicates: 19 })
  })

  test.each([
    ['vanish', (path: string) => rmSync(path)],
    ['change', (path: string) => appendFileSync(path, lines([sale(999)]))],
    [
      'are replaced',
      (path: string) => {
        writeFileSync(`${path}.new`, lines(sales(500, 3)))
        renameSync(`${path}.new`, path)
      },
    ],
  ])('that %s while they are read are left to the next run, and the others go on', async (_how, disturb) => {
    await using world = await IngestWorld.open()
    const path = world.write('in/a.ndjson', lines(sales(0, 30)))
    world.write('in/b.ndjson', lines(sales(100, 5)))
    const { runId } = await world.ofInput(INPUT)
    let chunks = 0
    const { run, error } = await world.drive(runId, {
      inCommit: async () => {
        chunks += 1
        if (chunks === 2) disturb(path)
      },
    })
    expect(error).toBeNull()
    expect(await world.marks()).toMatchObject([
      { part: 'in/a.ndjson', state: 'open', runId: null },
      { part: 'in/b.ndjson', state: 'done', ingested: 5 },
    ])
    expect(await eventsOf(world, run)).toContain('E_INPUT_CHANGED')
    const isThere = existsSync(path)
    const next = await world.ingest(INPUT)
    expect(next.error).toBeNull()
    expect((await world.marks())[0]).toMatchObject(isThere ? { state: 'done' } : { state: 'open', runId: null })
  })

  test('that vanish between planning and reading are left out', async () => {
    await using world = await IngestWorld.open()
    const path = world.write('in/a.ndjson', lines(sales(0, 3)))
    world.write('in/b.ndjson', lines(sales(10, 3)))
    const { runId } = await world.ofInput(INPUT)
    await world.drive(runId, { stopAfter: 1 })
    // Another run has taken `a` up to here; `b` is planned.
    rmSync(join(world.folder, 'in/b.ndjson'))
    const { error, run } = await world.drive(runId)
    expect(error).toBeNull()
    expect(run.stats).toMatchObject({ events_read: 3 })
    expect(existsSync(path)).toBe(true)
  })
})

describe('failures', () => {
  test('of a poison file hold it, the others go on, and a retry opens it again', async () => {
    await using world = await IngestWorld.open()
    world.write('in/a.ndjson', lines(sales(0, 60)))
    world.write('in/b.ndjson', lines(sales(100, 6)) + bad(30) + lines(sales(200, 100)))
    world.write('in/c.ndjson', lines(sales(400, 60)))
    const input = { ...INPUT, batch: 10, on_error: { max_ratio: 0.05, min_records: 50 } }
    const failed = await world.ingest(input)
    expect(failed.error).toMatchObject({ name: 'ThresholdError', code: 'E_THRESHOLD' })
    const [a, b, c] = await world.marks()
    expect(a).toMatchObject({ state: 'done', ingested: 60 })
    expect(b).toMatchObject({ state: 'held', runId: failed.run.runId, recordsRead: 10, ingested: 6, failed: 4 })
    expect(c).toMatchObject({ state: 'done', ingested: 60 })

    const next = await world.ingest(input)
    expect(next.error).toBeNull()
    expect(next.run.stats['events_read']).toBeUndefined()
    expect(await eventsOf(world, next.run)).toContain('E_INPUT_HELD')

    const retry = await world.ingest({ ...input, on_error: { action: 'warn' } }, { retryOf: failed.run.runId })
    expect(retry.error).toBeNull()
    expect(retry.run.stats).toMatchObject({ events_read: 126, events_failed: 26, events_ingested: 100 })
    expect(await eventsOf(world, retry.run)).toContain('E_THRESHOLD')
    expect((await world.marks())[1]).toMatchObject({ state: 'done', recordsRead: 136, failed: 30 })
  })

  test('of an input that has nothing good hold it, few as they are', async () => {
    await using world = await IngestWorld.open()
    world.write('in/a.ndjson', bad(3))
    const { error } = await world.ingest(INPUT)
    expect(error).toMatchObject({ code: 'E_THRESHOLD' })
    expect(await world.marks()).toMatchObject([{ state: 'held', failed: 3 }])
  })

  test.each([
    ['in/cut.parquet', Buffer.from('PAR1 and then nothing')],
    ['in/cut.json', '[{"kind": "sold"'],
    ['in/cut.csv.gz', gzipSync('kind,at,no\n'.repeat(9000)).subarray(0, 40)],
    ['in/plain.ndjson.gz', lines([sale(1)])],
    ['in/twice.csv', 'kind,kind\n1,2\n'],
    ['in/list.json', '"a text"'],
  ])('of a broken container are one: %s', async (name, content) => {
    await using world = await IngestWorld.open()
    world.write(name, content)
    world.write('in/good.ndjson', lines(sales(0, 3)))
    const { error, run } = await world.ingest({
      kind: 'files',
      path: 'in/*',
      settle: '0s',
      on_error: { action: 'warn' },
    })
    expect(error).toBeNull()
    expect(run.stats).toMatchObject({ events_read: 4, events_ingested: 3, events_failed: 1 })
    const [letter] = await world.operations.log.letters.list()
    expect(letter?.failure).toMatchObject({ stage: 'normalization', source: 'till', origin: { part: name } })
  })

  test('say nothing of records in events of runs', async () => {
    await using world = await IngestWorld.open()
    const canary = 'anna.canary@example.org'
    world.write('in/a.ndjson', `${lines([sale(1, canary)])}{"kind": "sold", "mail": "${canary}"}\n${canary}\n`)
    world.write('in/b.csv', `kind,${canary},${canary}\n`)
    const { run, error } = await world.ingest({ ...INPUT, path: 'in/*', on_error: { max_count: 0 } })
    expect(error).toMatchObject({ code: 'E_THRESHOLD' })
    expect(JSON.stringify([await eventsOf(world, run), run, await world.marks(), String(error)])).not.toContain(
      'canary',
    )
    expect(JSON.stringify(await world.operations.log.letters.list())).toContain('canary')
  })
})

describe('after', () => {
  test('move: done parts alone, after their commit, again after a crash, never over another', async () => {
    await using world = await IngestWorld.open()
    const input = { ...INPUT, path: 'in/**/*.ndjson', after: 'move', move_to: 'in/done', on_error: { max_ratio: 0 } }
    world.write('in/x/a.ndjson', lines(sales(0, 3)))
    world.write('in/done/x/a.ndjson', 'an older one')
    world.write('in/bad.ndjson', bad(200))
    const { error } = await world.ingest(input)
    expect(error).toMatchObject({ code: 'E_THRESHOLD' })
    expect(existsSync(join(world.folder, 'in/x/a.ndjson'))).toBe(false)
    expect(existsSync(join(world.folder, 'in/bad.ndjson'))).toBe(true)
    expect(readdirSync(join(world.folder, 'in/done/x'))).toHaveLength(2)
    // The same name delivered anew is another part.
    world.write('in/x/a.ndjson', lines(sales(10, 3)))
    expect((await world.ingest(input)).run.stats).toMatchObject({ events_ingested: 3 })
  })

  test('delete: also what an earlier run left behind', async () => {
    await using world = await IngestWorld.open()
    const path = world.write('in/a.ndjson', lines(sales(0, 3)))
    await world.ingest(INPUT)
    expect(existsSync(path)).toBe(true)
    expect((await world.ingest({ ...INPUT, after: 'delete' })).error).toBeNull()
    expect(existsSync(path)).toBe(false)
  })
})

describe('attempts', () => {
  test('at once: the older one is fenced and nothing counts twice', async () => {
    await using world = await IngestWorld.open()
    world.write('in/a.ndjson', lines(sales(0, 40)))
    const { runId } = await world.ofInput(INPUT)
    const begin = Promise.withResolvers<void>()
    const second = begin.promise.then(() => world.drive(runId))
    const first = await world.drive(runId, {
      inCommit: async () => {
        // A later attempt begins while this one has a chunk in hand.
        begin.resolve()
        await setImmediate()
      },
    })
    expect((await second).error).toBeNull()
    const run = (await world.operations.log.runs.get(runId)) as RunRow
    expect(first.error).toMatchObject({ code: 'E_FENCED' })
    const { rows, stats, parts } = await world.outcome(run)
    expect(rows).toHaveLength(40)
    expect(stats).toMatchObject({ events_read: 40, events_ingested: 40, duplicates: 0 })
    expect(parts).toMatchObject([{ state: 'done', recordsRead: 40, ingested: 40 }])
  })
})

describe('pushed records', () => {
  test('leave the inbox as they are read, one batch or all of a source', async () => {
    await using world = await IngestWorld.open()
    const { inputs } = world.operations.log
    const receivedAt = world.operations.now().toString()
    const push = (batchId: string, records: readonly unknown[]) =>
      inputs.push(
        records.map((record, i) => ({ batchId, line: i + 1, source: 'till', raw: JSON.stringify(record), receivedAt })),
      )
    await push('b_1', [...sales(0, 600), 'no record'])
    await push('b_2', sales(600, 3))
    const one = await world.submit({ inbox: 'b_1', source: 'till' })
    const ended = await world.endure(one.runId, [{ stopAfter: 1 }, { failAt: 1 }])
    expect(ended.error).toBeNull()
    expect(ended.run.stats).toMatchObject({ events_read: 601, events_ingested: 600, events_failed: 1 })
    expect(await inputs.batches()).toMatchObject([{ batchId: 'b_2', lines: 3 }])

    const rest = await world.ingest({ kind: 'inbox' })
    expect(rest.run.stats).toMatchObject({ events_ingested: 3 })
    expect(await inputs.batches()).toEqual([])
  })
})

test('an idle pipeline has no new part', async () => {
  await using world = await IngestWorld.open()
  world.write('in/a.ndjson', lines(sales(0, 3)))
  const run = await world.ofInput(INPUT as Record<string, Json>)
  const pipeline = pipelineOf(run)
  if (pipeline === null) throw new Error('the run has no pipeline')
  expect(await hasNewParts(world.context(), pipeline)).toBe(true)
  await world.drive(run.runId)
  expect(await hasNewParts(world.context(), pipeline)).toBe(false)
  world.write('in/b.ndjson', '')
  expect(await hasNewParts(world.context(), pipeline)).toBe(true)
})

test('a window takes the parts of its days', async () => {
  await using world = await IngestWorld.open()
  for (const day of ['2024-01-30', '2024-01-31', '2024-02-01'])
    world.write(`in/till-${day}.ndjson`, lines([sale(Number(day.slice(8)))]))
  const input = { ...INPUT, window: 'till-{date}' }
  const bounds = { windowFrom: '2024-01-31T00:00:00+00:00', windowTo: '2024-02-01T00:00:00+00:00' }
  await world.ingest(input, bounds)
  expect((await world.marks()).map(({ part }) => part)).toEqual(['in/till-2024-01-31.ndjson'])
})
