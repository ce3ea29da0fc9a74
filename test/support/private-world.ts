/** A shop whose customers have something to hide, for tests of treatments in the pure core. */
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import type { NormalizedEvent } from '../../src/core/event.ts'
import { Digests } from '../../src/core/privacy/digest.ts'
import type { TreatableRow } from '../../src/core/privacy/treat.ts'
import type { Erasure } from '../../src/ports/privacy.ts'
import { definitionsOf } from './core-world.ts'

export const digests = new Digests(new TextEncoder().encode('a key of the tests'))
export const otherDigests = new Digests(new TextEncoder().encode('another key'))

const customer = {
  starts: 'known',
  identity: { email: { match: 'case_insensitive', normalize: 'str::trim(value)' }, phone: {}, number: {} },
  properties: {
    email: { type: 'string', sensitive: 'pii', treatment: 'mask' },
    name: { type: 'string', sensitive: 'pii' },
    born: { type: 'datetime', sensitive: 'pii', treatment: 'hash' },
    tier: { type: 'string', allowed: ['gold', 'none'], sensitive: 'pii' },
    city: { type: 'string' },
    label: { type: 'string', compute: 'entity.city', sensitive: 'pci', treatment: 'hash' },
    visits: { type: 'integer', default: 0 },
  },
  states: {
    known: {
      when: {
        joined: {
          effects: [
            'create',
            { set: { property: 'email', from: 'event.email' } },
            { set: { property: 'name', compute: 'event.first + " " + event.person.last' } },
            { set: { property: 'born', from: 'event.birthday' } },
            { set: { property: 'tier', from: 'event.tier' } },
          ],
        },
        moved: { effects: [{ set: { property: 'city', from: 'event.town' } }, { increment: { property: 'visits' } }] },
      },
    },
  },
  always: { renamed: { effects: [{ set: { property: 'name', from: 'event.called' } }] } },
  relationships: [{ type: 'ordered', target: 'order', cardinality: 'has_many', inverse: 'by' }],
}
const order = {
  starts: 'open',
  identity: { no: {} },
  properties: { total: { type: 'number' } },
  states: {
    open: {
      when: {
        bought: {
          effects: [
            'create',
            { set: { property: 'total', from: 'event.total' } },
            { relate: { type: 'by', target: 'customer', hints: { customer: ['email', 'phone'] } } },
          ],
        },
      },
    },
  },
  relationships: [{ type: 'by', target: 'customer', cardinality: 'belongs_to', inverse: 'ordered' }],
}
const account = {
  starts: 'open',
  identity: { email: {} },
  states: { open: { when: { joined: { effects: ['create'] } } } },
}

/** `patch` changes a copy of the definitions before they are read. */
export function shop(patch: (definitions: ReturnType<typeof shopDraft>) => void = () => {}): DefinitionsObject {
  const draft = shopDraft()
  patch(draft)
  return definitionsOf(draft)
}

function shopDraft() {
  return structuredClone({
    entities: { customer, order, account } as Record<string, Record<string, unknown>>,
    sources: {
      web: {
        event_type: 'type',
        timestamp: 'at',
        events: {
          joined: {
            mappings: {
              email: { from: 'contact.mail' },
              phone: { from: 'contact.phone' },
              first: { from: 'contact.first' },
              person: { from: 'contact.person' },
              birthday: { from: 'born', type: 'datetime' },
              tier: { from: 'tier' },
              shoe: { from: 'shoe', type: 'number' },
            },
            hints: { customer: ['email', 'phone'], account: ['email'] },
          },
          moved: {
            mappings: { phone: { from: 'phone' }, town: { compute: 'event.address.town' } },
            hints: { customer: ['phone'] },
          },
          renamed: {
            mappings: { phone: { from: 'phone' }, called: { from: 'names' } },
            hints: { customer: ['phone'] },
          },
          bought: {
            mappings: {
              no: { from: 'no' },
              email: { from: 'buyer' },
              phone: { from: 'tel' },
              total: { from: 'total' },
            },
            hints: { order: ['no'] },
          },
        },
      },
    } as Record<string, Record<string, unknown> & { events: Record<string, Record<string, unknown>> }>,
  })
}

/** The ledger row of an event. */
export function rowOf(event: NormalizedEvent, sequence = 1): TreatableRow & { readonly eventId: string } {
  return {
    sequence,
    eventId: event.eventId,
    source: event.source,
    eventType: event.eventType,
    timestamp: event.timestamp.toString(),
    data: event.dataJson,
    raw: event.rawJson,
    hints: event.hintsJson,
    kinds: event.kindsJson,
    redaction: event.redactionJson ?? null,
  }
}

export const joined = (change: Record<string, unknown> = {}) => ({
  type: 'joined',
  at: '2024-01-01T00:00:00Z',
  contact: { mail: ' Ann@Example.org', phone: '0300 123', first: 'Ann', person: { last: 'Lee', title: 'Dr' } },
  born: '1990-02-03T00:00:00Z',
  tier: 'gold',
  shoe: 38,
  ...change,
})

/** The journal of an erasure of nobody, but for what is given. */
export function erasureOf(given: Partial<Erasure>): Erasure {
  return {
    erasureId: 'e_1',
    requestId: 'q_1',
    kind: 'erase',
    entities: [],
    digests: [],
    eventDigests: [],
    emptied: [],
    treated: [],
    exports: [],
    stores: {},
    counts: { entities: 0, eventsDeleted: 0, eventsScrubbed: 0, mergeLog: 0, fields: 0 },
    ledgerHead: 0,
    versions: [],
    startedAt: '2026-01-01T00:00:00Z',
    pivotAt: null,
    closedAt: null,
    ...given,
  }
}
