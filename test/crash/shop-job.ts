/** What the crash tests work on: shop records, three editions of the definitions, and the history that must come out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle, type World } from '../oracle/oracle.ts'
import { room } from '../support/room.ts'
import { type ShopDefinitions, shopDefinitions, shopRecords } from '../support/shop-records.ts'
import { readWorld, sorted } from '../support/world.ts'
import type { CrashPlace } from './places.ts'

export const NOW = '2024-07-10T00:00:00Z'
export const END = '2024-12-31T00:00:00Z'

type Loose = Record<string, Record<string, never>>

function edited(edit: (definitions: { entities: Loose; sources: Loose }) => void): ShopDefinitions {
  const copy = JSON.parse(JSON.stringify(shopDefinitions()))
  edit(copy)
  return copy
}

/** As in the spec; with e-mail addresses compared exactly; with another deposit rule and one event type less. */
export const EDITIONS: readonly ShopDefinitions[] = [
  shopDefinitions(),
  edited((d) => Object.assign(d.entities['member'] as object, { identity: { email: {}, card_no: {} } })),
  edited((d) => {
    const { events } = d.sources['kiosk'] as unknown as { events: Record<string, { mappings: Record<string, object> }> }
    Object.assign(events['tool_borrowed']?.mappings as object, { deposit: { compute: 'event.loan.deposit * 2' } })
    delete events['member_banned']
  }),
]

export interface Workshop {
  folder: string
  records: object[]
  recordsFile: string
  remove(): void
}

export function workshop(count: number, seed: number): Workshop {
  const folder = mkdtempSync(join(room(), 'defacto-crash-'))
  const records = shopRecords(count, seed)
  const recordsFile = join(folder, 'records.json')
  writeFileSync(recordsFile, JSON.stringify(records))
  return {
    folder,
    records,
    recordsFile,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface Expected {
  world: World
  events: number
  /** Null: repeats that came during a renormalization may have left their sequences behind. */
  head: number | null
}

/** The history of these records under `last`, when they were taken in under `first`. */
export function expectedOf(records: readonly object[], first: ShopDefinitions, last: ShopDefinitions): Expected {
  const deliveries: Delivery[] = records.map((record) => ({ source: 'kiosk', record }))
  const { rejected, duplicates } = oracle(first as unknown as Defs, deliveries, null)
  const out = new Set([...duplicates, ...rejected.map(({ index }) => index)])
  const kept = deliveries.filter((_, index) => !out.has(index))
  return {
    world: sorted(oracle(last as unknown as Defs, kept, Date.parse(END)).world),
    events: kept.length,
    head: kept.length,
  }
}

/**
 * The same where several processes took records in at once: which of two equal events came first was up to the race, so
 * the reference gets them in the order of the ledger. That holds each event once.
 */
export async function expectedInOrder(
  { database }: CrashPlace,
  records: readonly object[],
  definitions: ShopDefinitions,
): Promise<Expected> {
  await using engine = await Defacto.fromConfig(definitions as never, { database, logLevel: 'ERROR', catchUp: false })
  const deliveries: Delivery[] = []
  for await (const { source, raw } of engine.ledger.scan()) deliveries.push({ source, record: raw })
  const { world, rejected, duplicates } = oracle(definitions as unknown as Defs, deliveries, Date.parse(END))
  expect(rejected).toEqual([])
  expect(duplicates).toEqual([])
  expect(deliveries).toHaveLength(expectedOf(records, definitions, definitions).events)
  return { world: sorted(world), events: deliveries.length, head: null }
}

/**
 * The space is sound, holds every event once, has nothing left to do for any shard, and its history is the expected one.
 */
export async function expectIntact(
  place: CrashPlace,
  definitions: ShopDefinitions,
  expected: Expected,
  { shards = 1, options = {} }: { shards?: number; options?: DefactoOptions } = {},
): Promise<void> {
  for (let shardId = 0; shardId < shards; shardId += 1) {
    await using engine = await Defacto.fromConfig(definitions as never, {
      database: place.database,
      ...(shards === 1 ? {} : { shardId, totalShards: shards }),
      clock: () => new Date(NOW),
      logLevel: 'ERROR',
      catchUp: false,
      ...options,
    })
    const status = await engine.buildStatus()
    expect(status).toMatchObject({ dirty: false, pendingEvents: 0, cursor: expected.head ?? status.cursor })
    expect(await engine.nextBuild()).toMatchObject({ mode: 'SKIP' })
    if (shardId > 0) continue
    expect(await engine.ledger.count()).toBe(expected.events)
    expect(await readWorld(engine as unknown as Defacto, definitions)).toEqual(expected.world)
  }
  await place.expectSound()
}
