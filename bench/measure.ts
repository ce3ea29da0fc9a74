/** All works for one store and size, in a process of its own so that peak memory is this size's. Prints one JSON document. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Defacto, Definitions } from '../src/index.ts'
import { asRecords, generateRecords, slices } from './records.ts'
import { type Cost, type Measured, type SizeResult, Stopwatch, share } from './result.ts'
import { type BenchStore, openStore, type StoreName } from './store.ts'

const DEFINITIONS = join(import.meta.dirname, '..', 'definitions')
const CLOCK = '2024-05-01T00:00:00Z'
const LATER = '2025-05-01T00:00:00Z'
/** Records per transaction, ours and the limit's. */
const BATCH = 1000
/** Parts in which the records arrive; the last two are the "10 % new". */
const ARRIVALS = 20

const note = (text: string): void => void process.stderr.write(`  ${text}\n`)

class Bench {
  readonly results: Measured[] = []
  readonly #store: BenchStore
  readonly #scratch: string
  readonly #lines: number
  /** What the spaces' clocks show, in milliseconds. */
  #now = 0

  constructor(store: BenchStore, scratch: string, lines: number) {
    this.#store = store
    this.#scratch = scratch
    this.#lines = lines
  }

  async run(): Promise<SizeResult> {
    const records = join(this.#scratch, 'records')
    generateRecords(records, this.#lines, 1)
    note('core')
    const core = execFileSync(process.execPath, [join(import.meta.dirname, 'core.ts'), String(this.#lines)], {
      encoding: 'utf8',
    })
    this.results.push(JSON.parse(core) as Measured)
    note('append and incremental builds')
    const events = await this.#growing(records)
    note('one source, interpreted as it comes')
    await this.#live(records)
    note('rebuilds')
    const full = await this.#rebuilds(events)
    if (this.#store.name !== 'sqlite') {
      note('FULL on SQLite')
      this.#add('FULL, beside SQLite', events, full, await this.#fullOnSqlite(records), 'FULL on SQLite', 0.7)
    }
    note('idle, tick, queries')
    const entities = await this.#idleAndQueries()
    return {
      store: this.#store.name,
      lines: this.#lines,
      events,
      entities,
      results: this.results,
      peakRss: process.resourceUsage().maxRSS * 1024,
      databaseBytes: await this.#store.size('space'),
    }
  }

  /**
   * A space that grows part by part, each appended and built; beside it the same rows written bare. The clock stands
   * where the records are, as for one who takes them in when they happen.
   */
  async #growing(records: string): Promise<number> {
    const space = await this.#open('space')
    const [ingest, builds, tenth] = [this.#watch(), this.#watch(), this.#watch()]
    let part = 0
    let built = 0
    for await (const slice of slices(records, Math.ceil(this.#lines / ARRIVALS))) {
      part += 1
      for (const { source, lines } of slice) {
        this.#passTo(lines)
        const chunk = asRecords(lines)
        await ingest.run(() => space.ingest(source, chunk, { throwIfAllFail: false }))
      }
      // The last two parts are built at once.
      if (part === ARRIVALS - 1) continue
      if (part < ARRIVALS - 1) await builds.run(() => space.build())
      else await tenth.run(() => space.build())
      if (part === ARRIVALS - 2) built = await space.ledger.count()
    }
    const events = await space.ledger.count()
    await space.close()

    note('limits')
    await using floor = await this.#store.floor('space')
    const inserts = await floor.appendLedger(BATCH)
    const output = await floor.writeOutput(5000)
    const rows = 'inserts of the rows written'
    this.#add('ingest', events, ingest.cost, inserts, floor.inserts, 0.5)
    if (this.#store.name === 'postgres') {
      const once = await floor.appendLedger(Number.POSITIVE_INFINITY)
      this.#add('ingest, beside one transaction', events, ingest.cost, once, 'one COPY of all', null)
    }
    this.#add('incremental builds', built, builds.cost, share(output, built / events), rows, 0.25)
    this.#add('incremental build, 10 % new', events - built, tenth.cost, share(output, 1 - built / events), rows, 0.25)
    return events
  }

  /** `ingest(…, {process: true})` of one source in order, against the same without interpreting. */
  async #live(records: string): Promise<void> {
    this.#now = 0
    const [alone, live] = [await this.#open('alone'), await this.#open('live')]
    const [ingest, both] = [this.#watch(), this.#watch()]
    for await (const slice of slices(records, Math.max(2000, Math.ceil(this.#lines / 50)))) {
      const lines = slice.find(({ source }) => source === 'app')?.lines ?? []
      this.#passTo(lines)
      const options = { throwIfAllFail: false }
      const [first, second] = [asRecords(lines), asRecords(lines)]
      await ingest.run(() => alone.ingest('app', first, options))
      await both.run(() => live.ingest('app', second, { ...options, process: true }))
    }
    this.#add('ingest with process', await live.ledger.count(), both.cost, ingest.cost, 'our ingest alone', 0.6)
    for (const space of [alone, live]) await space.close()
    for (const name of ['alone', 'live']) await this.#store.remove(name)
  }

  /** Returns what FULL costs. */
  async #rebuilds(events: number): Promise<Cost> {
    this.#now = Date.parse(CLOCK)
    await using floor = await this.#store.floor('space')
    const space = await this.#open('space')
    const full = await this.#cost(() => space.build({ full: true }))
    this.#add('FULL', events, full, await floor.scanMapped(), 'scan by entity', 0.4)
    const renormalize = await this.#cost(() => space.build({ fromRaw: true }))
    this.#add('renormalize', events, renormalize, await floor.scanRaw(), 'scan, parse raw', 0.2)
    await space.close()
    const changed = await this.#open('space', await withOtherIdentity())
    const reset = this.#watch()
    const { mode } = await reset.run(() => changed.build())
    if (mode !== 'FULL_WITH_IDENTITY_RESET') throw new Error(`expected an identity reset, got ${mode}`)
    this.#add('identity reset', events, reset.cost, await floor.scanData(), 'scan, parse data', 0.2)
    await changed.close()
    return full
  }

  /** What a full build of the same records costs on SQLite. */
  async #fullOnSqlite(records: string): Promise<Cost> {
    await using store = await openStore('sqlite', this.#scratch)
    const space = await this.#open('beside', undefined, store)
    for await (const slice of slices(records, 20_000)) {
      for (const { source, lines } of slice) await space.ingest(source, asRecords(lines), { throwIfAllFail: false })
    }
    await space.build()
    const full = new Stopwatch()
    await full.run(() => space.build({ full: true }))
    await space.close()
    await store.remove('beside')
    return full.cost
  }

  async #idleAndQueries(): Promise<number> {
    const space = await this.#open('space', await withOtherIdentity())
    this.#add('SKIP', 1, await this.#typical(() => space.build()), null, '', { atMostMs: 5 }, 'builds')
    const tick = this.#watch()
    const { entitiesAffected } = await tick.run(() => space.tick({ asOf: LATER }))
    this.#add('tick', entitiesAffected, tick.cost, null, '', { perSecond: 50_000 }, 'due entities')
    const idle = await this.#typical(() => space.tick({ asOf: LATER }))
    this.#add('tick with nothing due', 1, idle, null, '', { atMostMs: 5 }, 'ticks')

    await using floor = await this.#store.floor('space')
    for (const [name, query] of [
      ['table', space.table('customer')],
      ['asOf', space.history('customer').asOf('2024-03-15')],
    ] as const) {
      const { text, params } = query.sql()
      const watch = this.#watch()
      const rows = await watch.run(() => query.rows())
      this.#add(name, rows.length, watch.cost, await floor.query(text, params), 'the same SQL', 0.4, 'rows')
    }
    const { entities } = await space.stats()
    await space.close()
    return Object.values(entities).reduce((sum, count) => sum + count, 0)
  }

  #watch(): Stopwatch {
    return new Stopwatch(this.#store.clock)
  }

  async #cost(work: () => Promise<unknown>): Promise<Cost> {
    const watch = this.#watch()
    await watch.run(work)
    return watch.cost
  }

  /** The middle of 21 runs. */
  async #typical(work: () => Promise<unknown>): Promise<Cost> {
    const costs: Cost[] = []
    for (let i = 0; i < 21; i++) costs.push(await this.#cost(work))
    return costs.sort((a, b) => a.ms - b.ms)[10] as Cost
  }

  /** Moves the clock to the newest of these records. */
  #passTo(lines: readonly string[]): void {
    for (const line of lines) this.#now = Math.max(this.#now, timeOf(line))
  }

  #open(name: string, definitions?: Definitions, store = this.#store): Promise<Defacto> {
    const options = {
      ...store.place(name),
      clock: () => new Date(this.#now),
      batchSize: BATCH,
      logLevel: 'ERROR',
      catchUp: false,
    } as const
    return definitions === undefined
      ? Defacto.fromDirectory(DEFINITIONS, options)
      : Defacto.fromConfig(definitions, options)
  }

  #add(
    work: string,
    count: number,
    ours: Cost,
    limit: Cost | null,
    limitName: string,
    target: Measured['target'],
    unit = 'events',
  ): void {
    this.results.push({ work, unit, count, ours, limit, limitName, target })
  }
}

/** When a record of the app happened, in milliseconds; 0 where it does not say so in the usual way. */
function timeOf(line: string): number {
  return Date.parse(/"at":"([^"]+)"/.exec(line)?.[1] ?? '') || 0
}

/** The same definitions with one identity rule written differently. */
async function withOtherIdentity(): Promise<Definitions> {
  const object = (await Definitions.fromDirectory(DEFINITIONS)).toObject()
  const customer = object.entities['customer']
  if (customer === undefined) throw new Error('no entity customer')
  const identity = { ...customer.identity, account_id: { normalize: 'str::trim(value)' } }
  return Definitions.fromObject({ ...object, entities: { ...object.entities, customer: { ...customer, identity } } })
}

const [name = '', lines = ''] = process.argv.slice(2)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-'))
try {
  await using store = await openStore(name as StoreName, scratch)
  process.stdout.write(JSON.stringify(await new Bench(store, scratch, Number(lines)).run()))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
