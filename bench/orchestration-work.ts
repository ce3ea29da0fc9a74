/**
 * One work in a process of its own. Prints one JSON document; the worker that is to be killed prints a line per chunk
 * instead, until it is.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { OpenedSpace } from '../activities/index.ts'
import { localRunner } from '../src/orchestration/local.ts'
import { installRuntime, runWorker, type TemporalAddress } from '../src/temporal/index.ts'
import { benchClient } from './orchestration-client.ts'
import type { IngestMemory } from './orchestration-result.ts'
import { serverClockOf } from './orchestration-server.ts'
import { openBenchSpace, type SpacePlace } from './orchestration-space.ts'
import { emptyRuns } from './orchestration-steps.ts'
import { asRecords, slices } from './records.ts'
import { type Cost, Stopwatch } from './result.ts'

export interface Job {
  readonly place: SpacePlace
  readonly temporal: TemporalAddress
  /** File that the server keeps its data in: names its process. */
  readonly server: string
  /** File of records of all sources. */
  readonly records: string
  readonly heartbeatMs?: number
}

/** Records taken in at a time. */
const SLICE = 20_000
const SAMPLE_MS = 100

const works = {
  ingest,
  direct,
  run,
  empty: async (job: Job) => {
    const space = await openBenchSpace(job.place)
    installRuntime(space.context.operations.logger)
    const result = await emptyRuns(space, job.temporal)
    await space.defacto.close()
    return result
  },
  worker,
  memory,
} as const
export type Work = keyof typeof works
export type Report<W extends Work> = Awaited<ReturnType<(typeof works)[W]>>

/** Events in the ledger, none of them built. */
async function ingest({ place, records }: Job): Promise<number> {
  const { defacto } = await openBenchSpace(place)
  for await (const slice of slices(records, SLICE)) {
    for (const { source, lines } of slice) await defacto.ingest(source, asRecords(lines), { throwIfAllFail: false })
  }
  const events = await defacto.ledger.count()
  await defacto.close()
  return events
}

async function direct({ place }: Job): Promise<Cost> {
  const { defacto } = await openBenchSpace(place)
  const watch = new Stopwatch()
  await watch.run(() => defacto.build())
  await defacto.close()
  return watch.cost
}

/** From the request to the answer; client and worker are in this process. */
async function run({ place, temporal, server }: Job): Promise<Cost> {
  const space = await openBenchSpace(place)
  installRuntime(space.context.operations.logger)
  const worker = await runWorker({ temporal, opened: space })
  const client = await benchClient(space, temporal)
  const watch = new Stopwatch(serverClockOf(server))
  const build = await watch.run(async () => {
    const submitted = await client.submit({ op: 'build' })
    await client.ended(submitted)
    return submitted
  })
  const { status } = (await space.context.operations.log.runs.get(build.runId)) ?? {}
  if (status !== 'succeeded') throw new Error(`the build is ${status}`)
  await client.close()
  await worker.stop()
  await space.defacto.close()
  return watch.cost
}

/** Says `ready`, and the time of every chunk that it has committed. */
async function worker({ place, temporal, heartbeatMs }: Job): Promise<never> {
  const space = await openBenchSpace(place)
  installRuntime(space.context.operations.logger)
  const { build } = space.context.operations
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  space.context.operations.build = (call, options) => {
    say(`begun ${Date.now()}`)
    const onChunk: typeof call.onChunk = (progress) => {
      say(`chunk ${Date.now()}`)
      call.onChunk?.(progress)
    }
    return build({ ...call, onChunk }, options)
  }
  const opened: OpenedSpace = space
  const running = await runWorker({ temporal, opened, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) })
  while (!running.isReady()) await delay(20)
  say('ready')
  await running.ended
  return process.exit(0)
}

/** An ingest run over the files in the place, without a server: its memory is that of steps and store. */
async function memory({ place }: Job): Promise<IngestMemory> {
  const space = await openBenchSpace(place)
  const most = { anonymous: 0, rss: 0 }
  const look = (): void => {
    const { anonymous, rss } = resident()
    most.anonymous = Math.max(most.anonymous, anonymous)
    most.rss = Math.max(most.rss, rss)
  }
  const timer = setInterval(look, SAMPLE_MS)
  const context = { ...space.context, engine: 'local' as const }
  const runner = localRunner(context, space.control)
  const { run: submitted } = await space.control.submit({ op: 'ingest', pipeline: 'nightly', input: { input: 'app' } })
  await runner.start(space.control.stepRef(submitted))
  await runner.idle()
  look()
  clearInterval(timer)
  const ended = await context.operations.log.runs.get(submitted.runId)
  if (ended?.status !== 'succeeded') throw new Error(`the ingest run is ${ended?.status} (${ended?.errorCode})`)
  await runner.close()
  await space.defacto.close()
  return { records: ended.stats['events_read'] ?? 0, ...most }
}

/** Pages of the process alone, and all that are in memory, mapped files too. */
function resident(): { anonymous: number; rss: number } {
  const status = readFileSync('/proc/self/status', 'utf8')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return { anonymous: kib('RssAnon') * 1024, rss: kib('VmRSS') * 1024 }
}

const [work = '', job = ''] = process.argv.slice(2)
const report = await works[work as Work](JSON.parse(job) as Job)
process.stderr.write(`  ${work}\n`)
process.stdout.write(JSON.stringify(report), () => process.exit(0))
