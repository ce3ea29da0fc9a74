/**
 * A space in which one person is everywhere: three systems, shared events, a merge, a household by hand, letters, raw fields
 * nobody maps. Everything about her that the definitions know is a text that occurs nowhere else.
 */
import type { DefinitionsInput } from '../../src/index.ts'

/** Values that only the person has. */
export const CANARIES = {
  mail: 'zilpzalp.q7@canary.example',
  otherMail: 'zaunkoenig.q7@canary.example',
  phone: '+49 1550 7477 0001',
  name: 'Zilpzalp Quastenflosser',
  street: 'Steinkauzweg 7477',
} as const
export const VALUES: readonly string[] = [...Object.values(CANARIES), CANARIES.mail.toUpperCase()]

const customer = (more: object): object => ({
  starts: 'lead',
  identity: {
    email: { match: 'case_insensitive', normalize: 'str::trim(value)' },
    phone: {},
    account: {},
  },
  properties: {
    email: { type: 'string', sensitive: 'pii', treatment: 'mask' },
    phone: { type: 'string', sensitive: 'pii', treatment: 'mask' },
    full_name: { type: 'string', sensitive: 'pii', treatment: 'redact' },
    street: { type: 'string', sensitive: 'pii', treatment: 'hash' },
    plan: { type: 'string' },
    orders: { type: 'integer', default: 0 },
    ...more,
  },
  relationships: [{ type: 'placed', target: 'order', cardinality: 'has_many', inverse: 'placed_by' }],
  states: {
    lead: {
      when: {
        signed_up: {
          effects: [
            'create',
            { set: { property: 'email', from: 'event.email' } },
            { set: { property: 'full_name', from: 'event.name' } },
            { set: { property: 'street', from: 'event.street' } },
            { transition: { to: 'active' } },
          ],
        },
        called: { effects: ['create', { set: { property: 'phone', from: 'event.phone' } }] },
      },
    },
    active: {
      when: {
        called: { effects: [{ set: { property: 'phone', from: 'event.phone' } }] },
        upgraded: { effects: [{ set: { property: 'plan', from: 'event.plan' } }] },
        ordered: { effects: [{ increment: { property: 'orders' } }] },
      },
      after: [{ type: 'inactivity', threshold: '60d', effects: [{ transition: { to: 'idle' } }] }],
    },
    idle: { when: { ordered: { effects: [{ increment: { property: 'orders' } }, { transition: { to: 'active' } }] } } },
  },
})

/** Version `no` of the definitions: each keeps another property besides. */
export function canaryDefinitions(no: 1 | 2 | 3): DefinitionsInput {
  const more = {
    1: {},
    2: { greeting: { type: 'string', sensitive: 'pii', compute: "'Dear ' + entity.full_name" } },
    3: { tier: { type: 'string', default: 'none' } },
  }[no]
  return {
    entities: {
      customer: customer(more),
      order: {
        starts: 'placed',
        identity: { order_no: {} },
        properties: { order_no: { type: 'string' }, total: { type: 'number' } },
        relationships: [{ type: 'placed_by', target: 'customer', cardinality: 'belongs_to', inverse: 'placed' }],
        states: {
          placed: {
            when: {
              ordered: {
                effects: [
                  'create',
                  { set: { property: 'order_no', from: 'event.order_no' } },
                  { set: { property: 'total', from: 'event.total' } },
                  { relate: { type: 'placed_by', target: 'customer', hints: { customer: ['email'] } } },
                ],
              },
              shipped: {
                effects: [{ relate: { type: 'placed_by', target: 'customer', hints: { customer: ['email'] } } }],
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
          signed_up: {
            mappings: {
              email: { from: 'contact.mail' },
              name: { compute: "event.contact.first + ' ' + event.contact.last" },
              street: { from: 'contact.address.street' },
              account: { from: 'account' },
            },
            hints: { customer: ['email', 'account'] },
          },
          upgraded: {
            mappings: { account: { from: 'account' }, plan: { from: 'plan' } },
            hints: { customer: ['account'] },
          },
        },
      },
      phone: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          called: {
            mappings: { phone: { from: 'caller' }, account: { from: 'account' } },
            hints: { customer: ['phone', 'account'] },
          },
        },
      },
      shop: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          ordered: {
            mappings: {
              email: { from: 'buyer.mail' },
              order_no: { from: 'no' },
              total: { from: 'total', type: 'number' },
            },
            hints: { customer: ['email'], order: ['order_no'] },
          },
          // Nobody's but the order's, and names the customer all the same.
          shipped: {
            mappings: { email: { from: 'to.mail' }, order_no: { from: 'no' } },
            hints: { order: ['order_no'] },
          },
        },
      },
    },
  } as unknown as DefinitionsInput
}

const day = (n: number): string => new Date(Date.UTC(2024, 0, 1 + n)).toISOString()
type Batch = readonly [source: 'crm' | 'phone' | 'shop', records: readonly object[]]

/** What the person's systems tell of her; `late`: what comes after most of it is archived. */
export function canaryRecords(part: 'early' | 'late'): readonly Batch[] {
  const { mail, otherMail, phone, street } = CANARIES
  const [first, last] = CANARIES.name.split(' ')
  const contact = { mail, first, last, address: { street } }
  if (part === 'early') {
    return [
      [
        'crm',
        [
          { kind: 'signed_up', at: day(0), account: 'a-canary', contact },
          // The same in capitals, with another account: one person.
          {
            kind: 'signed_up',
            at: day(1),
            account: 'a-second',
            contact: { ...contact, mail: ` ${mail.toUpperCase()} ` },
          },
          { kind: 'upgraded', at: day(3), account: 'a-second', plan: 'gold' },
          { kind: 'signed_up', at: day(4), account: 'a-third', contact: { ...contact, mail: otherMail } },
        ],
      ],
      ['phone', [{ kind: 'called', at: day(5), caller: phone, account: 'a-canary' }]],
      [
        'shop',
        [
          { kind: 'ordered', at: day(6), no: 'o-canary', total: 7, buyer: { mail } },
          { kind: 'shipped', at: day(7), no: 'o-canary', to: { mail } },
        ],
      ],
    ]
  }
  return [
    ['shop', [{ kind: 'ordered', at: day(40), no: 'o-late', total: 8, buyer: { mail: otherMail } }]],
    ['phone', [{ kind: 'called', at: day(41), caller: phone, account: 'a-third' }]],
  ]
}

/** Records that fail, and hers all the same. */
export const CANARY_LETTERS: readonly object[] = [
  { kind: 'signed_up', at: 'no time', account: 'a-canary', contact: { mail: CANARIES.mail, first: 'Zilpzalp' } },
  { kind: 'unknown', at: day(8), contact: { mail: CANARIES.otherMail } },
]

/** Other people, who must not notice. */
export function otherRecords(count: number): readonly Batch[] {
  const crm: object[] = []
  const phone: object[] = []
  const shop: object[] = []
  for (let i = 0; i < count; i++) {
    const mail = `person${i}@other.example`
    const contact = { mail, first: 'Person', last: `No${i}`, address: { street: `Street ${i}` } }
    crm.push({ kind: 'signed_up', at: day(i % 20), account: `a-${i}`, contact })
    if (i % 3 === 0)
      phone.push({ kind: 'called', at: day(20 + (i % 9)), caller: `+49 30 ${1000 + i}`, account: `a-${i}` })
    if (i % 2 === 0) {
      shop.push({ kind: 'ordered', at: day(30 + (i % 9)), no: `o-${i}`, total: i, buyer: { mail } })
      shop.push({ kind: 'shipped', at: day(39), no: `o-${i}`, to: { mail } })
    }
  }
  return [
    ['crm', crm],
    ['phone', phone],
    ['shop', shop],
  ]
}
