/**
 * One ledger built by one process and by several, each with its part of the entities. Records arrive in four parts, built
 * one after the other; after the second the sources change, so everything is renormalized. Prints one JSON document.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Defacto, Definitions } from '../src/index.ts'
import { historyDigest } from './history-digest.ts'
import { asRecords, generateRecords, slices } from './records.ts'
import type { WorkerJob, WorkerReport } from './shard-worker.ts'
import type { Division, ShardsResult } from './shards-result.ts'
import { openStore } from './store.ts'

const ARRIVALS = 4
const CLOCK = '2024-05-01T00:00:00Z'
const note = (text: string): void => void process.stderr.write(`  ${text}\n`)

const [lines = 0, shards = 0] = process.argv.slice(2).map(Number)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-shards-'))
try {
  await using store = await openStore('postgres', scratch)
  const records = join(scratch, 'records')
  generateRecords(records, lines, 1)
  const definitions = await Definitions.fromDirectory(join(import.meta.dirname, '..', 'definitions'))
  const editions = [definitions.toObject(), withOtherSource(definitions.toObject())] as const
  note('one process')
  const [one, events] = await divided('one', 1)
  note(`${shards} processes`)
  const [many] = await divided('many', shards)
  note('comparing histories')
  const { database } = store.place('one')
  const digests = [await historyDigest(database, 'one'), await historyDigest(database, 'many')] as const
  const [first, second] = digests
  const result: ShardsResult = { events, one, many, equal: first.digest === second.digest, rows: first.rows }
  process.stdout.write(JSON.stringify(result))

  async function divided(space: string, total: number): Promise<[Division, number]> {
    const place = store.place(space)
    const sum = { ms: 0, processes: 0, server: 0, building: 0 }
    const shared: Record<string, number> = {}
    using stack = new DisposableStack()
    const workers = Array.from({ length: total }, () => stack.use(startWorker()))
    let part = 0
    let count = 0
    for await (const slice of slices(records, Math.ceil(lines / ARRIVALS))) {
      const edition = editions[part < ARRIVALS / 2 ? 0 : 1]
      part += 1
      const space = await Defacto.fromConfig(edition, {
        ...place,
        clock: () => new Date(CLOCK),
        batchSize: 1000,
        logLevel: 'ERROR',
        catchUp: false,
      })
      for (const { source, lines } of slice) await space.ingest(source, asRecords(lines), { throwIfAllFail: false })
      count = await space.ledger.count()
      await space.close()
      const [server, at] = [store.clock(), performance.now()]
      const reports = await Promise.all(
        workers.map((worker, shardId) => worker.build({ place, edition, now: CLOCK, shardId, total })),
      )
      sum.ms += performance.now() - at
      sum.server += store.clock() - server
      for (const report of reports) {
        sum.processes += report.cpu
        sum.building += report.ms
        for (const [name, ms] of Object.entries(report.shared)) shared[name] = (shared[name] ?? 0) + ms
      }
    }
    return [{ shards: total, ...sum, shared }, count]
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

interface Worker extends Disposable {
  build(job: WorkerJob): Promise<WorkerReport>
}

function startWorker(): Worker {
  const child = fork(join(import.meta.dirname, 'shard-worker.ts'))
  const gone = once(child, 'exit').then(() => {
    throw new Error('a process that builds has ended early')
  })
  gone.catch(() => undefined)
  return {
    build: async (job) => {
      child.send(job)
      const [report] = await Promise.race([once(child, 'message'), gone])
      return report as WorkerReport
    },
    [Symbol.dispose]: () => child.disconnect(),
  }
}

/** The same definitions with one mapping of a source written differently. */
function withOtherSource<T extends { sources: Record<string, unknown> }>(definitions: T): T {
  const copy = structuredClone(definitions)
  const app = copy.sources['app'] as { events: Record<string, { mappings: Record<string, object> }> }
  const mappings = app.events['session_started']?.mappings
  if (mappings === undefined) throw new Error('no sessions in the source app')
  mappings['platform'] = { compute: "str::trim(str::to_lowercase(coalesce(event.device.os, 'web')))" }
  return copy
}
