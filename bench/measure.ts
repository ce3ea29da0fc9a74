/** All works for one size, in a process of its own so that peak memory is this size's. Prints one JSON document. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Defacto, Definitions } from '../src/index.ts'
import { Floor } from './floor-sqlite.ts'
import { measureCore } from './memory.ts'
import { asRecords, generateRecords, slices } from './records.ts'
import type { Measured, SizeResult } from './result.ts'

const DEFINITIONS = join(import.meta.dirname, '..', 'definitions')
const CLOCK = '2024-05-01T00:00:00Z'
const LATER = '2025-05-01T00:00:00Z'
/** Records per transaction, ours and the limit's. */
const BATCH = 1000
/** Parts in which the records arrive; the last two are the "10 % new". */
const ARRIVALS = 20

const lines = Number(process.argv[2])
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-'))
const note = (text: string): void => void process.stderr.write(`  ${text}\n`)

function open(name: string, definitions?: Definitions): Promise<Defacto> {
  const options = {
    database: join(scratch, `${name}.db`),
    clock: () => new Date(CLOCK),
    batchSize: BATCH,
    logLevel: 'ERROR',
    catchUp: false,
  } as const
  return definitions === undefined
    ? Defacto.fromDirectory(DEFINITIONS, options)
    : Defacto.fromConfig(definitions, options)
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const started = performance.now()
  const result = await work()
  return [performance.now() - started, result]
}

async function measure(): Promise<SizeResult> {
  const results: Measured[] = []
  const path = join(scratch, 'records')
  generateRecords(path, lines, 1)
  note('core')
  results.push(await measureCore(DEFINITIONS, path, lines))

  note('append and incremental builds')
  const space = await open('space')
  let appendMs = 0
  let ingestMs = 0
  let incrementalMs = 0
  let part = 0
  const before90 = { events: 0, ms: 0 }
  let tenth = { events: 0, ms: 0 }
  for await (const slice of slices(path, Math.ceil(lines / ARRIVALS))) {
    part += 1
    for (const { source, lines: texts } of slice) {
      const records = asRecords(texts)
      const [ms, { timing }] = await timed(() => space.ingest(source, records, { throwIfAllFail: false }))
      ingestMs += ms
      appendMs += timing['append_ms'] ?? 0
    }
    if (part === ARRIVALS - 1) {
      before90.events = (await space.ledger.count()) - (await space.buildStatus()).pendingEvents
      continue
    }
    const [ms] = await timed(() => space.build())
    incrementalMs += ms
    if (part >= ARRIVALS) tenth = { events: (await space.ledger.count()) - before90.events, ms }
  }
  const events = await space.ledger.count()
  await space.close()

  const floor = new Floor(join(scratch, 'space.db'), join(scratch, 'floor.db'))
  const add = (
    work: string,
    count: number,
    ms: number,
    limitMs: number | null,
    limit: string,
    target: Measured['target'],
    unit = 'events',
  ): void => {
    results.push({ work, unit, count, ms, limitMs, limit, target })
  }
  note('limits')
  const insertMs = floor.appendLedger(BATCH)
  const outputMs = floor.writeOutput(5000)
  const scanMs = floor.scanMapped()
  const scanRawMs = floor.scanRaw()
  const scanDataMs = floor.scanData()
  add('append', events, appendMs, insertMs, 'prepared inserts', 0.5)
  add('ingest (normalize + append)', events, ingestMs, insertMs, 'prepared inserts', 0.25)

  note('ingest with process')
  const live = await open('live')
  let liveMs = 0
  for await (const slice of slices(path, Math.ceil(lines / ARRIVALS))) {
    for (const { source, lines: texts } of slice) {
      const records = asRecords(texts)
      liveMs += (await timed(() => live.ingest(source, records, { throwIfAllFail: false, process: true })))[0]
    }
  }
  add('ingest with process', await live.ledger.count(), liveMs, ingestMs, 'our ingest alone', 0.6)
  await live.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(scratch, `live.db${suffix}`), { force: true })

  add('incremental builds over all', events, incrementalMs, outputMs, 'inserts of the rows written', 0.25)
  add(
    'incremental build, 10 % new',
    tenth.events,
    tenth.ms,
    (outputMs * tenth.events) / events,
    'inserts of the rows written',
    0.25,
  )

  note('rebuilds')
  const again = await open('space')
  add('FULL', events, (await timed(() => again.build({ full: true })))[0], scanMs, 'scan by entity', 0.4)
  add(
    'renormalize',
    events,
    (await timed(() => again.build({ fromRaw: true })))[0],
    scanRawMs,
    'scan and parse raw',
    0.2,
  )
  await again.close()
  const changed = await open('space', await withOtherIdentity())
  const [resetMs, reset] = await timed(() => changed.build())
  if (reset.mode !== 'FULL_WITH_IDENTITY_RESET') throw new Error(`expected an identity reset, got ${reset.mode}`)
  add('identity reset', events, resetMs, scanDataMs, 'scan and parse data', 0.2)

  note('idle, tick, queries')
  const skips: number[] = []
  for (let i = 0; i < 21; i++) skips.push((await timed(() => changed.build()))[0])
  add('SKIP', 1, median(skips), null, '', { atMostMs: 5 }, 'builds')
  const [tickMs, tick] = await timed(() => changed.tick({ asOf: LATER }))
  add('tick', tick.entitiesAffected, tickMs, null, '', { perSecond: 50_000 }, 'due entities')
  const idle: number[] = []
  for (let i = 0; i < 21; i++) idle.push((await timed(() => changed.tick({ asOf: LATER })))[0])
  add('tick with nothing due', 1, median(idle), null, '', { atMostMs: 5 }, 'ticks')

  const table = changed.table('customer')
  const [tableMs, rows] = await timed(() => table.rows())
  const past = changed.history('customer').asOf('2024-03-15')
  const [pastMs, then] = await timed(() => past.rows())
  const asText = ({ text, params }: { text: string; params: readonly unknown[] }): number => floor.query(text, params)
  add('table', rows.length, tableMs, asText(table.sql()), 'the same SQL', 0.4, 'rows')
  add('asOf', then.length, pastMs, asText(past.sql()), 'the same SQL', 0.4, 'rows')
  const { entities } = await changed.stats()
  await changed.close()
  floor.close()
  return {
    lines,
    events,
    entities: Object.values(entities).reduce((sum, count) => sum + count, 0),
    results,
    peakRss: process.resourceUsage().maxRSS * 1024,
    databaseBytes: statSync(join(scratch, 'space.db')).size,
  }
}

/** The same definitions with one identity rule written differently. */
async function withOtherIdentity(): Promise<Definitions> {
  const object = (await Definitions.fromDirectory(DEFINITIONS)).toObject()
  const customer = object.entities['customer']
  if (customer === undefined) throw new Error('no entity customer')
  const identity = { ...customer.identity, account_id: { normalize: 'str::trim(value)' } }
  return Definitions.fromObject({ ...object, entities: { ...object.entities, customer: { ...customer, identity } } })
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0
}

try {
  process.stdout.write(JSON.stringify(await measure()))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
