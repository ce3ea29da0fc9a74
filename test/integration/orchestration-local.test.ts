import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, it } from 'vitest'
import { type Orchestrator, ThresholdError } from '../../src/index.ts'
import { attempt } from '../../src/orchestration/attempt.ts'
import type { Ref, StepFunction } from '../../src/orchestration/contract.ts'
import { CHUNKS, STEPS } from '../../src/orchestration/steps/catalog.ts'
import type { RunHandle } from '../../src/orchestrator.ts'
import { joined, nightly, type TestProject, testProject } from '../support/orchestrated.ts'
import { freshNamespace } from '../support/postgres.ts'

const places = [
  { name: 'sqlite', config: () => ({ config: {}, drop: async () => {} }) },
  {
    name: 'postgres',
    config: () => {
      const { url, namespace, drop } = freshNamespace()
      return { config: { database: url, namespace }, drop }
    },
  },
]

/** Lets other work of the process have its turn in between. */
async function until(met: () => Promise<boolean>): Promise<void> {
  while (!(await met())) await setImmediate()
}

async function stepsOf(orchestrator: Orchestrator, handle: RunHandle): Promise<string[]> {
  const children = await orchestrator.log.runs.children(handle.id)
  return children.map(({ step, status }) => `${step} ${status}`)
}

describe.each(places)('runs in this process, $name', ({ config }) => {
  let project: TestProject
  let drop: () => Promise<void> = async () => {}
  const open = async (pipelines: object, more: object = {}): Promise<Orchestrator> => {
    const place = config()
    drop = place.drop
    project = await testProject(pipelines, { ...place.config, ...more })
    return project.connect()
  }
  afterEach(async () => {
    await project.close()
    await drop()
  })

  it('reads, builds and ticks, then finds nothing new', async () => {
    const orchestrator = await open({ nightly })
    await project.write('in/a.ndjson', joined(50))
    const first = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    const stats = await first.result()
    assert.equal(stats['events_ingested'], 50)
    assert.equal(stats['entities_created'], 50)
    assert.deepEqual(await stepsOf(orchestrator, first), ['ingest succeeded', 'build succeeded', 'tick succeeded'])
    const made = await orchestrator.log.runs.events(first.id, { kinds: ['materialization'] })
    const names = made.map(({ data }) => (data as { asset: string }).asset)
    assert.ok(names.includes('source/web') && names.includes('entity/person/history'))
    assert.equal(new Set(names).size, names.length)

    const again = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    assert.equal((await again.result())['events_ingested'] ?? 0, 0)
    const [, build] = await orchestrator.log.runs.children(again.id)
    assert.equal(build?.mode, 'SKIP')
  })

  it('exports what it has built, and says where; again over the files of before', async () => {
    const files = { export: { id: 'files', to: 'out/tables', format: 'csv', types: ['person'], relationships: false } }
    const analytics = { export: { to: 'out/people.duckdb', format: 'duckdb', history: true, needs: ['build'] } }
    const orchestrator = await open({ nightly: { ...nightly, steps: ['ingest', 'build', files, analytics] } })
    for (const [name, count] of [
      ['a', 5],
      ['b', 12],
    ] as const) {
      await project.write(`in/${name}.ndjson`, joined(count, name === 'a' ? 0 : 5))
      const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
      const people = name === 'a' ? 5 : 17
      await run.result()
      const steps = await orchestrator.log.runs.children(run.id)
      const [written, copied] = steps.slice(2).map(({ stats }) => [stats['tables_exported'], stats['rows_exported']])
      assert.deepEqual(written, [1, people])
      // Everybody joined, and fell silent since.
      assert.deepEqual(copied, [1, 2 * people])
      const lines = (await readFile(join(project.folder, 'out', 'tables', 'person.csv'), 'utf8')).trim().split(/\r?\n/)
      assert.equal(lines.length, people + 1)
    }
    const assets = await orchestrator.assets.list()
    const asset = assets.find(({ name }) => name === 'export/nightly/files')
    assert.deepEqual(asset?.upstream, [{ name: 'entity/person', label: 'csv' }])
    assert.equal(asset?.materialized?.op, 'export')
    const listed = await orchestrator.opened.defacto.exports()
    assert.deepEqual(
      listed.map(({ path, format }) => [path, format]),
      [
        [join(project.folder, 'out', 'tables', 'person.csv'), 'csv'],
        [join(project.folder, 'out', 'people.duckdb'), 'duckdb'],
      ],
    )
    const nowhere = await orchestrator.submit('export', { to: 'in/a.ndjson/x', format: 'csv' })
    await assert.rejects(nowhere.result(), { code: 'E_STORAGE', message: /part of the path is a file/ })
  })

  it('gives the same run for the same key, and refuses another request with it', async () => {
    const orchestrator = await open({ nightly })
    const first = await orchestrator.submit('build', {}, { key: 'k' })
    const second = await orchestrator.submit('build', {}, { key: 'k' })
    assert.equal(second.id, first.id)
    await assert.rejects(orchestrator.submit('build', { full: true }, { key: 'k' }), { code: 'E_CONFLICT' })
    await first.result()
  })

  it('stops at a threshold, and goes on after a retry', async () => {
    const strict = {
      ...nightly.inputs.files,
      on_error: { max_count: 0, min_records: 1, action: 'fail' },
    }
    const orchestrator = await open({ nightly: { ...nightly, inputs: { files: strict } } })
    await project.write('in/a.ndjson', `${joined(5)}{"kind":"joined"}\n${joined(5, 5)}`)
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await assert.rejects(run.result(), ThresholdError)
    assert.deepEqual(await stepsOf(orchestrator, run), ['ingest failed'])
    const handle = await run.retry()
    const row = await handle.info()
    assert.equal(row.retryOf, run.id)
    await handle.ended()
  })

  it('retries from the first step that did not succeed', async () => {
    const failing = {
      ...nightly,
      steps: ['ingest', 'build', 'check'],
      checks: { none: { kind: 'row_count', asset: 'entity/person', min: 1000 } },
    }
    const orchestrator = await open({ nightly: failing })
    await project.write('in/a.ndjson', joined(5))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await assert.rejects(run.result(), { code: 'E_CHECK' })
    const again = await run.retry()
    await again.ended()
    assert.deepEqual(await stepsOf(orchestrator, again), ['check failed'])
    await assert.rejects((await orchestrator.submit('build', {})).retry(), { code: 'E_CONFLICT' })
  })

  it('shares the result of a build that does what is asked', async () => {
    const orchestrator = await open({ nightly })
    const batch = await orchestrator.push(
      'web',
      joined(300)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    )
    await batch.result()
    const { control, log, context } = orchestrator
    const runs: string[] = []
    for (let i = 0; i < 3; i++) runs.push((await control.submit({ op: 'build' })).run.runId)
    // Ids sort by their millisecond; runs of the same one have no other order.
    const refs = runs.sort().map((runId) => ({ v: 1 as const, space: context.operations.space, runId }))
    const [first, second, third] = refs as [Ref, Ref, Ref]
    assert.deepEqual(await control.joinRun(first), { state: 'go' })
    await control.openRun(first)
    assert.deepEqual(await control.joinRun(second), { state: 'wait' })
    assert.deepEqual(await control.joinRun(third), { state: 'wait' })
    const call = { signal: new AbortController().signal, heartbeat() {} }
    for (const name of CHUNKS.build) await attempt(context, first, STEPS[name] as StepFunction, call)
    await control.closeRun({ ...first, failure: null, cancelled: false })
    for (const ref of [second, third]) {
      assert.deepEqual(await control.joinRun(ref), { state: 'covered' })
      const row = await log.runs.get(ref.runId)
      assert.deepEqual([row?.status, row?.stats['entities_created']], ['coalesced', 300])
    }
    const handles = await Promise.all([1, 2, 3].map(() => orchestrator.submit('build', {})))
    for (const handle of handles) assert.equal((await handle.result())['entities_created'], 0)
  })

  it('stores what is pushed once for a key, and builds it', async () => {
    const orchestrator = await open({ nightly })
    const records = joined(7)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    const first = await orchestrator.push('web', records, { key: 'delivery/1', process: true })
    assert.equal((await first.result())['events_ingested'], 7)
    assert.equal((await orchestrator.push('web', records, { key: 'delivery/1' })).id, first.id)
    assert.deepEqual(await orchestrator.log.inputs.batches(), [])
    await until(async () => (await orchestrator.log.runs.list({ op: ['build'], status: ['succeeded'] })).length === 1)
    assert.equal((await orchestrator.opened.defacto.stats()).entities['person'], 7)
    await assert.rejects(orchestrator.push('nowhere', records), { code: 'E_NOT_FOUND' })
  })

  it('ends as skipped if nothing is new', async () => {
    const orchestrator = await open({ nightly: { ...nightly, skip_if_idle: true } })
    await project.write('in/a.ndjson', joined(3))
    const first = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await first.result()
    assert.equal((await first.info()).status, 'succeeded')
    const second = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await second.result()
    assert.equal((await second.info()).status, 'skipped')
    await project.write('in/b.ndjson', joined(3, 3))
    const third = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await third.result()
    assert.equal((await third.info()).status, 'succeeded')
  })

  it('lets as many runs go as their pool has places, in order', async () => {
    const pooled = { ...nightly, concurrency: { pool: 'few' } }
    const orchestrator = await open({ one: pooled, two: pooled, three: pooled }, { pools: { few: 1 } })
    await project.write('in/a.ndjson', joined(40))
    const handles = []
    for (const pipeline of ['one', 'two', 'three']) handles.push(await orchestrator.submit('pipeline', { pipeline }))
    for (const handle of handles) await handle.result()
    const rows = await Promise.all(handles.map((handle) => handle.info()))
    for (const [i, row] of rows.entries()) {
      const before = rows[i - 1]
      if (before !== undefined) assert.ok((row.startedAt ?? '') >= (before.finishedAt ?? ''), 'one after the other')
    }
  }, 30_000)

  it('stops when asked to, and what was committed stays', async () => {
    const slow = { files: { ...nightly.inputs.files, batch: 1 } }
    const orchestrator = await open({ nightly: { ...nightly, inputs: slow } })
    await project.write('in/a.ndjson', joined(800))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await until(async () => {
      const [ingest] = await orchestrator.log.runs.children(run.id)
      return (ingest?.stats['events_ingested'] ?? 0) > 0
    })
    await run.cancel('enough')
    await assert.rejects(run.result(), { code: 'E_CANCELLED' })
    const row = await run.info()
    assert.equal(row.status, 'cancelled')
    assert.equal(row.cancelReason, 'enough')
    assert.deepEqual(await stepsOf(orchestrator, run), ['ingest cancelled'])
    const again = await run.retry()
    const done = await again.result()
    assert.ok((done['events_ingested'] ?? 0) < 800)
    assert.equal(await orchestrator.context.operations.head(), 800)
  }, 60_000)

  it('fails when its time is over', async () => {
    const slow = { files: { ...nightly.inputs.files, batch: 1 } }
    const orchestrator = await open({ nightly: { ...nightly, timeout: '1s', inputs: slow } })
    await project.write('in/a.ndjson', joined(20_000))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await assert.rejects(run.result(), { code: 'E_TIMEOUT' })
    assert.equal((await run.info()).status, 'failed')
  }, 30_000)

  it('is left where it was when the process ends, and the next run continues', async () => {
    const slow = { files: { ...nightly.inputs.files, batch: 1 } }
    const orchestrator = await open({ nightly: { ...nightly, inputs: slow } })
    await project.write('in/a.ndjson', joined(1000))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await until(async () => (await run.progress()).progressAt !== null)
    await orchestrator.close()
    const next = await project.connect()
    const left = await next.run(run.id)
    assert.equal((await left.info()).status, 'abandoned')
    const again = await next.submit('pipeline', { pipeline: 'nightly' })
    await again.result()
    assert.equal(await next.context.operations.head(), 1000)
  }, 60_000)

  it('works through windows, and again through those that failed', async () => {
    const windowed = { files: { ...nightly.inputs.files, path: 'in/day-*.ndjson', window: 'day-{date}' } }
    const orchestrator = await open({ nightly: { ...nightly, inputs: windowed } })
    for (const [i, day] of ['2024-01-01', '2024-01-02', '2024-01-03'].entries()) {
      await project.write(`in/day-${day}.ndjson`, joined(4, 4 * i))
    }
    const spec = { op: 'ingest', pipeline: 'nightly', from: '2024-01-01', to: '2024-01-03', window: '1d' } as const
    const windows = await orchestrator.backfillWindows(spec)
    assert.deepEqual(
      windows.map(({ from, to }) => [from.slice(0, 10), to.slice(0, 10)]),
      [
        ['2024-01-01', '2024-01-02'],
        ['2024-01-02', '2024-01-03'],
      ],
    )
    const run = await orchestrator.backfill(spec)
    assert.equal((await run.result())['events_ingested'], 8)
    assert.equal((await orchestrator.log.runs.children(run.id)).length, 2)
    assert.deepEqual(await orchestrator.backfillWindows({ ...spec, only: 'failed' }), [])
    const wider = { ...spec, to: '2024-01-04', only: 'missing', reverse: true } as const
    assert.deepEqual(
      (await orchestrator.backfillWindows(wider)).map(({ from }) => from.slice(0, 10)),
      ['2024-01-03'],
    )
    const tick = await orchestrator.backfill({ op: 'tick', from: '2024-01-01', to: '2024-03-01', window: '30d' })
    await tick.result()
    assert.equal((await orchestrator.log.runs.children(tick.id)).length, 2)
  })
})
