/** Exports to a real Neo4j server (spec 06 §7.1): types, pruning, spaces beside each other, hostile names, cut connections. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Neo4jServer } from '../../src/adapters/neo4j/driver.ts'
import { writeGraph } from '../../src/adapters/neo4j/export.ts'
import type { ExportColumn, ExportedGraph, ExportTable } from '../../src/ports/exports.ts'
import { DefactoQuery } from '../../src/query-handle.ts'
import { join, openPeople, PEOPLE, type People } from '../support/export-space.ts'
import { boltProxy, describeNeo4j, type FreshSpace, freshSpace, neo4jUrl } from '../support/neo4j.ts'

const T0 = '2024-01-01T00:00:00+00:00'
const T1 = '2024-02-01T12:30:45.123456+00:00'

let neo4j: FreshSpace
beforeEach(async () => {
  neo4j = await freshSpace()
})
afterEach(() => neo4j[Symbol.asyncDispose]())

function table(name: string, columns: readonly ExportColumn[], rows: readonly (readonly unknown[])[]): ExportTable {
  async function* chunks(): AsyncGenerator<readonly (readonly unknown[])[]> {
    if (rows.length > 0) yield rows
  }
  return { name, columns, chunks: chunks() }
}

const text = (name: string): ExportColumn => ({ name, type: 'string' })
const FROM: ExportColumn = { name: 'valid_from', type: 'datetime' }
const ENDS = [text('source_id'), text('target_id'), text('relationship_type')]

interface Small {
  readonly people: readonly string[]
  readonly knows?: readonly (readonly [string, string])[]
  readonly likes?: readonly (readonly [string, string])[]
}

/** People who know and like each other. */
function small(space: string, { people, knows = [], likes = [] }: Small): ExportedGraph {
  const edges = (type: string, pairs: readonly (readonly [string, string])[]) => ({
    type,
    sources: ['person'],
    targets: ['person'],
    table: table(
      type,
      [...ENDS, FROM],
      pairs.map(([a, b]) => [a, b, type, T0]),
    ),
  })
  return {
    space,
    version: 'v1',
    at: T0,
    entityTypes: ['person', 'order'],
    relationshipTypes: ['knows', 'likes'],
    nodes: [
      {
        type: 'person',
        table: table(
          'person',
          [text('person_id'), FROM],
          people.map((id) => [id, T0]),
        ),
      },
    ],
    edges: [edges('knows', knows), edges('likes', likes)],
  }
}

const write = (graph: ExportedGraph, prune = true) => writeGraph(neo4j.server, graph, { prune })

async function people(): Promise<unknown[]> {
  const rows = await neo4j.cypher('MATCH (n:Person {_defacto_space: $space}) RETURN n.person_id AS id ORDER BY id')
  return rows.map(({ id }) => id)
}

async function edges(): Promise<string[]> {
  const rows = await neo4j.cypher(
    `MATCH (a {_defacto_space: $space})-[r]->(b) RETURN a.person_id AS a, type(r) AS type, b.person_id AS b
     ORDER BY type, a, b`,
  )
  return rows.map(({ a, type, b }) => `${a} ${type} ${b}`)
}

describeNeo4j('a graph in Neo4j', () => {
  it('has typed properties; what is null is left out', async () => {
    const columns: ExportColumn[] = [
      text('support_ticket_id'),
      text('support_ticket_state'),
      { name: 'score', type: 'number' },
      { name: 'size', type: 'integer' },
      { name: 'open', type: 'boolean' },
      FROM,
      { name: 'valid_to', type: 'datetime' },
    ]
    const rows = [
      ['t1', 'new', 3, 3, true, T1, null],
      ['t2', 'new', null, 2n ** 62n, false, T0, null],
    ]
    const graph = { ...small(neo4j.name, { people: [] }), entityTypes: ['support_ticket'], edges: [] }
    const nodes = [{ type: 'support_ticket', table: table('support_ticket', columns, rows) }]
    expect(await write({ ...graph, nodes })).toEqual({ rows: 2, bytes: null })
    const found = await neo4j.cypher(
      `MATCH (n:Support_Ticket {_defacto_space: $space}) RETURN properties(n) AS all, valueType(n.score) AS score,
         valueType(n.size) AS size, valueType(n.open) AS open, valueType(n.valid_from) AS at ORDER BY n._defacto_id`,
    )
    const marks = { _defacto_space: neo4j.name, _defacto_export: 1 }
    expect(found).toEqual([
      {
        all: {
          support_ticket_id: 't1',
          support_ticket_state: 'new',
          score: 3,
          size: 3,
          open: true,
          valid_from: T1,
          _defacto_id: 't1',
          ...marks,
        },
        score: 'FLOAT NOT NULL',
        size: 'INTEGER NOT NULL',
        open: 'BOOLEAN NOT NULL',
        at: 'ZONED DATETIME NOT NULL',
      },
      expect.objectContaining({ all: expect.objectContaining({ size: 2n ** 62n, open: false }), score: 'NULL' }),
    ])
  })

  it('loses what is no more, and nothing else; without prune it keeps everything', async () => {
    await neo4j.cypher("CREATE (:Person {person_id: 'by hand', space: $space})")
    await write(
      small(neo4j.name, {
        people: ['a', 'b', 'c'],
        knows: [
          ['a', 'b'],
          ['b', 'a'],
          ['b', 'c'],
        ],
        likes: [['a', 'b']],
      }),
    )
    expect(await edges()).toEqual(['a KNOWS b', 'b KNOWS a', 'b KNOWS c', 'a LIKES b'])
    await write(small(neo4j.name, { people: ['a', 'b'], likes: [['b', 'a']] }), false)
    expect(await people()).toEqual(['a', 'b', 'c'])
    expect(await edges()).toEqual(['a KNOWS b', 'b KNOWS a', 'b KNOWS c', 'a LIKES b', 'b LIKES a'])
    await write(small(neo4j.name, { people: ['a', 'b'], likes: [['b', 'a']] }))
    expect(await people()).toEqual(['a', 'b'])
    expect(await edges()).toEqual(['b LIKES a'])
    expect(await neo4j.cypher('MATCH (n:Person {space: $space}) RETURN n.person_id AS id')).toEqual([{ id: 'by hand' }])
  })

  it('loses types that the definitions have no more; types that were not exported this time stay', async () => {
    const order = { type: 'order', table: table('order', [text('order_id'), FROM], [['o1', T0]]) }
    const first = small(neo4j.name, { people: ['a'], likes: [['a', 'a']] })
    await write({ ...first, nodes: [...first.nodes, order] })
    await write({ ...small(neo4j.name, { people: ['a'] }), edges: [] })
    const all = 'MATCH (n {_defacto_space: $space}) RETURN n._defacto_id AS id ORDER BY id'
    expect((await neo4j.cypher(all)).map(({ id }) => id)).toEqual(['a', 'o1'])
    expect(await edges()).toEqual(['a LIKES a'])
    await write({
      ...small(neo4j.name, { people: ['a'] }),
      edges: [],
      entityTypes: ['person'],
      relationshipTypes: ['knows'],
    })
    expect((await neo4j.cypher(all)).map(({ id }) => id)).toEqual(['a'])
    expect(await edges()).toEqual([])
  })

  it('of two spaces with the same ids are apart', async () => {
    await using other = await freshSpace()
    await write(small(neo4j.name, { people: ['a', 'b'], likes: [['a', 'b']] }))
    await writeGraph(other.server, small(other.name, { people: ['a', 'c'], likes: [['a', 'c']] }), { prune: true })
    await write(small(neo4j.name, { people: ['b'] }))
    expect(await people()).toEqual(['b'])
    const theirs = 'MATCH (a:Person {_defacto_space: $space})-[:LIKES]->(b) RETURN a.person_id AS a, b.person_id AS b'
    expect(await other.cypher(theirs)).toEqual([{ a: 'a', b: 'c' }])
  })

  it('stays as it is when the same is exported again', async () => {
    const graph = () => small(neo4j.name, { people: ['a', 'b'], knows: [['a', 'b']], likes: [['a', 'b']] })
    const all = `MATCH (n {_defacto_space: $space}) OPTIONAL MATCH (n)-[r]->(m)
      RETURN elementId(n) AS n, n{.*, _defacto_export: 0} AS node, elementId(r) AS r, r{.*, _defacto_export: 0} AS edge ORDER BY n, r`
    await write(graph())
    const before = await neo4j.cypher(all)
    await write(graph())
    expect(before).toHaveLength(3)
    expect(await neo4j.cypher(all)).toEqual(before)
  })

  it('takes names and ids as they are, whatever Cypher could read in them', async () => {
    await neo4j.cypher("CREATE (:Person {person_id: 'witness', space: $space})")
    const evil = [
      'p`) DETACH DELETE n //',
      'p\\u0060) DETACH DELETE n //',
      "' OR 1=1 //",
      '$space',
      '}) MATCH (n) DELETE n //',
    ]
    for (const name of evil) {
      const graph: ExportedGraph = {
        ...small(neo4j.name, { people: [] }),
        entityTypes: [name],
        relationshipTypes: [name],
        nodes: [{ type: name, table: table(name, [text(`${name}_id`), text(name)], [[name, name]]) }],
        edges: [
          {
            type: name,
            sources: [name],
            targets: [name],
            table: table(name, [...ENDS, text(name), FROM], [[name, name, name, name, T0]]),
          },
        ],
      }
      expect(await write(graph)).toEqual({ rows: 2, bytes: null })
      const [row] = await neo4j.cypher(
        `MATCH (n {_defacto_space: $space})-[r {_defacto_space: $space}]->(n)
         RETURN n._defacto_id AS id, n[$name] AS value, r[$name] AS edge, r.relationship_type AS type`,
        { name },
      )
      expect(row).toEqual({ id: name, value: name, edge: name, type: name })
    }
    expect(await neo4j.cypher('MATCH (n:Person {space: $space}) RETURN n.person_id AS id')).toEqual([{ id: 'witness' }])
  })

  it('ends an export when a later one of the same space begins', async () => {
    const graph = small(neo4j.name, { people: ['old'] })
    async function* overtaken(): AsyncGenerator<readonly (readonly unknown[])[]> {
      yield [['old', T0]]
      await write(small(neo4j.name, { people: ['new'] }))
      yield [['older', T0]]
    }
    const [nodes] = graph.nodes
    const slow = { type: 'person', table: { ...nodes!.table, chunks: overtaken() } }
    await expect(write({ ...graph, nodes: [slow] })).rejects.toMatchObject({ name: 'ConflictError' })
    expect(await people()).toEqual(['new'])
  })

  it('is written through connections that are cut, each batch once', async () => {
    await using proxy = await boltProxy(neo4j.url)
    const server = await Neo4jServer.open(proxy.url)
    const cuts = ['before', null, 'after', 'before', null, 'after'] as const
    let seen = 0
    proxy.decide = (piece) => (piece.includes('UNWIND') ? (cuts[seen++] ?? null) : null)
    const graph = small(neo4j.name, { people: ['a', 'b'], knows: [['a', 'b']], likes: [['b', 'a']] })
    expect(await writeGraph(server, graph, { prune: true })).toEqual({ rows: 4, bytes: null })
    await server.close()
    expect(seen).toBeGreaterThan(cuts.length)
    expect(await people()).toEqual(['a', 'b'])
    expect(await edges()).toEqual(['a KNOWS b', 'b LIKES a'])
  })

  it('reserves its marks', async () => {
    const graph = small(neo4j.name, { people: [] })
    const nodes = [{ type: 'person', table: table('person', [text('person_id'), text('_defacto_id')], []) }]
    await expect(write({ ...graph, nodes })).rejects.toMatchObject({ code: 'E_QUERY_NAME' })
  })
})

describeNeo4j('toNeo4j of a space', () => {
  let folder: string
  let space: People
  beforeEach(async () => {
    folder = mkdtempSync(at(tmpdir(), 'neo4j-'))
    space = await openPeople(at(folder, 'space.db'))
  })
  afterEach(async () => {
    const { spaceId } = await space.stats()
    await space.close()
    rmSync(folder, { recursive: true, force: true })
    await using theirs = await freshSpace(spaceId)
    expect(theirs.name).toBe(spaceId)
  })

  it('writes twenty thousand entities in batches, and is listed without its password', async () => {
    await join(space, 0, 20_000)
    const progress: string[] = []
    const record = await space
      .tables()
      .toNeo4j(neo4jUrl(), { onProgress: ({ table, rows }) => progress.push(`${table} ${rows}`) })
    expect(record).toMatchObject({
      format: 'neo4j',
      rows: 40_001,
      bytes: null,
      recorded: true,
      entityTypes: ['person', 'company'],
    })
    const { host, password } = new URL(neo4jUrl())
    expect(record.path).toBe(`bolt://neo4j@${host}`)
    expect(JSON.stringify(await space.exports())).not.toContain(password)
    expect(progress.length).toBeGreaterThan(10)
    expect(progress).toContain('person 20000')
    const { spaceId } = await space.stats()
    const [counted] = await neo4j.cypher(
      `MATCH (p:Person {_defacto_space: $of})-[r:WORKS_AT]->(c:Company)
       RETURN count(*) AS edges, count(DISTINCT p) AS people, collect(DISTINCT c.domain) AS domains,
         collect(DISTINCT r.relationship_type) AS types, min(p.valid_from) AS first`,
      { of: spaceId },
    )
    expect(counted).toEqual({ edges: 20_000, people: 20_000, domains: ['x.org'], types: ['works_at'], first: T0 })
    expect(await space.exports()).toMatchObject([{ format: 'neo4j', rows: 40_001 }])
  })

  it('refuses histories', async () => {
    await expect(space.tables().history().toNeo4j(neo4jUrl())).rejects.toMatchObject({ code: 'E_QUERY_STEP' })
  })

  it('tells of servers that cannot be used, never of passwords', async () => {
    await join(space, 0, 2)
    const secret = 'hunter2secret'
    const { host, password } = new URL(neo4jUrl())
    await using proxy = await boltProxy(neo4jUrl())
    proxy.down = true
    const away = new URL(proxy.url)
    const cases = [
      [`bolt://neo4j:${secret}@${host}`, 'StorageError', 'refuses this user'],
      [`bolt://neo4j:${secret}@${away.host}`, 'UnreachableError', away.host],
      [`http://neo4j:${secret}@${host}`, 'ConfigError', 'bolt://'],
      [`bolt://neo4j:${secret}%@${host}`, 'ConfigError', '%25'],
      [`bolt://neo4j:${password}@${host}/nowhere`, 'StorageError', 'no database'],
    ] as const
    for (const [url, name, words] of cases) {
      const error = (await space
        .tables()
        .toNeo4j(url)
        .catch((thrown) => thrown)) as Error
      expect({ url: words, name: error.name, message: error.message }).toMatchObject({ name })
      expect(error.message).toContain(words)
      for (const shown of [
        error.message,
        error.stack,
        JSON.stringify(error),
        String(error.cause),
        JSON.stringify(await space.exports()),
      ]) {
        expect(shown).not.toContain(secret)
        expect(shown).not.toContain(password)
      }
    }
  })

  it('of a handle, which does not know its space, asks for a name', async () => {
    await join(space, 0, 2)
    const handle = await DefactoQuery.connect(at(folder, 'space.db'), PEOPLE)
    await expect(handle.tables().toNeo4j(neo4jUrl())).rejects.toMatchObject({ name: 'ConfigError' })
    expect(await handle.tables().toNeo4j(neo4jUrl(), { space: neo4j.name })).toMatchObject({ rows: 5, recorded: false })
    await handle.close()
  })

  it('takes user and password beside the address, and a space of another name', async () => {
    await join(space, 0, 3)
    const { host, username, password } = new URL(neo4jUrl())
    await space.tables('person').toNeo4j(`bolt://${host}`, { auth: [username, password], space: neo4j.name })
    const [counted] = await neo4j.cypher('MATCH (n:Person {_defacto_space: $space}) RETURN count(n) AS people')
    expect(counted).toEqual({ people: 3 })
  })
})
