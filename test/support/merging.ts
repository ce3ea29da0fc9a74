/** People with things, for tests of merges by hand: nobody shares a hint, so whoever is one person was made one. */
import { Defacto, type DefactoOptions } from '../../src/index.ts'

export const merging = {
  entities: {
    person: {
      starts: 'known',
      identity: { mail: {} },
      properties: { seen: { type: 'integer', default: 0 }, plan: { type: 'string' } },
      states: {
        known: {
          when: {
            seen: {
              effects: [
                'create',
                { increment: { property: 'seen' } },
                { set: { property: 'plan', from: 'event.plan' } },
              ],
            },
          },
          after: [{ type: 'inactivity', threshold: '30d', effects: [{ transition: { to: 'quiet' } }] }],
        },
        quiet: { when: { seen: { effects: [{ increment: { property: 'seen' } }, { transition: { to: 'known' } }] } } },
      },
      relationships: [{ type: 'owns', target: 'thing', cardinality: 'many_to_many' }],
    },
    thing: {
      starts: 'there',
      identity: { tag: {} },
      properties: {},
      states: {
        there: {
          when: {
            bought: {
              effects: ['create', { relate: { type: 'owned_by', target: 'person', hints: { person: 'mail' } } }],
            },
          },
        },
      },
      relationships: [{ type: 'owned_by', target: 'person', cardinality: 'many_to_many' }],
    },
  },
  sources: {
    web: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        seen: {
          event_id: ['no'],
          mappings: { mail: { from: 'mail' }, plan: { from: 'plan' }, no: { from: 'no' } },
          hints: { person: ['mail'] },
        },
        bought: { mappings: { tag: { from: 'tag' }, mail: { from: 'mail' } }, hints: { thing: ['tag'] } },
      },
    },
  },
} as const

/** The same with hints that are compared without case: identities are grouped anew. */
export const otherIdentities = {
  ...merging,
  entities: {
    ...merging.entities,
    person: {
      ...merging.entities.person,
      identity: { mail: { match: 'case_insensitive', normalize: 'str::trim(value)' } },
    },
  },
} as const

let numbers = 0
export const seen = (mail: string, day: number, plan: string): object => ({
  kind: 'seen',
  mail,
  plan,
  no: ++numbers,
  at: Date.UTC(2024, 0, day) / 1000,
})
export const bought = (tag: string, mail: string, day: number): object => ({
  kind: 'bought',
  tag,
  mail,
  at: Date.UTC(2024, 0, day) / 1000,
})

/** Three people whose histories interleave, and things of theirs; `both` belongs to two of them. */
export const RECORDS: readonly object[] = [
  seen('ann', 1, 'free'),
  seen('bob', 2, 'pro'),
  seen('cat', 2, 'pro'),
  seen('ann', 3, 'team'),
  bought('bike', 'ann', 4),
  bought('boat', 'bob', 4),
  bought('both', 'ann', 5),
  bought('both', 'bob', 6),
  seen('bob', 7, 'free'),
  seen('ann', 60, 'gold'),
]

export const NOW = '2024-06-01T00:00:00Z'

export function openMerging(options: DefactoOptions, definitions: object = merging): Promise<Defacto> {
  return Defacto.fromConfig(definitions, { clock: () => new Date(NOW), logLevel: 'ERROR', ...options })
}

export async function idOf(engine: Defacto, value: string): Promise<string> {
  const id = await engine.identity.lookup(value)
  if (id === undefined) throw new Error(`nobody is called ${value}`)
  return id
}

type Row = Record<string, unknown>

/** Everything queries show: rows of all entities with losers, edges with their ends; ids under the names given. */
export async function picture(engine: Defacto, names: Readonly<Record<string, string>>): Promise<object> {
  const called = new Map(Object.entries(names).map(([name, id]) => [id, name]))
  const read = async (query: { rows(): Promise<Row[]> }): Promise<string[]> => {
    const rows = await query.rows()
    return rows
      .map((row) => {
        const entries = Object.entries(row).map(([column, value]) => [column, called.get(String(value)) ?? value])
        return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))))
      })
      .sort()
  }
  return {
    people: await read(engine.history('person').resolveMerges() as never),
    things: await read(engine.history('thing') as never),
    edges: await read(engine.relationship('owned_by', { history: true }) as never),
  }
}
