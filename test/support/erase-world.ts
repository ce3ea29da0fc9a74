/**
 * People, companies and tickets, for tests of erasures: events of a person alone, events shared with a company, tickets that
 * only name the person, two halves of a person that merge. Values of the person occur nowhere else.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { room } from './room.ts'

/** Everything that only Ada has. */
export const ADA = {
  email: 'ada.q1@erase.example',
  second: 'ada.q2@erase.example',
  phone: '+43-660-71717171',
  name: 'Ada Quetzalcoatl',
} as const
export const ADA_VALUES: readonly string[] = [...Object.values(ADA), ADA.email.toUpperCase()]

export type Records = readonly Record<string, unknown>[]

/** Definitions `no`: each keeps something else of the same events. */
export function eraseDefinitions(no: 1 | 2 | 3 = 1, edit: (definitions: EraseDefinitions) => void = () => {}) {
  const extra = {
    1: {},
    2: { greeting: { type: 'string', compute: 'str::to_uppercase(entity.name)' } },
    3: { rank: { type: 'integer', default: 3 } },
  }[no]
  const definitions = {
    entities: {
      person: {
        starts: 'known',
        identity: { email: { match: 'case_insensitive' }, phone: {} },
        properties: {
          email: { type: 'string', sensitive: 'pii' },
          name: { type: 'string', sensitive: 'pii' },
          met: { type: 'integer', default: 0 },
          ...extra,
        },
        relationships: [
          { type: 'contact_of', target: 'company', cardinality: 'many_to_many' },
          { type: 'reports', target: 'ticket', cardinality: 'has_many' },
        ],
        states: {
          known: {
            when: {
              met: {
                effects: [
                  'create',
                  { set: { property: 'email', from: 'event.email' } },
                  { set: { property: 'name', from: 'event.name' } },
                  { increment: { property: 'met' } },
                ],
              },
              called: { effects: ['create', { increment: { property: 'met' } }] },
              deal: { effects: ['create', { increment: { property: 'met' } }] },
            },
            after: [{ type: 'inactivity', threshold: '90d', effects: [{ transition: { to: 'quiet' } }] }],
          },
          quiet: { when: { met: { effects: [{ transition: { to: 'known' } }] } } },
        },
      },
      company: {
        starts: 'client',
        identity: { vat: {} },
        properties: { deals: { type: 'integer', default: 0 }, worth: { type: 'number', default: 0 } },
        relationships: [{ type: 'contact', target: 'person', cardinality: 'many_to_many' }],
        states: {
          client: {
            when: {
              deal: {
                effects: [
                  'create',
                  { increment: { property: 'deals' } },
                  { set: { property: 'worth', from: 'event.amount' } },
                  { relate: { type: 'contact', target: 'person', hints: { person: ['email'] } } },
                ],
              },
            },
          },
        },
      },
      ticket: {
        starts: 'open',
        identity: { no: {} },
        properties: { notes: { type: 'integer', default: 0 } },
        relationships: [{ type: 'reporter', target: 'person', cardinality: 'belongs_to' }],
        states: {
          open: {
            when: {
              reported: {
                effects: [
                  'create',
                  { increment: { property: 'notes' } },
                  { relate: { type: 'reporter', target: 'person', hints: { person: ['email'] } } },
                ],
              },
            },
          },
        },
      },
    },
    sources: {
      crm: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          met: {
            event_id: ['n'],
            mappings: {
              n: { from: 'n' },
              email: { from: 'contact.mail' },
              phone: { from: 'contact.phone' },
              name: { from: 'contact.name' },
            },
            hints: { person: ['email', 'phone'] },
          },
          called: { mappings: { n: { from: 'n' }, phone: { from: 'caller' } }, hints: { person: ['phone'] } },
          deal: {
            mappings: {
              n: { from: 'n' },
              email: { from: 'buyer' },
              vat: { from: 'vat' },
              amount: { from: 'amount', type: 'number' },
            },
            hints: { person: ['email'], company: ['vat'] },
          },
          reported: {
            mappings: { n: { from: 'n' }, no: { from: 'ticket' }, email: { from: 'from' } },
            hints: { ticket: ['no'] },
          },
        },
      },
    },
  }
  edit(definitions as unknown as EraseDefinitions)
  return definitions
}

export type EraseDefinitions = {
  readonly entities: Record<string, Record<string, unknown>>
  readonly sources: Record<string, { events: Record<string, Record<string, unknown>> }>
}

const at = (day: number): string => new Date(Date.UTC(2024, 0, 1 + day)).toISOString()
const met = (n: string, day: number, mail: string, more: object = {}) => ({
  kind: 'met',
  n,
  at: at(day),
  contact: { mail, name: 'Somebody', ...more },
})

/** Ada, under two addresses that her phone makes one, and what she shares with others. */
export const ADAS: Records = [
  met('a1', 1, ADA.email.toUpperCase(), { name: ADA.name }),
  met('a2', 2, ADA.second, { name: ADA.name }),
  met('a3', 3, ADA.email, { phone: ADA.phone, name: ADA.name }),
  met('a4', 4, ADA.second, { phone: ADA.phone, name: ADA.name }),
  { kind: 'called', n: 'a5', at: at(5), caller: ADA.phone },
  { kind: 'deal', n: 'a6', at: at(6), buyer: ADA.email, vat: 'DE1', amount: 10 },
  { kind: 'reported', n: 'a7', at: at(7), ticket: 'T1', from: ADA.email },
]

/** Others: they share a company, a ticket and nothing else with her. */
export const OTHERS: Records = [
  met('o1', 1, 'bob@other.example'),
  met('o2', 2, 'eve@other.example', { phone: '+1-555' }),
  { kind: 'deal', n: 'o3', at: at(5), buyer: 'bob@other.example', vat: 'DE1', amount: 7 },
  { kind: 'deal', n: 'o4', at: at(8), buyer: 'eve@other.example', vat: 'DE2', amount: 9 },
  { kind: 'reported', n: 'o5', at: at(8), ticket: 'T1', from: 'bob@other.example' },
  { kind: 'reported', n: 'o6', at: at(9), ticket: 'T2', from: 'eve@other.example' },
]

export const NOW = '2024-03-01T00:00:00Z'

export async function openErase(
  options: DefactoOptions,
  definitions: object = eraseDefinitions(),
  now: string = NOW,
): Promise<Defacto> {
  // Beside a SQLite file there is a place for keys and certificates; a server needs to be told of one.
  const isServer = String(options.database).startsWith('postgres')
  const engine = await Defacto.fromConfig(definitions as never, {
    ...(isServer ? { compliance: { certificates: join(room(), 'certificates') } } : {}),
    clock: () => new Date(now),
    logLevel: 'ERROR',
    ...options,
  })
  return engine as unknown as Defacto
}

/** The id behind an address; undefined: nobody has it. */
export async function idOf(engine: Defacto, email: string): Promise<string | undefined> {
  return engine.identity.lookup(email)
}

/** What everybody but the given ids looks like, at every instant; ids stand as they are. */
export async function answers(engine: Defacto, without: readonly (string | undefined)[]): Promise<unknown> {
  const gone = new Set(without)
  const found: Record<string, unknown> = {}
  for (const type of ['person', 'company', 'ticket']) {
    const rows = (await engine.history(type).rows()) as Record<string, unknown>[]
    found[type] = rows
      .filter((row) => !gone.has(row[`${type}_id`] as string))
      .map((row) => JSON.stringify(row))
      .sort()
  }
  for (const type of ['contact', 'reporter']) {
    const rows = (await engine.relationship(type, { history: true }).rows()) as Record<string, unknown>[]
    found[type] = rows
      .filter((row) => !gone.has(row['target_id'] as string))
      .map((row) => JSON.stringify(row))
      .sort()
  }
  return found
}

/** Tables of the space in which a row holds one of the texts, with the text. */
export async function sightings(
  { database = '', namespace = '' }: DefactoOptions,
  values: readonly string[] = ADA_VALUES,
): Promise<string[]> {
  return database.startsWith('postgres') ? inNamespace(database, namespace, values) : inFile(database, values)
}

async function inNamespace(url: string, namespace: string, values: readonly string[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where starts_with(schemaname, $1) and schemaname not in ('pg_catalog', 'information_schema')",
      [namespace],
    )
    if (tables.length === 0) throw new Error('a namespace without tables')
    const found: string[] = []
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`)
      const text = rows.map(({ row }) => row).join('\n')
      found.push(...values.filter((value) => text.includes(value)).map((value) => `${name}: ${value}`))
    }
    return found
  } finally {
    await client.end()
  }
}

function inFile(path: string, values: readonly string[]): string[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[]
    return tables.flatMap(({ name }) => {
      const rows = JSON.stringify(database.prepare(`select * from "${name}"`).all(), (_key, value) =>
        typeof value === 'bigint' ? String(value) : value,
      )
      return values.filter((value) => rows.includes(value)).map((value) => `${name}: ${value}`)
    })
  } finally {
    database.close()
  }
}
