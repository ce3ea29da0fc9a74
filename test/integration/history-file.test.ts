/**
 * A file of histories answers as the space it was written from does, and exports of collections have every edge once
 * (spec 06 §1, §7, §9, §10).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Defacto, DefactoQuery, defineDefinitions } from '../../src/index.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { duck } from '../support/duck.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'
import { room } from '../support/room.ts'

const channel = { channel: { type: 'string' }, rank: { type: 'integer' } } as const

/** Guests and teams know either side of their edges, and some edges are told of from both. */
const DEFINITIONS = defineDefinitions({
  entities: {
    person: {
      starts: 'known',
      identity: { email: {}, badge: {} },
      properties: { email: { type: 'string' }, visits: { type: 'integer', default: 0 } },
      relationships: [
        { type: 'invited', target: 'person', cardinality: 'has_many', properties: channel },
        { type: 'invited_by', target: 'person', cardinality: 'belongs_to', inverse: 'invited', properties: channel },
        { type: 'knows', target: 'person', cardinality: 'many_to_many', inverse: 'knows', properties: channel },
        { type: 'in_team', target: 'team', cardinality: 'belongs_to', inverse: 'members' },
      ],
      states: {
        known: {
          when: {
            seen: { effects: ['create', { set: { property: 'email', from: 'event.email' } }] },
            invited: { effects: [edge('invited')] },
            came: { effects: [edge('invited_by'), { increment: { property: 'visits' } }] },
            met: { effects: [edge('knows')] },
            joined: { effects: [{ relate: { type: 'in_team', target: 'team', hints: { team: ['team'] } } }] },
          },
        },
      },
    },
    team: {
      starts: 'known',
      identity: { team: {} },
      properties: { team: { type: 'string' } },
      relationships: [{ type: 'members', target: 'person', cardinality: 'has_many', inverse: 'in_team' }],
      states: {
        known: {
          when: {
            founded: { effects: ['create', { set: { property: 'team', from: 'event.team' } }] },
            enlisted: { effects: [{ relate: { type: 'members', target: 'person', hints: { person: ['badge'] } } }] },
          },
        },
      },
    },
  },
  sources: {
    app: {
      event_type: 'event',
      timestamp: 'at',
      events: {
        seen: {
          mappings: { email: { from: 'email' }, badge: { from: 'badge' } },
          hints: { person: ['email', 'badge'] },
        },
        ...Object.fromEntries(
          (['invited', 'came', 'met'] as const).map((name) => [
            name,
            {
              mappings: {
                email: { from: 'email' },
                badge: { from: 'other' },
                channel: { from: 'channel' },
                rank: { from: 'rank' },
              },
              hints: { person: ['email'] },
            },
          ]),
        ),
        joined: { mappings: { email: { from: 'email' }, team: { from: 'team' } }, hints: { person: ['email'] } },
        founded: { mappings: { team: { from: 'team' } }, hints: { team: ['team'] } },
        enlisted: { mappings: { team: { from: 'team' }, badge: { from: 'other' } }, hints: { team: ['team'] } },
      },
    },
  },
})

function edge(type: string) {
  const properties = { channel: { from: 'event.channel' }, rank: { from: 'event.rank' } }
  return { relate: { type, target: 'person', hints: { person: ['badge'] }, properties } } as const
}

const at = (day: number): string => new Date(Date.UTC(2024, 0, day)).toISOString()
const told = (event: string, day: number, email: string, other: string) => {
  return { event, at: at(day), email, other, channel: `${event} ${day}`, rank: day }
}
const seen = (name: string, badge = name, day = 1) => ({ event: 'seen', at: at(day), email: name, badge })
const PEOPLE = ['ana', 'ben', 'cy', 'dora', 'eli', 'fay']
const BEGIN = [
  ...PEOPLE.map((name) => seen(name)),
  ...['red', 'blue'].map((team) => ({ event: 'founded', at: at(1), team })),
  told('invited', 2, 'ana', 'ben'),
  // Another host: of the two sides only one can say that an edge ends.
  told('came', 6, 'ben', 'cy'),
  told('came', 8, 'fay', 'cy'),
  told('came', 9, 'fay', 'dora'),
  told('met', 4, 'cy', 'ana'),
  told('met', 5, 'ana', 'ben'),
  told('met', 8, 'fay', 'dora'),
  { event: 'joined', at: at(2), email: 'ana', team: 'red' },
  { event: 'joined', at: at(5), email: 'ana', team: 'blue' },
  { event: 'enlisted', at: at(3), team: 'red', other: 'dora' },
]
const FROM_THE_OTHER_SIDE = [
  told('came', 3, 'ben', 'ana'),
  told('came', 4, 'dora', 'cy'),
  told('invited', 9, 'cy', 'dora'),
  told('invited', 5, 'dora', 'dora'),
  told('met', 7, 'ben', 'ana'),
  told('met', 8, 'eli', 'eli'),
  { event: 'enlisted', at: at(7), team: 'blue', other: 'ana' },
]
/** One event that names both: they are one person. */
const MERGE = [seen('fay', 'eli', 10)]

type Space = Defacto<typeof DEFINITIONS>
type Side = Space | Awaited<ReturnType<typeof connect>>

const connect = (url: string, namespace?: string) =>
  DefactoQuery.connect(url, DEFINITIONS, 'v1', namespace === undefined ? {} : { namespace })

const RELATIONSHIPS = ['invited', 'invited_by', 'knows', 'in_team', 'members'] as const
const TYPES = ['person', 'team'] as const
const MOMENTS = [3, 6].map(at)

async function sorted(query: Pick<TableQuery, 'rows'>): Promise<string[]> {
  return (await query.rows()).map((row) => JSON.stringify(row)).sort()
}

/** What is asked, by name. */
function questions(ids: ReadonlyMap<string, string>): Map<string, (of: Side) => Promise<unknown>> {
  const asked = new Map<string, (of: Side) => Promise<unknown>>()
  const rows = (name: string, of: (side: Side) => unknown): void => {
    asked.set(name, (side) => sorted(of(side) as TableQuery))
  }
  const hidden = ['valid_from', '_generation', '_revision', '_sequence'] as const
  for (const type of TYPES) {
    rows(`table ${type}`, (d) => d.table(type))
    rows(`history ${type}`, (d) => d.history(type))
    rows(`merges ${type}`, (d) => d.table(type).resolveMerges())
    rows(`merged history ${type}`, (d) => d.history(type).resolveMerges())
    rows(`hidden ${type}`, (d) => (d.history(type) as unknown as TableQuery).select(`${type}_id`, ...hidden))
    for (const moment of MOMENTS) {
      rows(`${type} ${moment}`, (d) => d.history(type).asOf(moment))
      rows(`merged ${type} ${moment}`, (d) => d.history(type).asOf(moment).resolveMerges())
    }
  }
  for (const name of RELATIONSHIPS) {
    rows(name, (d) => d.relationship(name))
    rows(`history ${name}`, (d) => d.relationship(name, { history: true }))
    rows(`hidden ${name}`, (d) => d.query(`select * from rel_${name}_history`))
    for (const moment of MOMENTS) {
      rows(`${name} ${moment}`, (d) => (d.relationship(name, { history: true }) as unknown as TableQuery).asOf(moment))
    }
  }
  rows('relationships', (d) => d.relationships())
  rows('history relationships', (d) => d.relationships({ history: true }))
  rows('raw relationships', (d) => d.query('select * from relationships'))
  const starts = ['ana ', 'ben ', 'dora ', 'red'].map((name) => [name, ids.get(name) as string] as const)
  for (const [name, id] of [...starts, ['nobody', 'x'] as const]) {
    for (const options of [{}, { asOf: at(5) }]) {
      const label = `${name} ${JSON.stringify(options)}`
      asked.set(`neighbors ${label}`, (d) => d.neighbors(id, options).rows())
      for (const type of RELATIONSHIPS) {
        asked.set(`${type} around ${label}`, async (d) => [
          await d.neighbors(id, { ...options, relationshipType: type, direction: 'inbound' }).rows(),
          await d.traverse(id, type, { ...options, depth: 3 }).rows(),
          await sorted(d.related(id, type, options)),
        ])
      }
      asked.set(`paths from ${label}`, (d) =>
        Promise.all([...ids.values()].slice(-3).map((other) => d.path(id, other, options))),
      )
    }
    asked.set(`similar ${name}`, (d) => d.graph.similar(id).rows())
  }
  asked.set('components', (d) => d.graph.connectedComponents().rows())
  asked.set('communities', (d) => d.graph.communities().rows())
  asked.set('pagerank', async (d) =>
    (await d.graph.centrality().rows()).map((row) => ({ ...row, score: row.score.toFixed(9) })),
  )
  asked.set('degrees', (d) => d.graph.centrality({ algorithm: 'degree' }).rows())
  for (const past of [false, true]) {
    const tables = (d: Side) => (past ? d.tables().history() : d.tables())
    const items = (found: readonly object[]): string[] => found.map((item) => JSON.stringify(item)).sort()
    asked.set(`graph${past ? ', past' : ''}`, async (d) => {
      const { nodes, edges } = await tables(d).toGraphJson()
      return [items(nodes), items(edges)]
    })
    asked.set(`rows${past ? ', past' : ''}`, async (d) =>
      Object.entries(await tables(d).toRows()).map(([name, all]) => [name, items(all)]),
    )
  }
  return asked
}

const sqlite = async () => {
  const folder = mkdtempSync(join(room(), 'space-'))
  return { url: join(folder, 'd.db'), drop: async () => rmSync(folder, { recursive: true }) }
}
const PLACES = [
  ['SQLite', describe, sqlite, FROM_THE_OTHER_SIDE],
  ['SQLite, each edge told of by one side', describe, sqlite, []],
  ['Postgres', describePostgres as typeof describe, freshDatabase, FROM_THE_OTHER_SIDE],
] as const

for (const [name, suite, open, more] of PLACES) {
  suite(`a file of histories of a space on ${name}`, () => {
    let folder: string
    let place: { url: string; drop(): Promise<void> }
    let space: Space
    let ids: Map<string, string>
    const path = (file: string): string => join(folder, file)

    beforeAll(async () => {
      folder = mkdtempSync(join(room(), 'histories-'))
      place = await open()
      space = (await Defacto.fromConfig(DEFINITIONS, {
        database: place.url,
        version: 'v1',
        logLevel: 'ERROR',
      })) as Space
      // In pieces, so that what is closed and merged was open before.
      for (const some of [BEGIN, more, MERGE]) {
        await space.ingest('app', some as never, { process: true })
      }
      const people = await space.history('person').resolveMerges().rows()
      ids = new Map(people.map((row) => [`${row.email} ${row.merged_into === null ? '' : 'merged'}`, row.person_id]))
      for (const row of await space.table('team').rows()) ids.set(row.team as string, row.team_id)
      await space.tables('team').toStore(path('h.duckdb'))
    })
    afterAll(async () => {
      await space.close()
      await place.drop()
      rmSync(folder, { recursive: true, force: true })
    })

    it('was made of edges of all kinds', async () => {
      const edges = await space.relationships({ history: true }).rows()
      expect(new Set(edges.map((row) => row.relationship_type))).toEqual(new Set(RELATIONSHIPS))
      expect(edges.some((row) => row.valid_to !== null)).toBe(true)
      expect(await space.table('person').resolveMerges().count()).toBeGreaterThan(await space.table('person').count())
      // What several sides told of is worked out when the file is written.
      const kind = "select table_type from information_schema.tables where table_name = 'relationships'"
      expect(await duck(kind, path('h.duckdb'))).toEqual([{ table_type: more.length > 0 ? 'BASE TABLE' : 'VIEW' }])
      const ben = await space.neighbors(ids.get('ben ') as string).rows()
      expect(ben.map(({ relationship_type, direction }) => `${relationship_type} ${direction}`)).toContain(
        'invited_by outbound',
      )
    })

    it('answers as the space does, and so does a file that was written from it', async () => {
      await using first = await connect(path('h.duckdb'))
      await first.tables().toStore(path('again.duckdb'), { namespace: 'other' })
      await using second = await connect(path('again.duckdb'), 'other')
      for (const [question, ask] of questions(ids)) {
        const expected = await ask(space)
        expect(await ask(first), question).toEqual(expected)
        if (!question.includes('around')) expect(await ask(second), `${question}, again`).toEqual(expected)
      }
    })

    it('exports of a collection have every edge once', async () => {
      await using file = await connect(path('h.duckdb'))
      for (const [from, side] of [
        ['space', space],
        ['file', file],
      ] as const) {
        for (const [when, tables] of [
          ['now', side.tables()],
          ['past', side.tables().history()],
        ] as const) {
          const out = path(`${from}-${when}`)
          await tables.toCsv(out)
          await tables.toParquet(out)
          await tables.toDuckdb(`${out}.duckdb`)
          const all = side.relationships({ history: when === 'past' })
          for (const [rel, names] of [
            ['invited', ['invited', 'invited_by']],
            ['knows', ['knows']],
            ['in_team', ['in_team', 'members']],
          ] as const) {
            const count = await all.filter({ relationship_type: names }).count()
            const listed = readFileSync(join(out, `rel_${rel}.csv`), 'utf8')
              .split('\r\n')
              .slice(1, -1)
            expect(listed.length, `${from} ${when} ${rel}`).toBe(count)
            expect(new Set(listed).size).toBe(count)
            const tally = `select count(*)::int n from`
            expect(await duck(`${tally} '${join(out, `rel_${rel}.parquet`)}'`)).toEqual([{ n: count }])
            expect(await duck(`${tally} rel_${rel}`, `${out}.duckdb`)).toEqual([{ n: count }])
          }
        }
      }
      // The one that was told of from one side only stands as it was told.
      const known = (await space.tables().get('rel_knows').rows()).map((row) => [row.source_id, row.target_id])
      expect(known).toContainEqual([ids.get('cy '), ids.get('ana ')])
      expect(known).not.toContainEqual([ids.get('ana '), ids.get('cy ')])
      expect(
        await space
          .relationship('knows')
          .filter({ source_id: ids.get('ana ') as string })
          .count(),
      ).toBe(2)
    })
  })
}
