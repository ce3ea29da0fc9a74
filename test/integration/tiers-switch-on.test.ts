/** A ledger that got a cold tier late in its life, beside a twin that never does: both always say the same. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { describePostgres } from '../support/postgres.ts'
import { postgresPlace } from '../support/postgres-place.ts'
import { room } from '../support/room.ts'
import { type Place, sqlitePlace } from '../support/scenario.ts'
import { type ShopDefinitions, shopDefinitions, shopRecords } from '../support/shop-records.ts'
import { readWorld } from '../support/world.ts'

type Events = Record<string, Record<string, unknown>>

/** The shop with other events. */
function shopWith(edit: (events: Events) => void): ShopDefinitions {
  const definitions = shopDefinitions()
  edit((definitions.sources['kiosk'] as unknown as { events: Events }).events)
  return definitions
}

const PLAIN = shopDefinitions()
/** Only the first tier of a card counts: rows that are there already become duplicates. */
const ONE_TIER = shopWith((events) => Object.assign(events['tier_changed'] as object, { event_id: ['card_no'] }))
/** Rows of this type are nobody's any more. */
const NO_BANS = shopWith((events) => delete events['member_banned'])

const RECORDS = shopRecords(160, 11)
const END = '2024-12-31T00:00:00Z'

/** A ledger and everything that can be read of it. */
class Twin {
  readonly #place: Place
  readonly #more: DefactoOptions
  #definitions: ShopDefinitions = PLAIN
  #engine: Defacto | null = null
  #ids = 0

  constructor(place: Place, more: DefactoOptions = {}) {
    this.#place = place
    this.#more = more
  }

  get engine(): Defacto {
    if (this.#engine === null) throw new Error('not open')
    return this.#engine
  }

  async open(definitions: ShopDefinitions, tiered: boolean): Promise<void> {
    await this.#engine?.close()
    this.#definitions = definitions
    this.#engine = (await Defacto.fromConfig(definitions as never, {
      ...this.#place.options,
      ...(tiered ? this.#more : {}),
      clock: () => new Date('2024-07-10T00:00:00Z'),
      // The same in both.
      newId: () => `entity-${String(++this.#ids).padStart(6, '0')}`,
      logLevel: 'ERROR',
    })) as unknown as Defacto
  }

  async said(): Promise<object> {
    const events: object[] = []
    for await (const event of this.engine.ledger.scan()) events.push(event)
    const members = (await this.engine.history('member').rows()) as unknown as { member_id: string }[]
    const groups: Record<string, object> = {}
    for (const { member_id } of members) groups[member_id] = await this.engine.ledger.eventsFor(member_id)
    const count = await this.engine.ledger.count({ source: 'kiosk' })
    return { events, groups, count, world: await readWorld(this.engine, this.#definitions) }
  }

  async end(): Promise<void> {
    await this.#engine?.close()
    await this.#place.dispose()
  }
}

for (const { name, scope, place } of [
  { name: 'SQLite', scope: describe, place: sqlitePlace },
  { name: 'Postgres', scope: describePostgres, place: postgresPlace },
]) {
  scope(`a cold tier for a ledger in ${name} that has lived`, () => {
    let folder: string
    beforeAll(() => {
      folder = mkdtempSync(join(room(), 'defacto-tiers-'))
    })
    afterAll(() => rmSync(folder, { recursive: true }))

    test('with duplicates, excluded rows and several versions: nobody notices', async () => {
      const coldLedger = join(folder, name)
      mkdirSync(coldLedger)
      const [hot, tiered] = [new Twin(await place()), new Twin(await place(), { coldLedger })]
      const both = async (work: (twin: Twin) => Promise<unknown>): Promise<void> => {
        for (const twin of [hot, tiered]) await work(twin)
        expect(await tiered.said()).toEqual(await hot.said())
      }
      const ingest = (from: number, to: number) => (twin: Twin) =>
        twin.engine.ingest('kiosk', RECORDS.slice(from, to), { process: true, throwIfAllFail: false })
      const change = (definitions: ShopDefinitions, on: boolean) => async (twin: Twin) => {
        await twin.open(definitions, on)
        await twin.engine.build()
      }

      await both((twin) => twin.open(PLAIN, false))
      await both(ingest(0, 80))
      await both(change(ONE_TIER, false))
      const marked = (await scan(hot)).filter(({ duplicateOf }) => duplicateOf !== null)
      expect(marked.length).toBeGreaterThan(0)
      await both(change(NO_BANS, false))

      // From here on one of them has two tiers.
      await both((twin) => twin.open(NO_BANS, true))
      const { tiers } = tiered.engine.ledger
      const { head } = await tiers.status()
      expect(await tiers.flush()).toBe(head)
      expect(await tiers.prune({ before: head - 10 })).toBe(head - 10)
      await both((twin) => twin.engine.build({ full: true }))
      // Records that were taken in before, among them such as are duplicates or nobody's now.
      await both(ingest(40, 120))
      await both(change(ONE_TIER, true))
      await both(change(PLAIN, true))
      await tiered.engine.ledger.tiers.flush()
      await tiered.engine.ledger.tiers.prune()
      await both(ingest(100, 160))
      await both(change(NO_BANS, true))
      await both((twin) => twin.engine.build({ fromRaw: true }))
      await both((twin) => twin.engine.tick({ asOf: END }))
      await tiered.engine.ledger.tiers.flush()
      expect((await tiered.engine.ledger.tiers.verify()).problems).toEqual([])
      await hot.end()
      await tiered.end()
    })
  })
}

async function scan({ engine }: Twin): Promise<{ duplicateOf: number | null }[]> {
  const events: { duplicateOf: number | null }[] = []
  for await (const event of engine.ledger.scan()) events.push(event)
  return events
}
