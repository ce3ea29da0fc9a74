/** People who work at companies: everybody has one edge. */
import { Defacto, defineDefinitions } from '../../src/index.ts'

export const PEOPLE = defineDefinitions({
  entities: {
    person: {
      starts: 'here',
      identity: { email: {} },
      properties: { email: { type: 'string' }, visits: { type: 'integer', default: 0 } },
      relationships: [{ type: 'works_at', target: 'company', cardinality: 'belongs_to' }],
      states: {
        here: {
          when: {
            joined: {
              effects: [
                'create',
                { set: { property: 'email', from: 'event.email' } },
                { relate: { type: 'works_at', target: 'company', hints: { company: ['domain'] } } },
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
      events: {
        joined: { mappings: { email: { from: 'email' }, domain: { from: 'domain' } }, hints: { person: ['email'] } },
        founded: { mappings: { domain: { from: 'domain' } }, hints: { company: ['domain'] } },
      },
    },
  },
})

export type People = Defacto<typeof PEOPLE>

export function openPeople(database: string, options: { namespace?: string } = {}): Promise<People> {
  return Defacto.fromConfig(PEOPLE, { database, ...options, logLevel: 'ERROR', version: 'v1' }) as Promise<People>
}

/** People `from` up to `to`, of one company, all in one batch: what readers see has all of them or none. */
export async function join(space: People, from: number, to: number): Promise<void> {
  const people = Array.from({ length: to - from }, (_, i) => {
    return { kind: 'joined', at: 1_704_067_200 + from + i, email: `p${from + i}@x.org`, domain: 'x.org' }
  })
  await space.ingest('app', [{ kind: 'founded', at: 1_704_067_200, domain: 'x.org' }, ...people], { process: true })
}
