/** A space in which customers are redacted: on SQLite, Postgres, and with all but the newest events in an archive. */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { inFolders, inPostgres } from './canary.ts'
import { describePostgres, freshDatabase } from './postgres.ts'
import { room } from './room.ts'

/** Properties of customers, over those there are anyway. */
export function shop(properties: object = {}, effects: object[] = [], upgraded: object = {}): object {
  const set = (property: string, from = `event.${property}`): object => ({ set: { property, from } })
  return {
    entities: {
      customer: {
        starts: 'lead',
        identity: { email: { match: 'case_insensitive', normalize: 'str::trim(value)' }, phone: {}, account: {} },
        properties: {
          email: { type: 'string', sensitive: 'pii', treatment: 'hash' },
          phone: { type: 'string', sensitive: 'pii', treatment: 'mask' },
          name: { type: 'string', sensitive: 'pii', treatment: 'redact' },
          born: { type: 'datetime', sensitive: 'pii' },
          income: { type: 'number', sensitive: 'pii', treatment: 'hash' },
          tier: { type: 'string' },
          greeting: { type: 'string', compute: "'Dear ' + entity.name" },
          ...properties,
        },
        states: {
          lead: {
            when: {
              signed_up: {
                effects: [
                  'create',
                  set('email'),
                  set('phone'),
                  set('name', 'event.full_name'),
                  set('born'),
                  set('income'),
                  ...effects,
                ],
              },
              seen: { effects: ['create'] },
              upgraded: { effects: [set('tier'), { transition: { to: 'gold' } }], ...upgraded },
            },
          },
          gold: { when: { upgraded: { effects: [set('tier')] } } },
        },
        relationships: [{ type: 'orders', target: 'order', cardinality: 'has_many' }],
      },
      order: {
        starts: 'open',
        identity: { no: {} },
        properties: { contact: { type: 'string' }, total: { type: 'number' } },
        relationships: [{ type: 'placed_by', target: 'customer', cardinality: 'belongs_to' }],
        states: {
          open: {
            when: {
              ordered: {
                effects: [
                  'create',
                  set('contact', 'event.email'),
                  set('total'),
                  { relate: { type: 'placed_by', target: 'customer', hints: { customer: ['email'] } } },
                ],
              },
              delivered: { effects: ['create', set('contact', 'event.full_name')] },
            },
          },
        },
      },
    },
    sources: {
      app: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          signed_up: {
            event_id: ['n'],
            mappings: {
              n: { from: 'n' },
              email: { from: 'contact.mail' },
              phone: { from: 'tel' },
              account: { from: 'account' },
              full_name: { compute: "event.first + ' ' + event.last" },
              born: { from: 'dob', type: 'datetime' },
              income: { from: 'salary', type: 'number' },
            },
            hints: { customer: ['email', 'phone', 'account'] },
          },
          seen: {
            event_id: ['n'],
            mappings: { n: { from: 'n' }, email: { from: 'mail' }, phone: { from: 'tel' } },
            hints: { customer: ['email', 'phone'] },
          },
          upgraded: {
            event_id: ['n'],
            mappings: {
              n: { from: 'n' },
              phone: { from: 'tel' },
              account: { from: 'account' },
              tier: { from: 'tier' },
              income: { from: 'salary', type: 'number' },
            },
            hints: { customer: ['phone', 'account'] },
          },
          ordered: {
            event_id: ['n'],
            mappings: {
              n: { from: 'n' },
              no: { from: 'no' },
              email: { from: 'by' },
              total: { from: 'total', type: 'number' },
            },
            hints: { order: ['no'] },
          },
          delivered: {
            event_id: ['n'],
            mappings: {
              n: { from: 'n' },
              no: { from: 'no' },
              phone: { from: 'tel' },
              full_name: { from: 'receiver' },
              name: { from: 'receiver' },
            },
            hints: { order: ['no'], customer: ['phone'] },
          },
        },
      },
    },
  }
}

const SIGNING_KEY = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const START = 1_704_067_200
/** Texts of Ann that nobody else has; the last four digits of a masked number stay. */
export const ANN: readonly string[] = [
  'ann.q9@canary.example',
  'Ann.Q9@Canary.Example',
  '+49-77-0001',
  'Annabella',
  'Quittenbaum',
  '1980-02-03',
  '12345.5',
]

const person = (n: number, mail: string, tel: string, more: object): object => {
  return { n, kind: 'signed_up', at: START + n, contact: { mail, note: 'x' }, tel, ...more }
}

export const signUps = (): object[] => [
  person(1, 'Ann.Q9@Canary.Example', '+49-77-00011234', {
    first: 'Annabella',
    last: 'Quittenbaum',
    dob: '1980-02-03',
    salary: 12345.5,
    account: 'a1',
  }),
  person(2, 'bob@shop.example', '555-0001-4321', {
    first: 'Bob',
    last: 'Jones',
    dob: '1970-01-01',
    salary: 5,
    account: 'a2',
  }),
  person(3, 'cleo@shop.example', '555-0002-4321', {
    first: 'Cleo',
    last: 'Jones',
    dob: '1970-01-01',
    salary: 6,
    account: 'a3',
  }),
  { n: 4, kind: 'upgraded', at: START + 4, tel: '+49-77-00011234', tier: 'gold', salary: 12345.5 },
  { n: 5, kind: 'ordered', at: START + 5, no: 'o1', by: ' ann.q9@canary.example', total: 5 },
  { n: 6, kind: 'ordered', at: START + 6, no: 'o2', by: 'bob@shop.example', total: 6 },
  { n: 7, kind: 'delivered', at: START + 7, no: 'o3', tel: '+49-77-00011234', receiver: 'Annabella Quittenbaum' },
  { n: 8, kind: 'seen', at: START + 8, mail: 'ann.q9@canary.example', tel: '+49-77-00015678' },
]

export interface Place {
  readonly folder: string
  readonly options: DefactoOptions
  open(definitions?: object, more?: DefactoOptions): Promise<Defacto>
  /** With an archive: all but the last row are there alone. */
  age(space: Defacto): Promise<void>
  /** Places where one of the values stands in a row of any table, or in an archived row. */
  leaks(values?: readonly string[]): Promise<string[]>
  remove(): Promise<void>
}

interface Kind {
  readonly name: string
  readonly describe: typeof describePostgres
  place(): Promise<Place>
}

async function placeOf(database: string, cold: boolean, folder: string, drop: () => Promise<void>): Promise<Place> {
  const archive = join(folder, 'archive')
  const compliance = { signingKey: SIGNING_KEY }
  const options: DefactoOptions = { database, compliance, logLevel: 'ERROR', ...(cold ? { coldLedger: archive } : {}) }
  const opened: Defacto[] = []
  return {
    folder,
    options,
    async open(definitions = shop(), more = {}) {
      const space = await Defacto.fromConfig(definitions as never, { ...options, ...more })
      opened.push(space as unknown as Defacto)
      return space as unknown as Defacto
    },
    async age(space) {
      if (!cold) return
      await space.ledger.tiers.flush()
      const { head } = await space.ledger.tiers.status()
      await space.ledger.tiers.prune({ before: head - 1 })
    },
    async leaks(values = ANN) {
      const rows = database.startsWith('postgres')
        ? (await inPostgres(database, values))
            .filter(({ place }) => place !== 'pg_stats')
            .map(({ place, value }) => `${place}: ${value}`)
        : inSqlite(database, values)
      const files = cold && existsSync(archive) ? await inFolders([archive], values) : []
      return [...rows, ...files.map(({ place, value }) => `${place}: ${value}`)]
    },
    async remove() {
      for (const space of opened) await space.close()
      await drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function inSqlite(path: string, values: readonly string[]): string[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[]
    return tables.flatMap(({ name }) => {
      const text = JSON.stringify(database.prepare(`select * from "${name}"`).all())
      return values.flatMap((value) => (text.includes(value) ? [`${name}: ${value}`] : []))
    })
  } finally {
    database.close()
  }
}

const folderOf = (): string => mkdtempSync(join(room(), 'redact-'))

export const SQLITE: Kind = {
  name: 'SQLite',
  describe,
  async place() {
    const folder = folderOf()
    return placeOf(join(folder, 'space.db'), false, folder, async () => {})
  },
}
export const TIERED: Kind = {
  name: 'SQLite with an archive',
  describe,
  async place() {
    const folder = folderOf()
    return placeOf(join(folder, 'space.db'), true, folder, async () => {})
  },
}
export const POSTGRES: Kind = {
  name: 'Postgres',
  describe: describePostgres,
  async place() {
    const { url, drop } = await freshDatabase()
    return placeOf(url, false, folderOf(), drop)
  },
}
export const PLACES: readonly Kind[] = [SQLITE, TIERED, POSTGRES]

/** History rows of customers, without what redaction may change, and without what a rebuild counts. */
export async function skeleton(space: Defacto): Promise<unknown[]> {
  const rows = await space.history('customer').rows()
  return (rows as unknown as Record<string, unknown>[])
    .map((row) => [
      row['customer_id'],
      row['customer_state'],
      String(row['valid_from']),
      String(row['valid_to']),
      row['tier'] ?? null,
    ])
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** Which events are one entity's: its id with the events of it. */
export async function partition(space: Defacto, type: string): Promise<string[]> {
  const rows = (await space.table(type).rows()) as unknown as Record<string, unknown>[]
  const groups: string[] = []
  for (const row of rows) {
    const id = row[`${type}_id`] as string
    const events = await space.ledger.eventsFor(id)
    groups.push(`${id} ${events.map(({ sequence }) => sequence).join(',')}`)
  }
  return groups.sort()
}
