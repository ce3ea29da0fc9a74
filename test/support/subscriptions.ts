/** Customers with a plan and orders: definitions with every way a property gets its value, and records for them. */
import { Defacto, type DefactoOptions, defineDefinitions } from '../../src/index.ts'

export const SUBSCRIPTIONS = defineDefinitions({
  entities: {
    customer: {
      starts: 'lead',
      identity: { email: { match: 'case_insensitive' }, card: {} },
      properties: {
        email: { type: 'string' },
        plan: { type: 'string', default: 'free' },
        seats: { type: 'integer', default: 0 },
        mrr: { type: 'number' },
        score: { type: 'number', compute: 'entity.seats * 2' },
        since: { type: 'datetime' },
        vip: { type: 'boolean' },
        note: { type: 'string' },
      },
      states: {
        lead: {
          when: {
            signed: { effects: ['create', { set: { property: 'email', from: 'event.email' } }] },
            upgraded: {
              guard: 'event.seats > 0',
              effects: [
                { set: { property: 'plan', from: 'event.plan' } },
                { set: { property: 'mrr', compute: 'event.seats * 10 + entity.seats + event.price' } },
                { increment: { property: 'seats', by: 3 } },
                { increment: { property: 'seats', by: 50, condition: 'event.seats > 100' } },
                { transition: { to: 'paying', condition: "event.plan != 'trial'" } },
              ],
            },
          },
        },
        paying: {
          when: {
            upgraded: { effects: [{ set: { property: 'plan', from: 'event.plan' } }] },
            ordered: {
              effects: [{ relate: { type: 'placed_order', target: 'order', hints: { order: ['number'] } } }],
            },
            left: { effects: [{ set: { property: 'plan', value: null } }, { transition: { to: 'lead' } }] },
          },
          after: [
            {
              type: 'inactivity',
              threshold: '30d',
              effects: [{ set: { property: 'vip', value: false } }, { transition: { to: 'lead' } }],
            },
          ],
        },
      },
      always: { upgraded: { effects: [{ set: { property: 'since', from: 'event.timestamp' } }] } },
      relationships: [{ type: 'placed_order', target: 'order', cardinality: 'has_many', inverse: 'ordered_by' }],
    },
    order: {
      starts: 'open',
      identity: { number: {} },
      properties: { total: { type: 'number' } },
      states: {
        open: { when: { ordered: { effects: ['create', { set: { property: 'total', from: 'event.total' } }] } } },
      },
      relationships: [{ type: 'ordered_by', target: 'customer', cardinality: 'belongs_to', inverse: 'placed_order' }],
    },
  },
  sources: {
    crm: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        signed: {
          mappings: { email: { from: 'contact.mail' }, card: { from: 'card' } },
          hints: { customer: ['email', 'card'] },
        },
        upgraded: {
          mappings: {
            email: { from: 'contact.mail' },
            plan: { from: 'sub.plan' },
            seats: { from: 'n', type: 'integer' },
            price: { compute: 'event.unit * event.n' },
          },
          hints: { customer: ['email'] },
        },
        left: { mappings: { email: { from: 'contact.mail' } }, hints: { customer: ['email'] } },
        ordered: {
          mappings: {
            email: { from: 'contact.mail' },
            number: { from: 'number' },
            total: { from: 'total', type: 'number' },
          },
          hints: { customer: ['email'], order: ['number'] },
        },
      },
    },
  },
} as const)

/** The same with one property more. */
export const WITH_REGION = {
  ...SUBSCRIPTIONS,
  entities: {
    ...SUBSCRIPTIONS.entities,
    customer: {
      ...SUBSCRIPTIONS.entities.customer,
      properties: { ...SUBSCRIPTIONS.entities.customer.properties, region: { type: 'string', default: 'eu' } },
    },
  },
} as const

type Fields = Record<string, unknown>

/** A record of `kind` about the person with this mail address, on a day of January 2024. */
export function record(kind: string, mail: string, day: number, fields: Fields = {}): Fields {
  return { kind, at: `2024-01-${String(day).padStart(2, '0')}T00:00:00Z`, contact: { mail }, ...fields }
}

/** Ana pays for two seats from the 2nd on and orders on the 3rd; Bo is a lead. */
export const RECORDS: readonly Fields[] = [
  record('signed', 'ana@x', 1),
  record('upgraded', 'ana@x', 2, { sub: { plan: 'pro' }, n: 2, unit: 5 }),
  record('ordered', 'ana@x', 3, { number: 'n1', total: 12.5 }),
  record('signed', 'bo@x', 1),
]

/** A quiet space of these definitions, in the middle of January 2024. */
export function openSubscriptions(options: DefactoOptions): Promise<Defacto<typeof SUBSCRIPTIONS>> {
  return Defacto.open(SUBSCRIPTIONS, { logLevel: 'ERROR', clock: () => new Date('2024-01-15'), ...options })
}
