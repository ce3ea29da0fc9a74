/**
 * One work of the cold tier in a process of its own: its peak memory is its own, and nothing of the archive is there yet.
 * Prints one JSON document.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Defacto, type DefactoOptions, Definitions } from '../src/index.ts'
import { openSpace } from '../src/open-space.ts'
import type { ArchiveColumn } from '../src/ports/archive.ts'
import type { LedgerPort } from '../src/ports/store.ts'
import { mebibytes, number } from './print.ts'
import { asRecords, slices } from './records.ts'
import { type Cost, Stopwatch } from './result.ts'
import { clockOf, floorOf, type Place } from './store.ts'
import { type BareFlush, bareDigest, bareFlush, bareStream, dataFiles } from './tiered-floor.ts'
import { readEntity } from './tiered-read.ts'
import type { Bytes, EntityRead } from './tiered-result.ts'

export interface Job {
  readonly place: Place
  /** Folder of the archive. */
  readonly archive: string
  /** Folder for files of the limits. */
  readonly scratch: string
  readonly now: string
  /** File of the records. */
  readonly records: string
}

export interface Done {
  readonly rows: number
  readonly cost: Cost
}

const DEFINITIONS = join(import.meta.dirname, '..', 'definitions')
/** Records taken in at a time. */
const SLICE = 20_000

/** What replays of a ledger read, in order of time and of sequence. */
const REPLAYED: readonly ArchiveColumn[] = [
  'sequence',
  'eventId',
  'eventType',
  'timestamp',
  'source',
  'data',
  'duplicateOf',
  'excluded',
  'kinds',
]
const SCANNED: readonly ArchiveColumn[] = [...REPLAYED, 'hints', 'raw']

const works = {
  ingest: (job: Job): Promise<Done> => inSpace(job, (space, watch) => ingest(space, watch, job.records)),
  full: (job: Job): Promise<Done> => inSpace(job, full),
  begin: (job: Job): Promise<Done> => inSpace(job, begin),
  flush: (job: Job): Promise<Done> => inSpace(job, ({ ledger }, watch) => watch.run(() => ledger.tiers.flush())),
  prune: (job: Job): Promise<Done> => inSpace(job, ({ ledger }, watch) => watch.run(() => ledger.tiers.prune())),
  verify: (job: Job): Promise<Done> => inSpace(job, verify),
  replay: (job: Job): Promise<Done> =>
    read(job, (ledger, to) => ledger.replay({ from: 1, to, includeDuplicates: true })),
  scan: (job: Job): Promise<Done> => read(job, (ledger, to) => ledger.scan({ after: 0, to, all: true })),
  entity: ({ place, archive, now }: Job): Promise<EntityRead> => readEntity(place, archive, DEFINITIONS, now),
  bareFlush: bareFlushOfPlace,
  bareReplay: ({ archive, scratch }: Job): Promise<Done> => bareStream(archive, scratch, REPLAYED, 'time'),
  bareScan: ({ archive, scratch }: Job): Promise<Done> => bareStream(archive, scratch, SCANNED, 'sequence'),
  bareVerify: ({ archive, scratch }: Job): Promise<Done> => bareDigest(archive, scratch),
  bytes,
} as const

export type Work = keyof typeof works
export type Report<W extends Work> = Awaited<ReturnType<(typeof works)[W]>> & {
  /** Peak resident memory of the process, bytes. */
  readonly peakRss: number
}

async function ingest(space: Defacto, watch: Stopwatch, records: string): Promise<number> {
  for await (const slice of slices(records, SLICE)) {
    for (const { source, lines } of slice) {
      const chunk = asRecords(lines)
      await watch.run(() => space.ingest(source, chunk, { throwIfAllFail: false }))
    }
  }
  await watch.run(() => space.build())
  return space.ledger.count()
}

async function full(space: Defacto, watch: Stopwatch): Promise<number> {
  return (await watch.run(() => space.build({ full: true }))).eventsProcessed
}

/** Makes the ledger a tiered one, and an empty table. */
async function begin({ ledger }: Defacto, watch: Stopwatch): Promise<number> {
  await watch.run(() => ledger.tiers.flush({ upTo: 0 }))
  return ledger.count()
}

async function verify({ ledger }: Defacto, watch: Stopwatch): Promise<number> {
  const { rows, problems } = await watch.run(() => ledger.tiers.verify())
  if (problems.length > 0) throw new Error(`the archive is damaged: ${problems[0]?.problem}`)
  return rows
}

async function bareFlushOfPlace({ place, scratch }: Job): Promise<BareFlush> {
  await using floor = await floorOf(place, scratch)
  return await bareFlush(floor, scratch, await clockOf(place))
}

async function bytes({ place, archive, scratch }: Job): Promise<Bytes> {
  await using floor = await floorOf(place, scratch)
  return {
    archive: dataFiles(archive).reduce((sum, path) => sum + statSync(path).size, 0),
    ledger: await floor.tableBytes('ledger'),
    ids: await floor.tableBytes('event_ids'),
  }
}

async function inSpace(job: Job, work: (space: Defacto, watch: Stopwatch) => Promise<number>): Promise<Done> {
  const space = await Defacto.fromDirectory(DEFINITIONS, optionsOf(job))
  try {
    const watch = new Stopwatch(await clockOf(job.place))
    return { rows: await work(space, watch), cost: watch.cost }
  } finally {
    await space.close()
  }
}

/** What a ledger gives, rows counted and dropped. */
async function read(
  job: Job,
  open: (ledger: LedgerPort, to: number) => AsyncIterable<readonly unknown[]>,
): Promise<Done> {
  const { engine, cleanup } = await openSpace(await Definitions.fromDirectory(DEFINITIONS), optionsOf(job), true)
  const { ledger } = engine.store
  const watch = new Stopwatch(await clockOf(job.place))
  const head = await ledger.head()
  let count = 0
  await watch.run(async () => {
    for await (const rows of open(ledger, head)) count += rows.length
  })
  await engine.store.close()
  await cleanup()
  return { rows: count, cost: watch.cost }
}

function optionsOf({ place, archive, now }: Job): DefactoOptions {
  return {
    ...place,
    coldLedger: archive,
    clock: () => new Date(now),
    batchSize: 1000,
    logLevel: 'ERROR',
    catchUp: false,
  }
}

const [work = '', job = ''] = process.argv.slice(2)
const report = await works[work as Work](JSON.parse(job) as Job)
const peakRss = process.resourceUsage().maxRSS * 1024
// Large ledgers take long: who waits sees how far it is.
const done = 'cost' in report ? `${number(report.rows)} rows in ${number(report.cost.ms)} ms` : 'done'
process.stderr.write(`  ${work}: ${done}, peak memory ${mebibytes(peakRss)}\n`)
process.stdout.write(JSON.stringify({ ...report, peakRss }))
