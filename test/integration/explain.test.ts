/** Where values came from: `explain` and the timeline against what is in the tables (spec 06 §8). */
import '../support/small-units.ts'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Defacto, type Explanation, NotFoundError } from '../../src/index.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'
import { inFolder, inPlace, type Place, sqlitePlace, tieredPlace } from '../support/scenario.ts'
import { openSubscriptions, RECORDS, record, SUBSCRIPTIONS } from '../support/subscriptions.ts'
import { worldArbitrary } from '../support/world-arbitrary.ts'

const at = (day: number): string => `2024-01-${String(day).padStart(2, '0')}T00:00:00+00:00`

/** Ana's whole story: she pays, leaves, comes back, and is silent for a month. */
const STORY = [
  ...RECORDS,
  record('left', 'ana@x', 5),
  record('upgraded', 'ana@x', 6, { sub: { plan: 'team' }, n: 1, unit: 1 }),
]

async function withSpace(
  work: (space: Defacto<typeof SUBSCRIPTIONS>, ana: string) => Promise<void>,
  make: () => Promise<Place> = sqlitePlace,
): Promise<void> {
  await inPlace(make, async (options) => {
    await using space = await openSubscriptions({ ...options, version: 'v1' })
    await space.ingest('crm', STORY, { process: true })
    await work(space, (await space.identity.lookup('ana@x')) as string)
  })
}

async function postgresPlace(): Promise<Place> {
  const { url, drop } = await freshDatabase()
  return { options: { database: url }, dispose: drop }
}

describe('explain', () => {
  test('an effect: event, handler, mapping and raw field', () =>
    withSpace(async (space, ana) => {
      const raw = STORY[1]
      expect(await space.explain(ana, 'plan', { asOf: '2024-01-04T12:00:00+02:00' })).toEqual({
        entityId: ana,
        entityType: 'customer',
        property: 'plan',
        version: 'v1',
        definitionHash: (await space.buildStatus()).definitionHash,
        asOf: '2024-01-04T10:00:00+00:00',
        value: 'pro',
        before: 'free',
        validFrom: at(2),
        validTo: at(5),
        origin: 'event',
        summary: `plan: set by event upgraded (sequence 2) at ${at(2)} through customer.states.lead.when.upgraded.effects[0]`,
        cause: {
          kind: 'event',
          sequence: 2,
          eventId: (await space.ledger.event({ sequence: 2 }))?.eventId,
          eventType: 'upgraded',
          timestamp: at(2),
          source: 'crm',
          rawDigest: hash('sha256', JSON.stringify(raw)),
        },
        path: 'customer.states.lead.when.upgraded.effects[0]',
        definition: { set: { property: 'plan', from: 'event.plan' } },
        inputs: [
          {
            read: 'event.plan',
            value: 'pro',
            mapping: 'sources.crm.events.upgraded.mappings.plan',
            rawFields: ['sub.plan'],
            compute: null,
          },
        ],
      })
      expect(await space.explain(ana, 'since', { asOf: at(3) })).toMatchObject({
        path: 'customer.always.upgraded.effects[0]',
        inputs: [{ read: 'event.timestamp', value: at(2), mapping: 'sources.crm.timestamp', rawFields: ['at'] }],
      })
    }))

  test('computations list what they read, as it was when they ran', () =>
    withSpace(async (space, ana) => {
      const mrr = await space.explain(ana, 'mrr', { asOf: at(3) })
      expect(mrr).toMatchObject({ value: 30, before: null, origin: 'event' })
      expect(mrr.inputs).toEqual([
        {
          read: 'event.seats',
          value: 2,
          mapping: 'sources.crm.events.upgraded.mappings.seats',
          rawFields: ['n'],
          compute: null,
        },
        { read: 'entity.seats', value: 0, mapping: null, rawFields: [], compute: null },
        {
          read: 'event.price',
          value: 10,
          mapping: 'sources.crm.events.upgraded.mappings.price',
          rawFields: ['unit', 'n'],
          compute: 'event.unit * event.n',
        },
      ])
      expect(await space.explain(ana, 'score', { asOf: at(3) })).toMatchObject({
        value: 6,
        before: 0,
        origin: 'computed',
        path: 'customer.properties.score.compute',
        definition: 'entity.seats * 2',
        inputs: [{ read: 'entity.seats', value: 3 }],
        cause: { sequence: 2 },
      })
      expect(await space.explain(ana, 'seats')).toMatchObject({
        value: 6,
        before: 3,
        validFrom: at(6),
        path: 'customer.states.lead.when.upgraded.effects[2]',
        definition: { increment: { property: 'seats', by: 3 } },
        inputs: [{ read: 'entity.seats', value: 3 }],
      })
    }))

  test('defaults, nothing, what was cleared, and the time before', () =>
    withSpace(async (space, ana) => {
      expect(await space.explain(ana, 'plan', { asOf: at(1) })).toMatchObject({
        value: 'free',
        origin: 'default',
        path: 'customer.properties.plan.default',
        definition: 'free',
        validFrom: at(1),
        validTo: at(2),
        cause: { eventType: 'signed' },
      })
      expect(await space.explain(ana, 'note')).toMatchObject({
        value: null,
        origin: 'never_set',
        path: null,
        validFrom: at(1),
        validTo: null,
      })
      expect(await space.explain(ana, 'plan', { asOf: at(5) })).toMatchObject({
        value: null,
        before: 'pro',
        origin: 'cleared',
        path: 'customer.states.paying.when.left.effects[0]',
        inputs: [],
        validTo: at(6),
      })
      expect(await space.explain(ana, 'plan', { asOf: '2023-12-31' })).toMatchObject({
        value: null,
        origin: 'not_created',
        validFrom: null,
        validTo: at(1),
        cause: null,
        path: null,
      })
    }))

  test('states, by their own name and by that of the column, and time rules', () =>
    withSpace(async (space, ana) => {
      expect(await space.explain(ana, 'state', { asOf: at(1) })).toMatchObject({
        value: 'lead',
        before: null,
        origin: 'event',
        path: 'customer.states.lead.when.signed.effects[0]',
        definition: 'create',
      })
      const paying = await space.explain(ana, 'customer_state')
      expect(paying).toMatchObject({
        property: 'state',
        value: 'paying',
        before: 'lead',
        validFrom: at(6),
        path: 'customer.states.lead.when.upgraded.effects[4]',
        inputs: [{ read: 'event.plan', value: 'team' }],
      })
      await space.tick({ asOf: '2024-06-01' })
      const due = '2024-02-05T00:00:00+00:00'
      expect(await space.explain(ana, 'vip', { asOf: '2024-06-01' })).toMatchObject({
        value: false,
        origin: 'time_rule',
        cause: { kind: 'time_rule', rule: 'paying.after[0]', timestamp: due },
        path: 'customer.states.paying.after[0].effects[0]',
        definition: { set: { property: 'vip', value: false } },
      })
      expect(await space.explain(ana, 'state', { asOf: '2024-06-01' })).toMatchObject({
        value: 'lead',
        before: 'paying',
        validFrom: due,
        path: 'customer.states.paying.after[0].effects[1]',
      })
    }))

  test('merged entities answer as their survivor; other versions by their own definitions', () =>
    withSpace(async (space, ana) => {
      const bo = (await space.identity.lookup('bo@x')) as string
      await space.ingest(
        'crm',
        [record('signed', 'ana@x', 10, { card: 'c1' }), record('signed', 'bo@x', 11, { card: 'c1' })],
        { process: true },
      )
      const [into, from] = (await space.identity.merges(ana)).length > 0 ? [ana, bo] : [bo, ana]
      const told = await space.explain(from, 'plan', { asOf: at(12) })
      expect(told).toMatchObject({ entityId: into, resolvedFrom: from, value: 'team', cause: { sequence: 6 } })
      expect(await space.explain(into, 'plan', { asOf: at(12) })).not.toHaveProperty('resolvedFrom')
      const timeline = await space.timeline(from)
      expect(timeline).toMatchObject({ entityId: into, entityType: 'customer', resolvedFrom: from })
      expect(timeline.entries.flatMap(({ effects }) => effects)).toContain(`Merged: ${from}`)

      const { customer } = SUBSCRIPTIONS.entities
      const properties = { ...customer.properties, plan: { type: 'string', default: 'basic' } }
      const changed = {
        ...SUBSCRIPTIONS,
        entities: { ...SUBSCRIPTIONS.entities, customer: { ...customer, properties } },
      }
      await space.definitions.register('v2', changed as typeof SUBSCRIPTIONS)
      await expect(space.explain(into, 'plan', { version: 'v2' })).rejects.toThrow(/version 'v2' has built no entity/)
      await space.build('v2')
      const asOf = at(1)
      expect(await space.explain(into, 'plan', { asOf, version: 'v2' })).toMatchObject({
        version: 'v2',
        value: 'basic',
      })
      expect(await space.explain(into, 'plan', { asOf })).toMatchObject({ version: 'v1', value: 'free' })
    }))

  test('what is not there is told with what was meant', () =>
    withSpace(async (space, ana) => {
      const fails = async (work: Promise<unknown>): Promise<Error> =>
        (await work.catch((error: unknown) => error)) as Error
      const property = await fails(space.explain(ana, 'plam'))
      expect(property).toBeInstanceOf(NotFoundError)
      expect(property.message).toMatch(
        /^entity type 'customer' has no property 'plam' \(did you mean 'plan'\?\); there are: state, email,/,
      )
      expect(await fails(space.explain('nobody', 'plan'))).toBeInstanceOf(NotFoundError)
      expect((await fails(space.explain('ana@x', 'plan'))).message).toContain(`it is an identity value of ${ana}`)
      expect((await fails(space.explain(ana, 'plan', { version: 'v7' }))).message).toMatch(/unknown version 'v7'/)
      expect((await fails(space.explain(ana, 'plan', { asOf: 'soon' }))).message).toMatch(/'asOf' is no instant/)
    }))

  test('events that only the archive has are explained as others', () =>
    withSpace(
      async (space, ana) => {
        const before = await space.explain(ana, 'plan', { asOf: at(4) })
        await space.ledger.tiers.flush()
        await space.ledger.tiers.prune()
        expect((await space.ledger.tiers.status()).pruned).toBeGreaterThan(0)
        expect(await space.explain(ana, 'plan', { asOf: at(4) })).toEqual(before)
        expect((before.cause as { rawDigest: string }).rawDigest).toMatch(/^[0-9a-f]{64}$/)
      },
      () => tieredPlace(),
    ))

  test('a project of a folder is asked as any other', () =>
    inFolder(async (folder) => {
      await using space = await openSubscriptions({ database: join(folder, 'd.db') })
      await expect(space.explain('nobody', 'plan')).rejects.toThrow(NotFoundError)
    }))
})

describePostgres('explain on Postgres', () => {
  test('gives what it gives on SQLite', async () => {
    const told: Explanation[][] = []
    for (const make of [sqlitePlace, postgresPlace]) {
      await withSpace(async (space, ana) => {
        const asOf = at(12)
        const all = ['state', 'plan', 'seats', 'mrr', 'score', 'since', 'vip'].map((name) =>
          space.explain(ana, name, { asOf }),
        )
        told.push((await Promise.all(all)).map((one) => ({ ...one, entityId: '' })))
      }, make)
    }
    expect(told[1]).toEqual(told[0])
  })
})

/** `name: new`, `name: old → new` and `name: old → (none)` as they were written, into what each property is. */
function accumulate(effects: readonly string[], names: readonly string[], into: Map<string, string | null>): void {
  for (const effect of effects) {
    const name = names.find((candidate) => effect.startsWith(`${candidate}: `))
    if (name === undefined) continue
    const text = effect.slice(name.length + 2)
    const [old, now] = text.split(' → ')
    if (now === undefined) {
      expect(into.get(name) ?? null).toBeNull()
      into.set(name, text)
    } else {
      expect(into.get(name)).toBe(old)
      into.set(name, now === '(none)' ? null : now)
    }
  }
}

describe('of random worlds', () => {
  test('timelines end where the current rows are, and every value of every row is explained', async () => {
    const origins = new Set<string>()
    await fc.assert(
      fc.asyncProperty(worldArbitrary, async ({ definitions, deliveries }) => {
        const clock = (): Date => new Date('2024-03-01')
        await using space = await Defacto.open(definitions as object, {
          database: ':memory:',
          logLevel: 'ERROR',
          clock,
        })
        for (const source of ['main', 'side']) {
          const records = deliveries.filter((delivery) => delivery.source === source).map(({ record }) => record)
          await space.ingest(source, records as object[], { throwIfAllFail: false })
        }
        await space.build()
        await space.tick()
        for (const type of ['person', 'thing']) {
          const { properties } = (definitions.entities as Record<string, { properties: object }>)[type] as {
            properties: object
          }
          const names = Object.keys(properties)
          for (const row of await space.table(type).rows()) {
            const id = String(row[`${type}_id`])
            const { entries, entityType } = await space.timeline(id)
            expect(entityType).toBe(type)
            const values = new Map<string, string | null>()
            for (const entry of entries) accumulate(entry.effects, names, values)
            expect(entries.at(-1)?.stateAfter).toBe(row[`${type}_state`])
            expect(entries[0]?.effects[0]).toBe('Entity created')
            for (const name of names) expect([name, values.get(name) ?? null]).toEqual([name, textOf(row[name])])
            const times = entries.map(({ timestamp }) => timestamp)
            expect(times).toEqual([...times].sort())
            const all = (await space.timeline(id, { all: true })).entries
            expect(all.filter(({ effects, eventType }) => effects.length > 0 && eventType !== '_merge')).toEqual(
              entries.filter(({ effects, eventType }) => effects.length > 0 && eventType !== '_merge'),
            )
            expect(all.filter(({ eventType }) => !eventType.startsWith('_')).length).toBe(
              (await space.ledger.eventsFor(id)).length,
            )
          }
          const history = await space.history(type).rows()
          for (const row of history.slice(0, 12)) {
            for (const name of ['state', ...names]) {
              const asOf = String(row['valid_from'])
              const told = await space.explain(String(row[`${type}_id`]), name, { asOf })
              expect(told.value).toEqual(row[name === 'state' ? `${type}_state` : name])
              expect(String(told.validFrom) <= asOf && (told.validTo === null || told.validTo > asOf)).toBe(true)
              origins.add(told.origin)
              expect(told.cause).not.toBeNull()
              // An effect is found behind whatever came after the creation.
              if (['default', 'never_set'].includes(told.origin)) expect(told.validFrom).toBe(row['created_time'])
              if (told.path === null) expect(told.origin).toBe('never_set')
              else expect(told.definition).not.toBeUndefined()
              if (told.origin === 'event' || told.origin === 'time_rule') {
                expect(told.path).toMatch(name === 'state' ? /effects\[\d+\]$/ : /\.effects\[\d+\]$/)
                expect(name === 'state' || JSON.stringify(told.definition).includes(`"property":"${name}"`)).toBe(true)
              }
            }
          }
        }
      }),
      { numRuns: 25 },
    )
    // The worlds have something to explain.
    for (const origin of ['computed', 'default', 'event', 'never_set']) expect(origins).toContain(origin)
  }, 120_000)
})

function textOf(value: unknown): string | null {
  return value === null ? null : String(value)
}
