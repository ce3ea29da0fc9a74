/** A shop whose exports are hard to read: every type of property, nulls everywhere, and texts that break careless readers. */
import type { Defacto } from '../../src/index.ts'
import { Random } from '../simulation/random.ts'

const PROPERTIES = {
  note: { type: 'string' },
  // Names that graphs need for themselves.
  id: { type: 'string' },
  key: { type: 'string' },
  rate: { type: 'number' },
  seats: { type: 'integer' },
  big: { type: 'integer' },
  active: { type: 'boolean' },
  since: { type: 'datetime' },
  never: { type: 'integer' },
} as const

const set = (property: string): object => ({ set: { property, from: `event.${property}` } })
const mapped = (name: string, type: string): [string, object] => [name, { from: name, type }]

const EDGE = {
  key: { type: 'string' },
  source: { type: 'string' },
  weight: { type: 'number' },
  lines: { type: 'integer' },
  gift: { type: 'boolean' },
  since: { type: 'datetime' },
} as const
const edge = Object.fromEntries(Object.keys(EDGE).map((name) => [name, { from: `event.edge_${name}` }]))
const orders = { type: 'placed_by', target: 'customer', cardinality: 'belongs_to', inverse: 'placed', properties: EDGE }

export const READERS_DEFINITIONS: object = {
  entities: {
    customer: {
      starts: 'lead',
      identity: { mail: {}, card: {} },
      properties: PROPERTIES,
      states: {
        lead: { when: { seen: { effects: ['create', ...Object.keys(PROPERTIES).map(set)] } } },
      },
      relationships: [
        { type: 'placed', target: 'order', cardinality: 'has_many', inverse: 'placed_by' },
        { type: 'paid', target: 'order', cardinality: 'has_many', inverse: 'paid_by' },
        { type: 'knows', target: 'customer', cardinality: 'many_to_many', inverse: 'knows' },
      ],
      always: {
        met: { effects: [{ relate: { type: 'knows', target: 'customer', hints: { customer: ['card'] } } }] },
      },
    },
    order: {
      starts: 'open',
      identity: { number: {} },
      properties: { number: { type: 'string' }, total: { type: 'number' } },
      states: {
        open: {
          when: {
            ordered: {
              effects: [
                'create',
                set('number'),
                set('total'),
                { relate: { type: 'placed_by', target: 'customer', hints: { customer: ['mail'] }, properties: edge } },
                { relate: { type: 'paid_by', target: 'customer', hints: { customer: ['card'] } } },
              ],
            },
          },
        },
      },
      relationships: [orders, { type: 'paid_by', target: 'customer', cardinality: 'belongs_to', inverse: 'paid' }],
    },
  },
  sources: {
    shop: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        seen: {
          mappings: Object.fromEntries([
            mapped('mail', 'string'),
            mapped('card', 'string'),
            ...Object.entries(PROPERTIES).map(([name, { type }]) => mapped(name, type)),
          ]),
          hints: { customer: ['mail', 'card'] },
        },
        ordered: {
          mappings: Object.fromEntries([
            mapped('number', 'string'),
            mapped('total', 'number'),
            mapped('mail', 'string'),
            mapped('card', 'string'),
            ...Object.entries(EDGE).map(([name, { type }]) => mapped(`edge_${name}`, type)),
          ]),
          hints: { order: ['number'] },
        },
        met: {
          mappings: Object.fromEntries([mapped('mail', 'string'), mapped('card', 'string')]),
          hints: { customer: ['mail'] },
        },
      },
    },
  },
}

const NOTES = [
  'plain',
  '',
  null,
  'comma, semicolon; tab\t',
  'quote " and \'',
  'line\nbreak',
  'carriage\r\nreturn',
  ' blanks around ',
  'Zoë 日本 🦊 \u202e',
  'NA',
  'null',
  'NULL',
  'None',
  'nan',
  '\\N',
  '\\.',
  '00123',
  '1e5',
  'true',
  '2024-01-01',
  '=1+1',
  '\ufeffmark',
]
const NUMBERS = [0, 0.1, -7.5, 1e300, 5e-324, 1 / 3, 42, null]
const BIG = [
  '9007199254740991',
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '1',
  null,
]
const INSTANTS = [
  '2024-01-15T10:30:45.123456Z',
  '2024-02-29T23:59:59+05:30',
  '1969-12-31T23:59:59.999999Z',
  '2024-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
  null,
]

export interface World {
  readonly customers: number
  readonly orders: number
}

/** Ingests and builds the shop. */
export async function fill(space: Defacto, { customers, orders: count }: World): Promise<void> {
  const random = new Random(20261121)
  const maybe = <T>(values: readonly T[]): T => random.of(values)
  const mail = (i: number): string => `c${i}@example.com`
  const card = (i: number): string => `card-${i}`
  const at = (i: number): string => new Date(Date.UTC(2024, 0, 1, 0, 0, i)).toISOString()
  const seen = Array.from({ length: customers }, (_, i) => ({
    kind: 'seen',
    at: at(i),
    mail: mail(i),
    card: card(i),
    note: NOTES[i % NOTES.length],
    id: i % 3 === 0 ? `own-${i}` : null,
    key: i % 5 === 0 ? 'k' : null,
    rate: maybe(NUMBERS),
    seats: maybe([0, 1, -5, 2_000_000_000, null]),
    big: BIG[i % BIG.length],
    active: maybe([true, false, null]),
    since: INSTANTS[i % INSTANTS.length],
    never: null,
  }))
  const ordered = Array.from({ length: count }, (_, i) => {
    const buyer = random.below(customers)
    return {
      kind: 'ordered',
      at: at(customers + i),
      number: `o-${i}`,
      total: maybe(NUMBERS),
      mail: mail(buyer),
      // Some have paid what they ordered: parallel edges. Some cards are nobody's we know.
      card: i % 5 === 0 ? card(buyer) : i % 7 === 0 ? `stranger-${i}` : card(random.below(customers)),
      edge_key: i % 4 === 0 ? `key-${i}` : null,
      edge_source: maybe(['web', 'shop', null]),
      edge_weight: maybe(NUMBERS),
      edge_lines: maybe([1, 2, null]),
      edge_gift: maybe([true, false, null]),
      edge_since: INSTANTS[i % INSTANTS.length],
    }
  })
  const met = Array.from({ length: customers }, (_, i) => ({
    kind: 'met',
    at: at(customers + count + i),
    mail: mail(random.below(customers)),
    card: card(random.below(customers)),
  }))
  const { failures } = await space.ingest('shop', [...seen, ...ordered, ...met], { process: true })
  if (failures.length > 0) throw new Error(`${failures.length} events failed: ${JSON.stringify(failures[0])}`)
}
