/** `graph` and what is below it, at the command line. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Project } from '../support/cli.ts'

const PERSON = `person:
  starts: known
  identity: { email: { match: exact }, badge: { match: exact } }
  properties: { email: { type: string } }
  relationships:
    - { type: invites, target: person, cardinality: has_many }
    - { type: invited_by, target: person, cardinality: belongs_to }
  states:
    known:
      when:
        seen:
          effects: [create, { set: { property: email, from: event.email } }]
        invited:
          effects:
            - relate: { type: invites, target: person, hints: { person: [badge] } }
`
const SOURCE = `app:
  event_type: event
  timestamp: at
  events:
    seen:
      mappings: { email: { from: email }, badge: { from: badge } }
      hints: { person: [email, badge] }
    invited:
      mappings: { email: { from: email }, badge: { from: guest } }
      hints: { person: [email] }
`

const project = new Project()
beforeAll(async () => {
  project.put('entities/person.yaml', PERSON)
  project.put('sources/app.yaml', SOURCE)
  const events = [
    ...['ana', 'ben', 'cy', 'dora', 'eve'].map((name) => ({
      event: 'seen',
      at: '2024-01-01T00:00:00Z',
      email: name,
      badge: name,
    })),
    ...['ana>ben', 'ben>cy', 'cy>dora'].map((pair, i) => {
      const [email, guest] = pair.split('>')
      return { event: 'invited', at: `2024-01-0${i + 2}T00:00:00Z`, email, guest }
    }),
  ]
  const input = events.map((event) => JSON.stringify(event)).join('\n')
  const { code, err } = await project.run(['ingest', 'app', '-', '--process'], { input })
  if (code !== 0) throw new Error(err)
  const people = await project.json(['table', 'person', '--columns', 'person_id,email'])
  for (const row of people.data as { person_id: string; email: string }[]) ids.set(row.email, row.person_id)
})
afterAll(() => project.remove())

const ids = new Map<string, string>()
const idOf = (name: string): string => ids.get(name) ?? ''

describe('graph of entities', () => {
  it('neighbors: by id or identity value, now or then', async () => {
    const { data } = await project.json(['graph', 'neighbors', 'ben'])
    const byDirection = Object.fromEntries(
      (data as { direction: string; entity_id: string }[]).map((row) => [row.direction, row.entity_id]),
    )
    expect(byDirection).toEqual({ outbound: idOf('cy'), inbound: idOf('ana') })
    expect((await project.json(['graph', 'neighbors', idOf('ben')])).data).toEqual(data)
    const before = ['graph', 'neighbors', 'ben', '--as-of', '2024-01-02T12:00:00Z']
    expect((await project.json(before)).data).toHaveLength(1)
    expect((await project.json(['graph', 'neighbors', 'ben', '--direction', 'inbound'])).data).toHaveLength(1)
    expect(await project.json(['graph', 'neighbors', 'nobody'])).toMatchObject({ code: 7 })
    expect(await project.json(['graph', 'neighbors', 'ben', '--type', 'invtes'])).toMatchObject({ ok: false })
  })

  it('traverse: depth and direction', async () => {
    const depths = async (...args: string[]): Promise<unknown> =>
      Object.fromEntries(
        ((await project.json(['graph', 'traverse', ...args])).data as { entity_id: string; depth: number }[]).map(
          (row) => [[...ids].find(([, id]) => id === row.entity_id)?.[0], row.depth],
        ),
      )
    expect(await depths('ana', 'invites', '--depth', '2')).toEqual({ ana: 0, ben: 1, cy: 2 })
    expect(await depths('cy', 'invites', '--depth', '2', '--undirected')).toEqual({ cy: 0, ben: 1, dora: 1, ana: 2 })
  })

  it('path: step by step, or that there is none', async () => {
    const { data } = await project.json(['graph', 'path', 'dora', 'ana'])
    expect(data).toEqual([
      { step: 0, entity_id: idOf('dora'), relationship_type: null, direction: null },
      { step: 1, entity_id: idOf('cy'), relationship_type: 'invites', direction: 'inbound' },
      { step: 2, entity_id: idOf('ben'), relationship_type: 'invites', direction: 'inbound' },
      { step: 3, entity_id: idOf('ana'), relationship_type: 'invites', direction: 'inbound' },
    ])
    expect(await project.json(['graph', 'path', 'ana', 'eve'])).toMatchObject({ code: 0, data: [] })
    expect((await project.run(['graph', 'path', 'ana', 'eve'])).out).toBe('no way leads from one to the other\n')
    expect((await project.json(['graph', 'path', 'ana', 'dora', '--max-depth', '2'])).data).toEqual([])
  })

  it('related: rows of the others', async () => {
    const { data } = await project.json(['graph', 'related', 'ana', 'invites'])
    expect(data).toMatchObject([{ person_id: idOf('ben'), email: 'ben', relationship_type: 'invites' }])
  })

  it('pictures in both languages', async () => {
    const mermaid = (await project.run(['graph', 'neighbors', 'ben', '--format', 'mermaid'])).out
    expect(mermaid).toMatch(/^flowchart LR\n {2}subgraph g0\["person"\]\n/)
    expect(mermaid.match(/-->\|"invites"\|/g)).toHaveLength(2)
    const dot = (await project.run(['graph', 'traverse', 'ana', 'invites', '--depth', '3', '--format', 'dot'])).out
    for (const pair of [
      ['ana', 'ben'],
      ['ben', 'cy'],
      ['cy', 'dora'],
    ] as const)
      expect(dot).toContain(`"${idOf(pair[0])}" -> "${idOf(pair[1])}" [label="invites"]`)
    const path = (await project.run(['graph', 'path', 'ana', 'cy', '--format', 'dot'])).out
    expect(path.match(/->/g)).toHaveLength(2)
  })

  it('the graph as a whole', async () => {
    const components = (await project.json(['graph', 'components'])).data as { component_id: number }[]
    expect(new Set(components.map((row) => row.component_id)).size).toBe(2)
    expect((await project.json(['graph', 'communities', '--seed', '7'])).data).toHaveLength(5)
    const ranked = (await project.json(['graph', 'centrality', '--algorithm', 'degree', '--limit', '2'])).data as {
      entity_id: string
    }[]
    expect(ranked.map((row) => row.entity_id).sort()).toEqual([idOf('ben'), idOf('cy')].sort())
    expect((await project.json(['graph', 'similar', 'ana', '--top', '1'])).data).toMatchObject([
      { entity_id: idOf('cy') },
    ])
    expect(await project.json(['graph', 'centrality', '--algorithm', 'fame'])).toMatchObject({ code: 2 })
  })

  it('without a word it draws the definitions, and unknown words get a guess', async () => {
    expect((await project.run(['graph'])).out).toMatch(/^stateDiagram-v2/)
    const { code, err } = await project.run(['graph', 'nieghbors', 'ana'])
    expect(code).toBe(2)
    expect(err).toContain("unknown command 'graph nieghbors' (did you mean 'neighbors'?)")
    for (const word of ['neighbors', 'centrality']) expect((await project.run(['graph', '--help'])).out).toContain(word)
    expect((await project.run(['completion', 'bash'])).out).toContain('"graph neighbors"')
  })
})
