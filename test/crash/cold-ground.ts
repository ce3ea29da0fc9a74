/** A database with its archive, opened for one call at a time as by programs that come and go. */
import { copyFileSync, rmSync } from 'node:fs'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { readWorld } from '../support/world.ts'
import { expectArchived } from './cold-job.ts'
import type { CrashPlace } from './places.ts'
import { EDITIONS, END, type Expected, NOW, type Workshop } from './shop-job.ts'

/** Failures are what some tests are about. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

export class Ground {
  readonly shop: Workshop
  readonly place: CrashPlace
  readonly coldLedger: NonNullable<DefactoOptions['coldLedger']>
  definitions: never = EDITIONS[0] as never

  constructor(shop: Workshop, place: CrashPlace, coldLedger: NonNullable<DefactoOptions['coldLedger']>) {
    this.shop = shop
    this.place = place
    this.coldLedger = coldLedger
  }

  get options(): DefactoOptions {
    return { database: this.place.database, coldLedger: this.coldLedger }
  }

  open(options: DefactoOptions = {}): Promise<Defacto> {
    return Defacto.fromConfig(this.definitions, { ...this.#usual(), ...this.options, ...options }) as never
  }

  restore(): Promise<{ rows: number; head: number }> {
    return Defacto.restore(this.definitions, { ...this.#usual(), ...this.options })
  }

  /** Opens it, and closes it again. */
  async during<T>(work: (engine: Defacto) => Promise<T>, options: DefactoOptions = {}): Promise<T> {
    const engine = await this.open(options)
    try {
      return await work(engine)
    } finally {
      await engine.close()
    }
  }

  ingest(from: number, to: number, options: DefactoOptions = {}): Promise<unknown> {
    const records = this.shop.records.slice(from, to)
    return this.during((engine) => engine.ingest('kiosk', records, { process: true, throwIfAllFail: false }), options)
  }

  /** Everything goes to the archive, and all but the last rows leave the database. */
  archive(keep = 0): Promise<void> {
    return this.during(async (engine) => {
      const { tiers } = engine.ledger
      await tiers.flush()
      await tiers.prune({ before: Math.max(0, (await tiers.status()).head - keep) })
    })
  }

  /** A copy of the file of a SQLite database that nobody has open. */
  backup(): string {
    const copy = `${this.place.database}.backup`
    copyFileSync(this.place.database, copy)
    return copy
  }

  putBack(copy: string): void {
    for (const suffix of ['-wal', '-shm', '']) rmSync(this.place.database + suffix, { force: true })
    copyFileSync(copy, this.place.database)
  }

  /** What there is of the history that does not depend on the ids of entities, and the events behind it. */
  known(): Promise<object> {
    return this.during(async (engine) => {
      const groups: string[][] = []
      for (const type of ['member', 'loan']) {
        const rows = (await engine.history(type).rows()) as unknown as Record<string, string>[]
        for (const id of new Set(rows.map((row) => row[`${type}_id`] as string))) {
          groups.push((await engine.ledger.eventsFor(id)).map(({ eventId }) => eventId))
        }
      }
      const counts = [await engine.ledger.count(), await engine.ledger.count({ source: 'kiosk' })]
      return { groups: groups.sort(), counts, world: await readWorld(engine, this.definitions) }
    })
  }

  /** Nothing is left to do, and what came out is what was expected. */
  async end(expected: Expected): Promise<void> {
    await this.during((engine) => engine.build())
    await this.during((engine) => engine.tick({ asOf: END }))
    await expectArchived(this.place, this.definitions, expected, this.options)
    await this.place.remove()
  }

  #usual(): DefactoOptions {
    return { clock: () => new Date(NOW), logger: SILENT }
  }
}
