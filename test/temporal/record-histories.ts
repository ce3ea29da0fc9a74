/**
 * `npm run histories [-- WORKFLOW…]`: records histories of what workflows do now, for tests to replay with the code of later (spec 10
 * §4.8), of all workflows or of these alone. Run it for a release, or when a workflow changed on purpose and no run of the old kind is left anywhere.
 */
import './quiet.ts'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTemporal } from '../../infra/starters/temporal.ts'
import { submitBackfill } from '../../src/orchestration/backfill.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { Erasures } from '../../src/orchestrator/erasure.ts'
import { connectClient } from '../../src/temporal/connect.ts'
import { runWorker, scheduleServer, temporalRunner } from '../../src/temporal/index.ts'
import { recordHistory } from '../../src/temporal/replay.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, writePeople } from './space.ts'
import { until } from './until.ts'

const only = process.argv.slice(2)
const INTO = join(import.meta.dirname, '..', 'histories')
const good = peoplePipeline(
  { schedule: { every: '7d' }, checks: { valid: { kind: 'history_valid', asset: 'entity/person/history' } } },
  ['ingest', 'build', 'tick', 'check', { export: { to: 'out', format: 'csv' } }, 'flush', 'prune', 'maintain'],
)
const queue = { steps: ['erase_queue'] }
const old = { steps: ['expire'], as_of: '2024-01-20T00:00:00Z', retention: { cold: '5d' } }
const bad = {
  ...peoplePipeline({ retry: { attempts: 1, backoff: '1s' } }),
  inputs: { files: { source: 'web', kind: 'files', path: 'none/*.ndjson', required: true, settle: '0s' } },
}

/** Who worked at it, which names machines, is left out. */
function nameless(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  for (const [key, item] of Object.entries(value)) {
    if (key === 'identity') (value as { identity: string }).identity = 'recorder'
    else nameless(item)
  }
}

const folder = await mkdtemp(join(tmpdir(), 'defacto-histories-'))
const server = await startTemporal()
await writePeople(join(folder, 'in', 'a.ndjson'), 20)
const space = await openSpace({
  folder,
  database: join(folder, 'space.db'),
  coldLedger: join(folder, 'cold'),
  pipelines: { good, bad, queue, old },
})
const worker = await runWorker({ temporal: server, opened: space })
const place = { temporal: server, space: space.context.operations.space }
const runner = await temporalRunner(place)
const schedules = await scheduleServer(place)
try {
  // Three at once: two of them wait for their turn.
  const runs = await Promise.all([1, 2].map(() => submit(space, runner, { op: 'pipeline', pipeline: 'good' })))
  const days = { op: 'tick', from: '2024-02-01', to: '2024-02-04', window: '1d' } as const
  const { run: backfill } = await submitBackfill(space.context, space.control, days)
  await runner.start(space.control.stepRef(backfill))
  const failing = await submit(space, runner, { op: 'pipeline', pipeline: 'bad' })
  const { erasure: requests } = space.defacto
  const erasure = new Erasures({ context: space.context, control: space.control, runner, erasure: requests })
  for (const { runId } of runs) await ended(space, runId)
  const hold = await space.defacto.holds.add({ entityType: 'person', reason: 'a dispute' })
  const subject = (n: number) => ({ hint: `person.mail=m${n}@example.org` })
  const held = await erasure.request({ ...subject(1), kind: 'erase' })
  const redacted = await erasure.request({ ...subject(2), kind: 'redact' })
  const { log } = space.context.operations
  const waits = (runId: string) =>
    until(async () => (await log.runs.get(runId))?.status === 'waiting', 'a run that waits')
  for (const { run } of [held, redacted]) await waits(run?.runId ?? '')
  const { requests: freed } = await space.defacto.holds.release(hold.holdId)
  await erasure.woken(freed)
  for (const { run } of [held, redacted]) await ended(space, run?.runId ?? '')
  await erasure.request({ ...subject(3), kind: 'erase' }, { queue: true })
  for (const pipeline of ['queue', 'old']) {
    await ended(space, (await submit(space, runner, { op: 'pipeline', pipeline })).runId)
  }
  await schedules.put(readPipeline('good', good), null)
  const { client, close } = await connectClient(server)
  for (const { runId } of [...runs, backfill, failing]) await ended(space, runId)
  await client.schedule.getHandle(`defacto/${place.space}/good`).trigger()
  await until(async () => {
    const found: string[] = []
    for await (const { type, status } of client.workflow.list()) if (status.name !== 'RUNNING') found.push(type)
    return found.includes('scheduledPipeline') && found.includes('awaitTurn')
  }, 'all workflows')
  const kinds = new Map<string, number>()
  for await (const { workflowId, runId, type, status } of client.workflow.list()) {
    if (status.name === 'RUNNING' || (only.length > 0 && !only.includes(type))) continue
    const kind = `${type}-${status.name.toLowerCase()}`
    const number = (kinds.get(kind) ?? 0) + 1
    kinds.set(kind, number)
    if (number > 2) continue
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory()
    nameless(history)
    await writeFile(join(INTO, `${kind}-${number}.json`), await recordHistory(type, history as never))
  }
  await close()
  process.stdout.write(`${[...kinds.keys()].sort().join('\n')}\n`)
} finally {
  await schedules.close()
  await runner.close()
  await worker.stop()
  await space.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}
