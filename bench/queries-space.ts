/** A space whose history is large: people whose plan changes, and where they work. */
import { Defacto, defineDefinitions } from '../src/index.ts'
import type { Place } from './store.ts'

const DEFINITIONS = defineDefinitions({
  entities: {
    person: {
      starts: 'new',
      identity: { email: {} },
      properties: {
        email: { type: 'string' },
        plan: { type: 'string' },
        mrr: { type: 'number', default: 0 },
        seats: { type: 'integer', default: 1 },
        paying: { type: 'boolean', compute: 'entity.mrr > 0' },
        since: { type: 'datetime' },
      },
      relationships: [{ type: 'works_at', target: 'company', cardinality: 'belongs_to' }],
      states: {
        new: {
          when: {
            joined: {
              effects: [
                'create',
                { set: { property: 'email', from: 'event.email' } },
                { set: { property: 'since', compute: 'event.timestamp' } },
                { relate: { type: 'works_at', target: 'company', hints: { company: ['domain'] } } },
              ],
            },
            changed: {
              effects: [
                { set: { property: 'plan', from: 'event.plan' } },
                { set: { property: 'mrr', from: 'event.mrr' } },
                { set: { property: 'seats', from: 'event.seats' } },
              ],
            },
          },
        },
      },
    },
    company: {
      starts: 'known',
      identity: { domain: {} },
      properties: { domain: { type: 'string' } },
      relationships: [{ type: 'employs', target: 'person', cardinality: 'has_many' }],
      states: {
        known: { when: { founded: { effects: ['create', { set: { property: 'domain', from: 'event.domain' } }] } } },
      },
    },
  },
  sources: {
    app: {
      event_type: 'kind',
      timestamp: 'at',
      event_id: ['id'],
      events: {
        joined: {
          mappings: { id: { from: 'id' }, email: { from: 'email' }, domain: { from: 'domain' } },
          hints: { person: ['email'] },
        },
        founded: { mappings: { id: { from: 'id' }, domain: { from: 'domain' } }, hints: { company: ['domain'] } },
        changed: {
          mappings: {
            id: { from: 'id' },
            email: { from: 'email' },
            plan: { from: 'plan' },
            mrr: { from: 'mrr', type: 'number' },
            seats: { from: 'seats', type: 'integer' },
          },
          hints: { person: ['email'] },
        },
      },
    },
  },
})

/** History rows of each person: one event each. */
export const ROWS_EACH = 5
/** People of one company. */
const COLLEAGUES = 20
const PLANS = ['free', 'starter', 'team', 'business']
const START = Date.UTC(2020, 0, 1)
const HOUR = 3_600_000
/** An instant with a row of nearly every person. */
export const MIDDLE = new Date(START + 4 * 365 * 24 * HOUR).toISOString()

export const mailOf = (person: number): string => `person${person}@example.com`

/** The space, with `events` history rows. */
export async function makeSpace(place: Place, events: number): Promise<void> {
  const space = await openQuerySpace(place)
  await space.ingest('app', records(events))
  await space.build()
  await space.close()
}

export function openQuerySpace(place: Place): Promise<Defacto> {
  return Defacto.fromConfig(DEFINITIONS, {
    ...place,
    logLevel: 'ERROR',
    batchSize: 2000,
    catchUp: false,
  }) as unknown as Promise<Defacto>
}

export { DEFINITIONS as QUERY_DEFINITIONS }

function* records(events: number): Generator<object> {
  const people = Math.floor(events / ROWS_EACH)
  for (let round = 0; round < ROWS_EACH; round++) {
    for (let person = 0; person < people; person++) {
      const at = new Date(START + (round * 8760 + (person % 8760)) * HOUR + person * 7).toISOString()
      const id = `e${round}-${person}`
      const email = mailOf(person)
      if (round === 0) {
        const domain = `company${Math.floor(person / COLLEAGUES)}.example`
        if (person % COLLEAGUES === 0) yield { id: `c${person}`, kind: 'founded', at, domain }
        yield { id, kind: 'joined', at, email, domain }
      } else {
        const plan = PLANS[(person + round) % PLANS.length]
        yield {
          id,
          kind: 'changed',
          at,
          email,
          plan,
          mrr: ((person * round) % 997) / 4,
          seats: 1 + (person % 50) + round,
        }
      }
    }
  }
}
