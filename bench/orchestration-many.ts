/** Many spaces on one worker process, each with a schedule that is due at the same second. Prints one JSON document. */
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker'
import { readPipeline } from '../src/orchestration/pipeline/read.ts'
import { type RunningWorker, runWorker, scheduleServer, type TemporalAddress } from '../src/temporal/index.ts'
import type { ManySpaces } from './orchestration-result.ts'
import { type BenchSpace, openBenchSpace, PIPELINES } from './orchestration-space.ts'
import { spreadOf } from './orchestration-steps.ts'

const SLOTS = 2
const IDLE_MS = 10_000
const PATIENCE_MS = 300_000

const [count = '', folder = '', address = ''] = process.argv.slice(2)
const temporal = JSON.parse(address) as TemporalAddress
const metrics = `127.0.0.1:${await freePort()}`
// What is logged must not meet the document on stdout.
Runtime.install({
  shutdownSignals: [],
  logger: new DefaultLogger('ERROR', ({ message }) => process.stderr.write(`  ${message}\n`)),
  telemetryOptions: {
    logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} },
    metrics: { prometheus: { bindAddress: metrics } },
  },
})

const spaces: BenchSpace[] = []
const workers: RunningWorker[] = []
for (let i = 0; i < Number(count); i++) {
  const own = join(folder, `space${i}`)
  mkdirSync(own, { recursive: true })
  const space = await openBenchSpace({ database: join(own, 'space.db'), folder: own })
  spaces.push(space)
  workers.push(await runWorker({ temporal, opened: space }))
}
process.stderr.write(`  ${count} spaces open\n`)
while (!workers.every((worker) => worker.isReady())) await delay(50)
const cpu = process.cpuUsage()
await delay(IDLE_MS)
const idle = process.cpuUsage(cpu)
const polls = await openPolls()

for (const space of spaces) {
  const server = await scheduleServer({ temporal, space: space.context.operations.space })
  await server.put(readPipeline('due', PIPELINES['due']), null)
  await server.close()
}
process.stderr.write('  schedules are on the server\n')
const late: number[] = []
const working = process.cpuUsage()
const deadline = performance.now() + PATIENCE_MS
// The first slots meet workers that have never run anything.
while (performance.now() < deadline && (await ended()) < SLOTS) await delay(500)
const worked = process.cpuUsage(working)
let runs = 0
let left = 0
for (const space of spaces) {
  const all = await slotsOf(space)
  const begun = all.filter(({ startedAt }) => startedAt !== null)
  runs += begun.length
  left += all.filter(({ startedAt, finishedAt }) => startedAt === null && finishedAt !== null).length
  late.push(...begun.map(({ scheduledFor, startedAt }) => Date.parse(startedAt ?? '') - Date.parse(scheduledFor ?? '')))
}
for (const space of spaces) {
  const server = await scheduleServer({ temporal, space: space.context.operations.space })
  await server.remove('due')
  await server.close()
}
const result: ManySpaces = {
  spaces: spaces.length,
  late: spreadOf(late),
  left,
  polls,
  cpuPerRun: (worked.user + worked.system) / 1000 / Math.max(1, runs),
  idleCpu: (idle.user + idle.system) / IDLE_MS,
  rss: process.memoryUsage.rss(),
  load: loadavg()[0] ?? 0,
}
process.stdout.write(JSON.stringify(result), () => process.exit(0))

async function slotsOf({ context }: BenchSpace) {
  return context.operations.log.runs.list({ op: ['pipeline'], pipeline: 'due' })
}

/** Slots that every space has behind it. */
async function ended(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (const space of spaces)
    least = Math.min(least, (await slotsOf(space)).filter(({ finishedAt }) => finishedAt !== null).length)
  return least
}

/** As the SDK counts them, of all queues. */
async function openPolls(): Promise<number> {
  const text = await (await fetch(`http://${metrics}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith('temporal_num_pollers{'))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const found = probe.address()
      probe.close(() => resolve(typeof found === 'object' && found !== null ? found.port : 0))
    })
  })
}
