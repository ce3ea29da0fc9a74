/** Statements over ledger, identity and mappings use their indexes, with fresh statistics as without any. */
import assert from 'node:assert/strict'
import { beforeAll, it } from 'vitest'
import { PostgresLedger } from '../../src/adapters/postgres/ledger.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { drain, NOW, unitOf } from '../../src/testing/contract/backend.ts'
import { at, event } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, type FreshNamespace } from '../support/postgres.ts'
import {
  type Case,
  check,
  isWhole,
  planOf,
  STATISTICS,
  type WatchedPlace,
  watchedPlace,
} from '../support/postgres-plans.ts'

const EVENTS = 20_000

const entity = (i: number): string => `entity ${(i * 7) % (EVENTS / 10)}`
const sequences = Array.from({ length: 200 }, (_, i) => i * 50 + 1)
const keys = Array.from({ length: 200 }, (_, i) => ({ entityType: 'm', hintType: 'k', value: `${i * 9}` }))
const renewed = (i: number) => event(`e${i}`, { dataJson: '{"n":1}', timestamp: at('2024-01-01T00:00:00Z') })

async function fill({ url, namespace }: FreshNamespace): Promise<void> {
  const store = await openPostgresStore({ url, namespace, now: () => NOW })
  await store.transaction(async (tx) => {
    const unit = unitOf(tx)
    const events = Array.from({ length: EVENTS }, (_, i) =>
      event(`e${i}`, { rawJson: `{"text":"${'x'.repeat(200)}"}`, hintsJson: `{"m":{"k":"${i}"}}` }),
    )
    await store.ledger.append(unit, events)
    await store.mapping.write(
      unit,
      events.map((_, i) => ({ sequence: i + 1, entityId: entity(i), entityType: 'm' })),
    )
    await store.identity.insert(
      unit,
      events.map((_, i) => ({ entityType: 'm', hintType: 'k', value: `${i}`, entityId: entity(i) })),
    )
  })
  await store.close()
}

const GUARDS = { digestOf: (id: string) => `digest of ${id}`, treated: () => assert.fail('nothing is treated') }

const BY_SEQUENCE = ['event_entities_pkey', 'ledger_pkey']
const BY_ENTITY = ['event_entities_entity', 'ledger_pkey']
const SHARD = { id: 1, total: 4 }
const CASES: readonly Case[] = [
  {
    name: 'append',
    indexes: ['ledger_event_id'],
    run: ({ ledger }, unit) => ledger.append(unit, [...sequences.map((i) => renewed(i)), event('new')]),
  },
  {
    name: 'scan',
    indexes: ['ledger_pkey'],
    // It has every row, so that adding it to the range would read the whole index for each page.
    avoids: 'ledger_event_id',
    run: ({ ledger }) => drain(ledger.scan({ after: 5000, to: 6000, chunk: 500 })),
  },
  {
    name: 'mappedRange',
    indexes: BY_SEQUENCE,
    run: ({ ledger }, unit) => ledger.mappedRange(unit, { after: 5000, to: 6000 }),
  },
  {
    name: 'mappedRange of a shard',
    indexes: BY_SEQUENCE,
    shard: SHARD,
    run: ({ ledger }, unit) => ledger.mappedRange(unit, { after: 5000, to: 6000 }),
  },
  {
    name: 'mappedFor',
    indexes: BY_ENTITY,
    run: ({ ledger }, unit) => ledger.mappedFor(unit, sequences.map(entity), EVENTS),
  },
  { name: 'eventsFor', indexes: BY_ENTITY, run: ({ ledger }) => ledger.eventsFor(entity(5)) },
  { name: 'event by id', indexes: ['ledger_event_id'], run: ({ ledger }) => ledger.event({ eventId: 'e77' }) },
  { name: 'event by sequence', indexes: ['ledger_pkey'], run: ({ ledger }) => ledger.event({ sequence: 77 }) },
  { name: 'raws', indexes: ['ledger_pkey'], run: ({ ledger }) => ledger.raws(sequences) },
  { name: 'countAfter', indexes: ['ledger_skipped'], run: ({ ledger }) => ledger.countAfter(100) },
  {
    name: 'countUnmapped',
    indexes: ['event_entities_pkey', 'ledger_skipped'],
    run: ({ ledger }) => ledger.countUnmapped(19_000, EVENTS),
  },
  {
    name: 'append where erased events are refused',
    indexes: ['ledger_event_id'],
    run: async ({ ledger }, unit) => {
      await ledger.guard(unit, { suppressing: true })
      await ledger.append(
        unit,
        sequences.map((i) => renewed(i)),
        GUARDS,
      )
    },
  },
  { name: 'rows', indexes: ['ledger_pkey'], run: ({ ledger }) => drain(ledger.rows(sequences)) },
  {
    // Where nothing is a repeat, the index of skipped rows is as good.
    name: 'repeatsOf',
    indexes: [],
    run: ({ ledger }, unit) => ledger.repeatsOf(unit, sequences),
  },
  { name: 'excluded', indexes: ['ledger_skipped', 'event_ids_skipped'], run: ({ ledger }) => drain(ledger.excluded()) },
  {
    name: 'empty',
    indexes: ['ledger_pkey', 'ledger_event_id'],
    run: ({ ledger }, unit) =>
      ledger.empty(
        unit,
        sequences.map((sequence) => ({ sequence, digest: `d${sequence}` })),
      ),
  },
  {
    name: 'treat',
    indexes: ['ledger_pkey'],
    run: ({ ledger }, unit) =>
      ledger.treat(
        unit,
        sequences.map((sequence) => ({ sequence, data: '{}', raw: '{}', hints: '{}', kinds: null, redaction: '{}' })),
      ),
  },
  {
    name: 'renormalize',
    indexes: ['ledger_pkey', 'ledger_event_id'],
    run: ({ ledger }, unit) =>
      ledger.renormalize(
        unit,
        Array.from({ length: 200 }, (_, i) => ({ sequence: i + 7001, event: i % 9 === 0 ? null : renewed(i + 7100) })),
      ),
  },
  {
    name: 'updateHints',
    indexes: ['ledger_pkey'],
    run: ({ ledger }, unit) =>
      ledger.updateHints(
        unit,
        Array.from({ length: 200 }, (_, i) => ({ sequence: i + 7001, hintsJson: '{}' })),
      ),
  },
  { name: 'lookup', indexes: ['identity_pkey'], run: ({ identity }, unit) => identity.lookup(unit, keys) },
  { name: 'lookupAll', indexes: ['identity_pkey'], run: ({ identity }) => identity.lookupAll('77') },
  { name: 'hintsFor', indexes: ['identity_entity'], run: ({ identity }) => identity.hintsFor(entity(5)) },
  { name: 'all hints', indexes: ['identity_pkey'], run: ({ identity }) => drain(identity.all(500)) },
  {
    name: 'merge',
    indexes: ['identity_entity', 'event_entities_entity'],
    run: ({ identity }, unit) => identity.merge(unit, 'm', entity(5), entity(6), 'test'),
  },
  {
    name: 'family',
    indexes: ['identity_entity', 'event_entities_entity'],
    run: ({ identity }, unit) => identity.family(unit, entity(5)),
  },
  {
    name: 'hintsOf',
    indexes: ['identity_entity'],
    run: ({ identity }, unit) => identity.hintsOf(unit, [entity(5), entity(6)]),
  },
  {
    name: 'erase identity',
    indexes: ['identity_entity', 'event_entities_entity'],
    run: ({ identity }, unit) => identity.erase(unit, [entity(5), entity(6)]),
  },
  {
    name: 'redact identity',
    indexes: ['identity_pkey'],
    run: ({ identity }, unit) =>
      identity.redact(unit, [{ entityType: 'm', hintType: 'k', value: '5', entityId: entity(5), token: 'f' }], true),
  },
  { name: 'hasTokens', indexes: ['identity_redacted'], run: ({ identity }, unit) => identity.hasTokens(unit) },
  {
    name: 'tokens',
    indexes: ['identity_redacted'],
    run: ({ identity }, unit) => identity.tokens(unit, ['5', '6'], { sticky: true }),
  },
  {
    name: 'existing',
    indexes: ['event_entities_entity'],
    run: ({ mapping }, unit) => mapping.existing(unit, ['nobody', ...sequences.map(entity)]),
  },
  { name: 'entityType', indexes: ['event_entities_entity'], run: ({ mapping }) => mapping.entityType('nobody') },
]

for (const statistics of STATISTICS) {
  describePostgres(`plans of the Postgres ledger ${statistics}`, () => {
    let place: WatchedPlace
    beforeAll(async () => {
      place = await watchedPlace(statistics, ['ledger', 'event_entities', 'identity'], fill)
      return () => place.dispose()
    })

    for (const one of CASES) it(one.name, () => check(place, one))

    for (const shard of [null, SHARD]) {
      it(`mappedByEntity of ${shard === null ? 'everything' : 'a shard'}`, async () => {
        const { database, names } = place
        const ledger = new PostgresLedger({ database, names, shard })
        database.statements.length = 0
        await drain(ledger.mappedByEntity({ afterEntity: null, to: EVENTS }))
        const [end, page] = await Promise.all(database.statements.map((statement) => planOf(database, statement)))
        assert.ok(end?.some((node) => node['Index Name'] === 'event_entities_entity'))
        // The page is everything here, so that reading the mappings in one go is right; of the ledger it never is.
        assert.ok(page?.some((node) => node['Index Name'] === 'ledger_pkey'))
        assert.ok(!page?.some((node) => isWhole(node) && node['Relation Name'] === 'ledger'))
      })
    }
  })
}
