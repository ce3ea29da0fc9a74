/** Stand-alone handles (spec 06 §10): any history store, read-only, beside whoever writes it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ConfigError,
  count,
  type Defacto,
  DefactoQuery,
  Definitions,
  NotFoundError,
  QueryError,
} from '../../src/index.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'
import { room } from '../support/room.ts'
import { openSubscriptions, RECORDS, record, SUBSCRIPTIONS, WITH_REGION } from '../support/subscriptions.ts'

interface Place {
  readonly name: string
  readonly describe: typeof describe
  open(): Promise<{ url: string; drop(): unknown }>
}
const PLACES: readonly Place[] = [
  {
    name: 'SQLite',
    describe,
    async open() {
      const folder = mkdtempSync(join(room(), 'connect-'))
      return { url: join(folder, 'd.db'), drop: () => rmSync(folder, { recursive: true, force: true }) }
    },
  },
  { name: 'Postgres', describe: describePostgres as typeof describe, open: freshDatabase },
]

for (const place of PLACES) {
  place.describe(`a handle on ${place.name}`, () => {
    let url: string
    let drop: () => unknown
    let engine: Defacto<typeof SUBSCRIPTIONS>

    beforeEach(async () => {
      const opened = await place.open()
      url = opened.url
      drop = opened.drop
      engine = await openSubscriptions({ database: url, version: 'v1' })
      await engine.ingest('crm', RECORDS, { process: true })
    })
    afterEach(async () => {
      await engine.close()
      await drop()
    })

    test('gives what the engine gives, and sees what is written afterwards', async () => {
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS)
      expect(handle.activeVersion).toBe('v1')
      const rows = await handle.table('customer').orderBy('email').rows()
      expect(rows).toEqual(await engine.table('customer').orderBy('email').rows())
      // Types follow from the definitions.
      const [ana] = rows
      const seats: number | bigint | null | undefined = ana?.seats
      const state: 'lead' | 'paying' | undefined = ana?.customer_state
      expect([seats, state]).toEqual([3, 'paying'])
      expect(await handle.history('customer').asOf('2024-01-01').count()).toBe(2)
      expect(await handle.relationship('ordered_by').count()).toBe(1)
      expect(await handle.relationships().count()).toBe(1)
      expect(await handle.query('select count(*) as n from order_history where total > $1', [12]).rows()).toEqual([
        { n: 1 },
      ])
      await handle.assertEntity(String(ana?.customer_id), { state: 'paying', plan: 'pro' })
      await engine.ingest('crm', [record('signed', 'cy@x', 4)], { process: true })
      expect(await handle.table('customer').count()).toBe(3)
      const seen: unknown[] = []
      for await (const row of handle.table('customer').orderBy('email').stream({ batchSize: 2 })) seen.push(row.email)
      expect(seen).toEqual(['ana@x', 'bo@x', 'cy@x'])
    })

    test('takes definitions as object, Definitions and directory', async () => {
      const folder = mkdtempSync(join(room(), 'definitions-'))
      try {
        await Definitions.fromObject(SUBSCRIPTIONS).toYaml(folder)
        for (const given of [Definitions.fromObject(SUBSCRIPTIONS), folder]) {
          await using handle = await DefactoQuery.connect(url, given, 'v1', { namespace: 'defacto' })
          expect(await handle.table('customer').agg({ n: count() }).rows()).toEqual([{ n: 2 }])
        }
      } finally {
        rmSync(folder, { recursive: true })
      }
      const wrong = { entities: { customer: { starts: 'nowhere', identity: { email: {} }, states: {} } } }
      await expect(DefactoQuery.connect(url, wrong, 'v1')).rejects.toMatchObject({ name: 'DefinitionError' })
    })

    test('names a version when there are several, and reads each with its own definitions', async () => {
      await using early = await DefactoQuery.connect(url, SUBSCRIPTIONS)
      expect(await early.versions()).toEqual(['v1'])
      await engine.definitions.register('v2', WITH_REGION)
      await engine.build('v2')
      const several = await DefactoQuery.connect(url, SUBSCRIPTIONS).catch((error: unknown) => error)
      expect(several).toBeInstanceOf(ConfigError)
      expect((several as Error).message).toBe('the store holds several versions, name one: v1, v2')
      const unknown = await DefactoQuery.connect(url, SUBSCRIPTIONS, 'v3').catch((error: unknown) => error)
      expect(unknown).toBeInstanceOf(NotFoundError)
      expect((unknown as Error).message).toBe("no version 'v3' (did you mean 'v1'?); the store holds v1, v2")
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS, 'v1')
      expect((await handle.version('v2').table('customer').rows()).map((row) => row.region)).toEqual(['eu', 'eu'])
      expect(await handle.version('v2').query('select region from customer_history limit 1').rows()).toHaveLength(1)
      expect(() => handle.version('v9')).toThrow(NotFoundError)
      expect(() => early.version('v2')).toThrow(/no version 'v2'/)
      await early.versions()
      expect(await early.version('v2').table('customer').count()).toBe(2)
    })

    test('goes on with its version when another becomes the active one', async () => {
      await engine.ingest('crm', [record('left', 'ana@x', 9)], { process: true })
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS, 'v1')
      const current = handle.table('customer')
      const raw = handle.query('select email from customer_history')
      const before = await current.rows()
      await engine.definitions.register('v2', WITH_REGION)
      await engine.definitions.activate('v2')
      await engine.ingest('crm', [record('signed', 'di@x', 10)], { process: true })
      expect(await current.rows()).toEqual(before)
      expect((await handle.query('select email from customer_history').rows()).length).toBe((await raw.rows()).length)
    })

    test('says which table or column the definitions expect in vain', async () => {
      const other = {
        ...WITH_REGION,
        entities: {
          ...WITH_REGION.entities,
          ticket: {
            starts: 'open',
            identity: { key: {} },
            states: { open: { when: { ordered: { effects: ['create'] } } } },
          },
        },
      } as const
      await using handle = await DefactoQuery.connect(url, other)
      const column = await handle
        .table('customer')
        .rows()
        .catch((thrown: unknown) => thrown)
      expect(column).toBeInstanceOf(QueryError)
      expect(column).toMatchObject({
        code: 'E_QUERY_MISFIT',
        message: expect.stringContaining("version 'v1' of the store: table customer_history has no column 'region'"),
      })
      const streamed = async (): Promise<void> => {
        for await (const _ of handle.table('ticket').stream());
      }
      await expect(streamed()).rejects.toThrow(/it has no table ticket_history/)
      await expect(handle.assertEntity('x', {})).rejects.toThrow(/no table ticket_history/)
      expect(await handle.table('order').count()).toBe(1)
      // Mistakes of a query stay what they are.
      await expect(
        handle.query('select total from order_history where nonsense(total)', [], { validate: false }).rows(),
      ).rejects.not.toMatchObject({ code: 'E_QUERY_MISFIT' })
    })

    test('does not read a column as what it is not', async () => {
      const { customer } = SUBSCRIPTIONS.entities
      const properties = { ...customer.properties, note: { type: 'boolean' }, seats: { type: 'number' } } as const
      const entities = { ...SUBSCRIPTIONS.entities, customer: { ...customer, properties } }
      await using handle = await DefactoQuery.connect(url, { ...SUBSCRIPTIONS, entities })
      await expect(handle.table('customer').rows()).rejects.toMatchObject({
        code: 'E_QUERY_MISFIT',
        message: expect.stringContaining("column 'note' of table customer_history is string, not boolean."),
      })
      await expect(handle.query('select note from customer_history').rows()).rejects.toThrow(/is string, not boolean/)
      expect(await handle.table('customer').select('seats').orderBy('seats').rows()).toEqual([
        { seats: 0 },
        { seats: 3 },
      ])
      expect(await handle.table('order').count()).toBe(1)
    })

    test('is of no use once it is closed', async () => {
      const handle = await DefactoQuery.connect(url, SUBSCRIPTIONS)
      const held = handle.table('customer')
      const other = handle.version('v1')
      const stream = handle.history('customer').stream({ batchSize: 1 })[Symbol.asyncIterator]()
      expect((await stream.next()).done).toBe(false)
      await Promise.all([handle.close(), handle.close()])
      await handle.close()
      const closed = { name: 'QueryError', code: 'E_QUERY_CLOSED' }
      expect(() => handle.table('customer')).toThrow(QueryError)
      expect(() => handle.connection).toThrow(QueryError)
      expect(() => handle.version('v1')).toThrow(QueryError)
      await expect(handle.versions()).rejects.toMatchObject(closed)
      await expect(held.rows()).rejects.toMatchObject(closed)
      await expect(other.table('customer').count()).rejects.toMatchObject(closed)
      await expect(handle.assertEntity('x', {})).rejects.toMatchObject(closed)
      const rest = async (): Promise<void> => {
        while (!(await stream.next()).done);
      }
      await expect(rest()).rejects.toMatchObject(closed)
    })
  })
}
