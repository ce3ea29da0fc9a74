/** Statements over a tiered ledger use their indexes, with fresh statistics as without any. */
import { beforeAll, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { day, event } from '../../src/testing/contract/fixtures.ts'
import { tier } from '../../src/testing/contract/tiering.ts'
import { describePostgres, type FreshNamespace } from '../support/postgres.ts'
import { type Case, check, STATISTICS, type WatchedPlace, watchedPlace } from '../support/postgres-plans.ts'

const EVENTS = 20_000
const PRUNED = EVENTS / 2

const entity = (i: number): string => `entity ${(i * 7) % (EVENTS / 10)}`
const sequences = Array.from({ length: 200 }, (_, i) => i * 50 + 1)
const timestamp = (i: number) => day(1 + Math.floor((i * 30) / EVENTS))
const renewed = (i: number) => event(`e${i}`, { dataJson: '{"n":1}', timestamp: timestamp(i) })

/** Everything is archived, and half of it gone from the ledger. */
async function fill({ url, namespace }: FreshNamespace): Promise<void> {
  const store = await openPostgresStore({ url, namespace, now: () => NOW })
  const events = Array.from({ length: EVENTS }, (_, i) => event(`e${i + 1}`, { timestamp: timestamp(i) }))
  const mappings = events.map((_, i) => ({ sequence: i + 1, entityId: entity(i), entityType: 'm' }))
  await inUnit(store, async (unit) => {
    await store.ledger.append(unit, events)
    await store.mapping.write(unit, mappings)
  })
  await tier(store, 'pruned')
  await inUnit(store, async (unit) => {
    const changes = mappings.map(({ sequence }) => ({ sequence, change: { hints: '{}' } }))
    await store.tiers.stage(unit, 1, changes)
  })
  await store.close()
}

const SHARD = { id: 1, total: 4 }
const CASES: readonly Case[] = [
  { name: 'state', indexes: [], run: ({ tiers }) => tiers.state() },
  { name: 'lock', indexes: [], run: ({ tiers }, unit) => tiers.lock(unit) },
  {
    name: 'append',
    indexes: ['event_ids_event_id'],
    avoids: 'ledger_event_id',
    run: ({ ledger }, unit) => ledger.append(unit, [...sequences.map((i) => renewed(i)), event('new')]),
  },
  {
    name: 'sequenceOf',
    indexes: ['event_ids_event_id', 'ledger_event_id'],
    run: ({ tiers }) => tiers.sequenceOf('e77'),
  },
  {
    name: 'countAfter',
    indexes: ['event_ids_skipped', 'ledger_skipped'],
    run: ({ ledger }) => ledger.countAfter(100),
  },
  {
    name: 'countUnmapped',
    indexes: ['event_ids_skipped', 'event_entities_pkey'],
    run: ({ ledger }) => ledger.countUnmapped(19_000, EVENTS),
  },
  {
    name: 'membersOf',
    indexes: ['event_entities_entity'],
    run: ({ tiers }, unit) => tiers.membersOf(unit, sequences.map(entity), PRUNED),
  },
  {
    name: 'membersIn',
    indexes: ['event_entities_pkey'],
    run: ({ tiers }, unit) => tiers.membersIn(unit, { after: 5000, to: 6000 }),
  },
  {
    name: 'membersIn of a shard',
    indexes: ['event_entities_pkey'],
    shard: SHARD,
    run: ({ tiers }, unit) => tiers.membersIn(unit, { after: 5000, to: 6000 }),
  },
  ...[null, SHARD].map(
    (shard): Case => ({
      name: `members of ${shard === null ? 'everything' : 'a shard'}`,
      indexes: ['event_entities_pkey'],
      ...(shard === null ? {} : { shard }),
      run: ({ tiers }) => drain(tiers.members({ to: PRUNED, afterEntity: 'entity 5', chunk: 500 })),
    }),
  ),
  {
    name: 'rows',
    indexes: ['ledger_pkey'],
    avoids: 'ledger_event_id',
    run: ({ tiers }) => drain(tiers.rows({ after: PRUNED, to: PRUNED + 1000, chunk: 500 })),
  },
  { name: 'prune', indexes: ['ledger_pkey'], run: ({ tiers }, unit) => tiers.prune(unit, PRUNED + 1000) },
  {
    name: 'firstSequence',
    indexes: [],
    run: ({ tiers }) => tiers.firstSequence({ after: PRUNED, since: day(20).toString(), until: day(21).toString() }),
  },
  {
    // Where nothing is a repeat, the index of skipped rows is as good.
    name: 'repeatsOf',
    indexes: [],
    run: ({ ledger }, unit) => ledger.repeatsOf(unit, sequences),
  },
  { name: 'excluded', indexes: ['ledger_skipped', 'event_ids_skipped'], run: ({ ledger }) => drain(ledger.excluded()) },
  {
    name: 'empty',
    indexes: ['event_ids_pkey', 'event_ids_event_id', 'ledger_pkey', 'tier_jobs_pkey'],
    run: ({ ledger }, unit) =>
      ledger.empty(
        unit,
        sequences.map((sequence) => ({ sequence, digest: `d${sequence}` })),
      ),
  },
  {
    name: 'renormalize',
    indexes: ['event_ids_pkey', 'event_ids_event_id'],
    run: ({ ledger }, unit) =>
      ledger.renormalize(
        unit,
        Array.from({ length: 200 }, (_, i) => ({ sequence: i + 7001, event: i % 9 === 0 ? null : renewed(i + 7100) })),
      ),
  },
  {
    name: 'mappedByEntity above the archived rows',
    indexes: ['ledger_pkey'],
    run: ({ ledger }) => drain(ledger.mappedByEntity({ afterEntity: null, after: EVENTS - 500, to: EVENTS })),
  },
  {
    name: 'staged',
    indexes: ['tier_jobs_pkey'],
    run: ({ tiers }) => tiers.staged(1, { from: 5000, to: 6000 }),
  },
]

for (const statistics of STATISTICS) {
  describePostgres(`plans of a tiered ledger ${statistics}`, () => {
    let place: WatchedPlace
    beforeAll(async () => {
      place = await watchedPlace(statistics, ['ledger', 'event_entities', 'event_ids', 'tier_jobs'], fill)
      return () => place.dispose()
    })

    for (const one of CASES) it(one.name, () => check(place, one))
  })
}
