/** Two namespaces in one database share nothing, and versions of one share the ledger alone (spec 07 §2, 04 §4.3). */
import { expect, it } from 'vitest'
import { Defacto } from '../../src/index.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

const shop = {
  entities: {
    customer: {
      starts: 'lead',
      identity: { email: {} },
      properties: { email: { type: 'string' } },
      states: {
        lead: { when: { seen: { effects: ['create', { set: { property: 'email', from: 'event.email' } }] } } },
      },
    },
  },
  sources: {
    app: {
      event_type: 'kind',
      timestamp: 'at',
      events: { seen: { mappings: { email: { from: 'email' } }, hints: { customer: ['email'] } } },
    },
  },
} as const
const seen = (email: string): object => ({ kind: 'seen', at: 1704067200, email })
type Shop = Defacto<typeof shop>

async function customers(space: Shop, version?: string): Promise<unknown[]> {
  const table = version === undefined ? space.table('customer') : space.version(version).table('customer')
  return (await table.orderBy('email').rows()).map((row) => (row as { email?: unknown }).email)
}

describePostgres('one Postgres database', () => {
  it('holds namespaces that know nothing of each other, whatever their names and versions are', async () => {
    const { url, drop } = await freshDatabase()
    const open = (namespace: string, version: string): Promise<Shop> =>
      Defacto.fromConfig(shop, { database: url, namespace, version, logLevel: 'ERROR' })
    try {
      const staging = await open('staging', 'v1')
      const production = await open('production', 'v1')
      await staging.ingest('app', [seen('a'), seen('b')], { process: true })
      await production.ingest('app', [seen('b')], { process: true })
      expect(await customers(staging)).toEqual(['a', 'b'])
      expect(await customers(production)).toEqual(['b'])
      expect(await staging.identity.lookup('b')).not.toBe(await production.identity.lookup('b'))
      expect((await staging.stats()).spaceId).not.toBe((await production.stats()).spaceId)
      // Both may be built at the same time: their locks have nothing to do with each other.
      await staging.exclusive('nightly', () => production.exclusive('nightly', async () => undefined))
      // The schema of production's version is nobody's namespace.
      await expect(open('production_v1', 'x')).rejects.toThrow(/'production_v1'.*choose another namespace/)
      // Both would have a schema 'eu_north_v1'.
      await (await open('eu', 'north_v1')).close()
      await expect(open('eu_north', 'v1')).rejects.toThrow(/eu_north_v1/)
      await staging.close()
      await production.close()
    } finally {
      await drop()
    }
  })

  it('holds versions with a history each, over one ledger', async () => {
    const { url, drop } = await freshDatabase()
    try {
      const first: Shop = await Defacto.fromConfig(shop, { database: url, version: 'v1', logLevel: 'ERROR' })
      await first.ingest('app', [seen('a')], { process: true })
      const loud = structuredClone(shop) as unknown as {
        entities: { customer: { states: { lead: { when: object } } } }
      }
      loud.entities.customer.states.lead.when = {
        seen: { effects: ['create', { set: { property: 'email', compute: 'event.email + "!"' } }] },
      }
      await first.definitions.register('v2', loud as never)
      await first.definitions.activate('v2')
      expect(await customers(first)).toEqual(['a!'])
      expect(await customers(first, 'v1')).toEqual(['a'])
      await first.ingest('app', [seen('b')], { process: true })
      expect(await customers(first)).toEqual(['a!', 'b!'])
      expect(await customers(first, 'v1')).toEqual(['a'])
      await first.build({ version: 'v1' })
      expect(await customers(first, 'v1')).toEqual(['a', 'b'])
      await first.close()
    } finally {
      await drop()
    }
  })

  it('needs three connections, even where a full build reports failures', async () => {
    const { url, drop } = await freshDatabase()
    try {
      const counted = structuredClone(shop) as unknown as {
        entities: { customer: { properties: object; states: { lead: { when: { seen: { effects: unknown[] } } } } } }
      }
      const { customer } = counted.entities
      Object.assign(customer.properties, { visits: { type: 'integer' } })
      customer.states.lead.when.seen.effects.push({ set: { property: 'visits', compute: 'to_int(event.email)' } })
      const options = { database: url, pool: { max: 3 }, logLevel: 'ERROR' } as const
      const space = await Defacto.fromConfig(counted as unknown as typeof shop, options)
      await space.ingest('app', [seen('7'), seen('x')], { process: true })
      expect((await space.build({ full: true })).failures).toMatchObject([{ stage: 'interpretation' }])
      await space.close()
      await expect(Defacto.fromConfig(shop, { ...options, pool: { max: 2 } })).rejects.toThrow(/at least 3/)
    } finally {
      await drop()
    }
  })
})
