/** Core operations on what was exported to Neo4j answer like the store does, and Cypher reads (spec 06 §9.3). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { instantFromText } from '../../src/core/instant.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import { exportWriters } from '../../src/export-writers.ts'
import { type GraphPlace as Neo4jPlace, openGraphPlace } from '../../src/graph-place.ts'
import { Defacto } from '../../src/index.ts'
import { Graph } from '../../src/query/graph/graph.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import { join, PEOPLE as PEOPLE_DEFINITIONS } from '../support/export-space.ts'
import {
  GRAPH_DEFINITIONS,
  GRAPH_PLACES,
  type GraphPlace,
  insertEdges,
  openGraph,
  type WrittenEdge,
} from '../support/graph-places.ts'
import { describeNeo4j, type FreshSpace, freshSpace, neo4jUrl } from '../support/neo4j.ts'
import { type Cells, entityRow } from '../support/query-store.ts'

const [T0, T1] = ['2024-01-01T00:00:00+00:00', '2024-02-01T00:00:00.000001+00:00'] as const
const PEOPLE = ['p', 'p,p', "p'", 'P', '"p"', '\uffee', '😀', ' ', 'p\\', '`', '$id', '}) RETURN 1 //']
const ORDERS = ['o', 'o,p', 'ö', 'o%']
const ENDS = {
  knows: [PEOPLE, PEOPLE],
  follows: [PEOPLE, PEOPLE],
  placed_order: [PEOPLE, ORDERS],
  ordered_by: [ORDERS, PEOPLE],
} as const
type Type = keyof typeof ENDS
const TYPES = Object.keys(ENDS) as Type[]

const edge: fc.Arbitrary<WrittenEdge> = fc.constantFrom(...TYPES).chain((type) =>
  fc.record({
    type: fc.constant(type),
    source: fc.constantFrom(...ENDS[type][0]),
    target: fc.constantFrom(...ENDS[type][1]),
    from: fc.constantFrom(T0, T1),
    to: fc.constantFrom(null, null, null, '2024-03-01T00:00:00+00:00'),
    cells: fc.constant<Cells>(
      type === 'placed_order' ? { channel: 'web', at: '2024-01-05T06:07:08.090807+00:00', items: 3 } : {},
    ),
  }),
)
const graphs = fc.uniqueArray(edge, {
  maxLength: 30,
  selector: ({ type, source, target }) => `${type}|${source}|${target}`,
})
const asked = fc.record({
  id: fc.constantFrom(...PEOPLE, ...ORDERS, 'nobody'),
  other: fc.constantFrom(...PEOPLE, ...ORDERS, 'nobody'),
  type: fc.constantFrom(...TYPES),
  types: fc.option(fc.subarray([...TYPES]), { nil: undefined }),
  direction: fc.constantFrom('outbound', 'inbound', undefined),
  depth: fc.integer({ min: 0, max: 5 }),
  directed: fc.boolean(),
})

const sorted = (rows: readonly object[]): string[] => rows.map((row) => inspect(row, { sorted: true })).sort()

describeNeo4j('the graph in Neo4j', () => {
  let store: GraphPlace
  let neo4j: FreshSpace
  let place: Neo4jPlace
  let graph: Graph
  let exported: () => Promise<unknown>
  beforeAll(async () => {
    const [sqlite] = GRAPH_PLACES
    store = await openGraph(sqlite!)
    neo4j = await freshSpace()
    place = await openGraphPlace(neo4jUrl())
    const program = { definitions: GRAPH_DEFINITIONS, layout: historyLayout(GRAPH_DEFINITIONS) }
    const backend = place.of(neo4j.name, 'v1', program)
    graph = new Graph(() => ({ reader: store.reader, program, version: 'v1', graph: backend }))
    const now = () => instantFromText(T0)!
    const exports = { writers: exportWriters(), log: null, space: neo4j.name, now }
    exported = () => createQueryRoot(store.reader, program, 'v1', exports).tables().toNeo4j(neo4jUrl())
  })
  afterAll(async () => {
    await place.close()
    await neo4j[Symbol.asyncDispose]()
    await store.close()
  })

  it('asks for an export first', async () => {
    await expect(graph.neighbors('p').rows()).rejects.toMatchObject({
      code: 'E_QUERY_GRAPH',
      message: expect.stringContaining('toNeo4j'),
    })
  })

  it('of random edges is looked through like the store', async () => {
    const questions = fc.array(asked, { minLength: 8, maxLength: 8 })
    const property = fc.asyncProperty(graphs, questions, async (edges, asks) => {
      await store.clear()
      const seats = 2n ** 61n
      const people = PEOPLE.map((id) => entityRow('person', id, 'new', { name: id, age: seats, member: true }))
      await store.insert('person_history', ...people)
      await store.insert('order_history', ...ORDERS.map((id) => entityRow('order', id, 'open', { total: 1 })))
      await insertEdges(store, edges)
      await exported()
      for (const { id, other, type, types, direction, depth, directed } of asks) {
        const way = direction === undefined ? {} : { direction }
        expect(await graph.neighbors(id, way).rows()).toEqual(await store.graph.neighbors(id, way).rows())
        const one = { relationshipType: type, ...way }
        expect(await graph.neighbors(id, one).rows()).toEqual(await store.graph.neighbors(id, one).rows())
        const steps = { depth, directed }
        expect(await graph.traverse(id, type, steps).rows()).toEqual(await store.graph.traverse(id, type, steps).rows())
        const only = { maxDepth: depth, ...(types && { relationshipTypes: types }) }
        expect(await graph.path(id, other, only)).toEqual(await store.graph.path(id, other, only))
        const related = graph.related(id, type)
        expect(related.columns).toEqual(store.graph.related(id, type).columns)
        expect(sorted(await related.rows())).toEqual(sorted(await store.graph.related(id, type).rows()))
      }
    })
    await fc.assert(property, { numRuns: 5 })
  })

  it('knows no past', async () => {
    const asOf = '2024-01-01'
    for (const query of [
      graph.neighbors('p', { asOf }),
      graph.traverse('p', 'knows', { asOf }),
      graph.related('p', 'knows', { asOf }),
    ]) {
      await expect(query.rows()).rejects.toMatchObject({ code: 'E_QUERY_GRAPH', message: /exported/ })
    }
    await expect(graph.path('p', 'P', { asOf })).rejects.toMatchObject({ code: 'E_QUERY_GRAPH' })
  })

  it('does not follow edges that others made between our nodes', async () => {
    await store.clear()
    await store.insert('person_history', ...PEOPLE.map((id) => entityRow('person', id, 'new')))
    await exported()
    await neo4j.cypher(
      `MATCH (a:Person {_defacto_space: $space, _defacto_id: 'p'}), (b:Person {_defacto_space: $space, _defacto_id: 'P'})
       CREATE (a)-[:KNOWS]->(b) CREATE (a)-[:FOLLOWS]->(:Person {_defacto_id: 'x'})`,
    )
    expect(await graph.neighbors('p').rows()).toEqual([])
    expect(await graph.path('p', 'P')).toEqual([])
    await neo4j.cypher("MATCH (n:Person {_defacto_id: 'x'}) WHERE n._defacto_space IS NULL DETACH DELETE n")
  })

  it('takes Cypher that reads, with values that are plain', async () => {
    const [row] = await graph.query(
      `RETURN 1 AS one, 9007199254740993 AS big, 1.5 AS half, [1, null] AS list, {a: date('2024-01-02')} AS map,
         datetime('2024-01-01T02:00:00+02:00') AS at, duration('P1D') AS day, $value AS value, null AS none`,
      { value: ['x', 7] },
    )
    expect(row).toEqual({
      one: 1,
      big: 9007199254740993n,
      half: 1.5,
      list: [1, null],
      map: { a: '2024-01-02' },
      at: '2024-01-01T00:00:00+00:00',
      day: expect.stringMatching(/^P/),
      value: ['x', 7],
      none: null,
    })
    const nodes = await graph.query("MATCH (n:Person {_defacto_space: $space, _defacto_id: 'p'}) RETURN n", {
      space: neo4j.name,
    })
    expect(nodes).toMatchObject([{ n: { labels: ['Person'], properties: { person_id: 'p', valid_from: T0 } } }])
  })

  it('refuses Cypher that writes, is wrong, or needs the data science library', async () => {
    const refused = { name: 'QueryError', code: 'E_QUERY_GRAPH' }
    for (const cypher of [
      'CREATE (n:Person)',
      'MATCH (n) DETACH DELETE n',
      'MATCH (n) SET n.x = 1',
      'CREATE INDEX FOR (n:Person) ON (n.x)',
      'MATCH (n RETURN n',
      'RETURN $nothing',
    ]) {
      await expect(graph.query(cypher), cypher).rejects.toMatchObject(refused)
    }
    await expect(graph.query("CALL gds.pageRank.stream('g')")).rejects.toMatchObject({ ...refused, message: /GDS/ })
    await expect(store.graph.query('RETURN 1')).rejects.toMatchObject(refused)
  })
})

describeNeo4j('Defacto with the option graph', () => {
  it('reads Neo4j after an export, of this version alone', async () => {
    const folder = mkdtempSync(at(tmpdir(), 'neo4j-'))
    const options = { database: at(folder, 'space.db'), logLevel: 'ERROR', version: 'v1', graph: neo4jUrl() } as const
    const space = await Defacto.fromConfig(PEOPLE_DEFINITIONS, options)
    const { spaceId } = await space.stats()
    await using theirs = await freshSpace(spaceId)
    await join(space, 0, 5)
    const company = await space.identity.lookup('x.org')
    await expect(space.neighbors(company!).rows()).rejects.toMatchObject({ code: 'E_QUERY_GRAPH' })
    await space.tables().toNeo4j(neo4jUrl())
    await join(space, 5, 6)
    expect(await space.neighbors(company!).count()).toBe(5)
    expect(
      await space.graph.query('MATCH (p:Person {_defacto_space: $spaceId}) RETURN count(p) AS n', { spaceId }),
    ).toEqual([{ n: 5 }])
    await space.tables().toNeo4j(neo4jUrl())
    expect(await space.neighbors(company!).count()).toBe(6)
    await theirs.cypher("MATCH (s:_DefactoSpace {space: $space}) SET s.version = 'v9'")
    await expect(space.path(company!, 'x')).rejects.toMatchObject({ message: expect.stringContaining('version v9') })
    await space.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is told of a wrong address before anything is opened', async () => {
    const graph = 'bolt+tcp://neo4j:hunter2@127.0.0.1:7687'
    const error = (await Defacto.fromConfig(PEOPLE_DEFINITIONS, { graph }).catch((thrown) => thrown)) as Error
    expect(error).toMatchObject({ name: 'ConfigError', message: expect.not.stringContaining('hunter2') })
  })
})
