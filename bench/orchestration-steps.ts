/** Runs that have nothing to do: what every step of a pipeline costs, and where that time goes. */
import { loadavg } from 'node:os'
import type { RunRow } from '../src/ports/runs.ts'
import { runWorker, type TemporalAddress } from '../src/temporal/index.ts'
import { type BenchClient, benchClient, type HistoryEvent } from './orchestration-client.ts'
import type { EmptyRuns, Split, Spread } from './orchestration-result.ts'
import { type BenchSpace, NIGHTLY_STEPS } from './orchestration-space.ts'

const WARM = 3
const RUNS = 15

export async function emptyRuns(space: BenchSpace, temporal: TemporalAddress): Promise<EmptyRuns> {
  const calls = countCalls(space)
  const worker = await runWorker({ temporal, opened: space })
  const client = await benchClient(space, temporal)
  try {
    for (let i = 0; i < WARM; i++) await timed(client, 'nightly')
    const totals: number[] = []
    const splits: Split[] = []
    for (let i = 0; i < RUNS; i++) {
      const before = { ...calls }
      const cpu = process.cpuUsage()
      const { run, ms } = await timed(client, 'nightly')
      const { user, system } = process.cpuUsage(cpu)
      totals.push(ms / NIGHTLY_STEPS.length)
      const own = await client.history(run)
      const children = await space.context.operations.log.runs.children(run.runId)
      const histories = [own, ...(await Promise.all(children.map((child) => client.history(child))))]
      const database = { count: calls.count - before.count, ms: calls.ms - before.ms }
      splits.push(splitOf(histories, ms, database, (user + system) / 1000))
    }
    await assertEmpty(space)
    await timed(client, 'idle')
    const idle: number[] = []
    for (let i = 0; i < RUNS; i++) {
      const { run, ms } = await timed(client, 'idle')
      const now = await space.context.operations.log.runs.get(run.runId)
      if (now?.status !== 'skipped') throw new Error(`an idle run is ${now?.status}`)
      idle.push(ms)
    }
    return {
      steps: NIGHTLY_STEPS.length,
      perStep: spreadOf(totals),
      split: medianSplit(splits),
      idle: spreadOf(idle),
      load: loadavg()[0] ?? 0,
    }
  } finally {
    await client.close()
    await worker.stop()
  }
}

async function timed(client: BenchClient, pipeline: string): Promise<{ run: RunRow; ms: number }> {
  const at = performance.now()
  const run = await client.submit({ op: 'pipeline', pipeline })
  await client.ended(run)
  return { run, ms: performance.now() - at }
}

async function assertEmpty({ context }: BenchSpace): Promise<void> {
  const [last] = await context.operations.log.runs.list({ op: ['pipeline'], limit: 1 })
  if (last?.status !== 'succeeded') throw new Error(`the empty run is ${last?.status} (${last?.errorCode})`)
  const { events_ingested: ingested = 0, events_processed: processed = 0 } = last.stats
  if (ingested + processed > 0) throw new Error('the empty run was not empty')
}

/** Every call to the run log from now on, and the time until it answers. */
function countCalls({ context }: BenchSpace): { count: number; ms: number } {
  const calls = { count: 0, ms: 0 }
  for (const port of Object.values(context.operations.log) as Record<string, unknown>[]) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(port))) {
      const method = port[name]
      if (name === 'constructor' || typeof method !== 'function') continue
      port[name] = async (...args: unknown[]): Promise<unknown> => {
        calls.count += 1
        const at = performance.now()
        try {
          return await (method as (...args: unknown[]) => unknown).apply(port, args)
        } finally {
          calls.ms += performance.now() - at
        }
      }
    }
  }
  return calls
}

function splitOf(
  histories: readonly (readonly HistoryEvent[])[],
  wall: number,
  database: { readonly count: number; readonly ms: number },
  cpu: number,
): Split {
  const sums = { tasks: 0, taskWait: 0, taskWork: 0, activities: 0, activityWait: 0, activityWork: 0 }
  for (const events of histories) {
    const at = new Map(events.map((event) => [event.id, event.at]))
    for (const { type, at: end, scheduled, started } of events) {
      const [wait, work] = [(at.get(started) ?? end) - (at.get(scheduled) ?? end), end - (at.get(started) ?? end)]
      if (type === 'workflowTaskCompleted') {
        sums.tasks += 1
        sums.taskWait += wait
        sums.taskWork += work
      } else if (type === 'activityTaskCompleted') {
        sums.activities += 1
        sums.activityWait += wait
        sums.activityWork += work
      }
    }
  }
  const [own = []] = histories
  const inServer = (own.at(-1)?.at ?? 0) - (own[0]?.at ?? 0)
  const per = (value: number): number => value / NIGHTLY_STEPS.length
  return {
    client: wall - inServer,
    tasks: per(sums.tasks),
    taskWait: per(sums.taskWait),
    taskWork: per(sums.taskWork),
    activities: per(sums.activities),
    activityWait: per(sums.activityWait),
    activityWork: per(sums.activityWork),
    databaseCalls: per(database.count),
    database: per(database.ms),
    cpu: per(cpu),
  }
}

function medianSplit(splits: readonly Split[]): Split {
  const names = Object.keys(splits[0] ?? {}) as (keyof Split)[]
  return Object.fromEntries(
    names.map((name) => [name, spreadOf(splits.map((one) => one[name])).median]),
  ) as unknown as Split
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { median: at(0.5), p95: at(0.95), least: at(0), most: at(1), count: sorted.length }
}
