/** The graph of an open space: what was just ingested, what was merged, other versions and handles (spec 06 §2, §9). */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { Defacto, DefactoQuery, defineDefinitions } from '../../src/index.ts'
import { describePostgres, type FreshDatabase, freshDatabase } from '../support/postgres.ts'

const DEFINITIONS = defineDefinitions({
  entities: {
    person: {
      starts: 'known',
      identity: { email: {}, badge: {} },
      properties: { email: { type: 'string' } },
      relationships: [
        { type: 'invites', target: 'person', cardinality: 'has_many', properties: { channel: { type: 'string' } } },
        { type: 'invited_by', target: 'person', cardinality: 'belongs_to', inverse: 'invites' },
      ],
      states: {
        known: {
          when: {
            seen: { effects: ['create', { set: { property: 'email', from: 'event.email' } }] },
            invited: {
              effects: [
                {
                  relate: {
                    type: 'invites',
                    target: 'person',
                    hints: { person: ['badge'] },
                    properties: { channel: { from: 'event.channel' } },
                  },
                },
              ],
            },
          },
        },
      },
    },
  },
  sources: {
    app: {
      event_type: 'event',
      timestamp: 'at',
      events: {
        seen: {
          mappings: { email: { from: 'email' }, badge: { from: 'badge' } },
          hints: { person: ['email', 'badge'] },
        },
        invited: {
          mappings: { email: { from: 'email' }, badge: { from: 'guest' }, channel: { from: 'channel' } },
          hints: { person: ['email'] },
        },
      },
    },
  },
})

const seen = (name: string) => ({ event: 'seen', at: '2024-01-01T00:00:00Z', email: name, badge: name })
const invited = (day: number, email: string, guest: string) => ({
  event: 'invited',
  at: `2024-02-0${day}T00:00:00Z`,
  email,
  guest,
  channel: 'mail',
})

interface Place {
  readonly url: string
  remove(): Promise<void>
}
const PLACES: readonly [string, typeof describe, () => Promise<Place>][] = [
  ['memory', describe, async () => ({ url: ':memory:', remove: async () => undefined })],
  ['SQLite', describe, sqliteFile],
  ['Postgres', describePostgres as typeof describe, postgresDatabase],
]

async function sqliteFile(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-graph-'))
  return { url: join(folder, 'space.db'), remove: () => rm(folder, { recursive: true }) }
}

async function postgresDatabase(): Promise<Place> {
  const database: FreshDatabase = await freshDatabase()
  return { url: database.url, remove: () => database.drop() }
}

for (const [name, suite, open] of PLACES)
  suite(`graph of a space in ${name}`, () => {
    let place: Place
    let d: Defacto<typeof DEFINITIONS>
    const ids = new Map<string, string>()
    const id = (email: string): string => ids.get(email) as string
    const names = (found: readonly string[]): string[] =>
      found.map((one) => [...ids].find(([, known]) => known === one)?.[0] ?? one)

    beforeAll(async () => {
      place = await open()
      d = await Defacto.fromConfig(DEFINITIONS, { database: place.url, version: 'v1' })
      const events = [...['ana', 'ben', 'cy', 'dora'].map(seen), invited(1, 'ana', 'ben'), invited(2, 'ben', 'cy')]
      await d.ingest('app', events, { process: true })
      for (const row of await d.table('person').rows()) ids.set(row.email as string, row.person_id)
    })
    afterAll(async () => {
      await d.close()
      await assert.rejects(d.path('a', 'b'))
      assert.throws(() => d.graph)
      await place.remove()
    })

    it('has what an ingest brought, at once', async () => {
      assert.deepEqual(names(await d.path(id('ana'), id('cy'))), ['ana', 'ben', 'cy'])
      assert.deepEqual(await d.path(id('ana'), id('dora')), [])
      const query = d.traverse(id('ana'), 'invites', { depth: 9 })
      assert.equal(await query.count(), 3)
      await d.ingest('app', [invited(3, 'cy', 'dora')], { process: true })
      assert.deepEqual(names((await query.rows()).map((row) => row.entity_id)), ['ana', 'ben', 'cy', 'dora'])
      assert.equal(await d.traverse(id('ana'), 'invites', { depth: 9, asOf: '2024-02-01T12:00:00Z' }).count(), 2)
      const joined = query.join(d.table('person'), { left: 'entity_id', right: 'person_id' }).select('email', 'depth')
      assert.deepEqual(await joined.orderBy('depth').limit(2).rows(), [
        { email: 'ana', depth: 0 },
        { email: 'ben', depth: 1 },
      ])
      const guests = d.related(id('ana'), 'invites').select('email', 'relationship_type', 'rel_channel')
      assert.deepEqual(await guests.rows(), [{ email: 'ben', relationship_type: 'invites', rel_channel: 'mail' }])
    })

    it('is the same through another version and a handle that only reads', async () => {
      assert.equal(await d.version('v1').neighbors(id('ben')).count(), 2)
      assert.equal(await d.graph.neighbors(id('ben')).count(), 2)
      if (place.url === ':memory:') return
      await using reader = await DefactoQuery.connect(place.url, DEFINITIONS, 'v1')
      assert.deepEqual(names(await reader.path(id('dora'), id('ana'))), ['dora', 'cy', 'ben', 'ana'])
    })

    it('a merged entity is where its survivor is, in the past as well', async () => {
      // One event that names both: they are one person.
      await d.ingest('app', [{ ...seen('ben'), at: '2024-03-01T00:00:00Z', badge: 'ana' }], { process: true })
      const left = new Set((await d.table('person').rows()).map((row) => row.person_id as string))
      const [survivor, loser] = left.has(id('ana')) ? [id('ana'), id('ben')] : [id('ben'), id('ana')]
      assert.ok(left.has(survivor) && !left.has(loser))
      for (const at of [{}, { asOf: '2024-02-02T12:00:00Z' }]) {
        assert.deepEqual(await d.neighbors(loser, at).rows(), [])
        assert.deepEqual(await d.traverse(loser, 'invites', at).rows(), [])
        assert.deepEqual(await d.path(loser, id('cy'), at), [])
        assert.deepEqual(await d.path(survivor, id('cy'), at), [survivor, id('cy')])
        const ends = (await d.neighbors(survivor, at).rows()).map((row) => row.entity_id)
        assert.ok(ends.includes(id('cy')) && !ends.includes(loser))
      }
    })
  })
