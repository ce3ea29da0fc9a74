import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { QueryError } from '../../src/errors.ts'
import { Defacto } from '../../src/index.ts'
import type { TableCollection } from '../../src/query/collection.ts'
import { day, joined, people } from '../support/people.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'
import { room } from '../support/room.ts'

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'
const definitions: DefinitionsObject = {
  entities: {
    person: {
      starts: 'on',
      identity: { mail: {} },
      properties: {
        id: { type: 'string' },
        _id: { type: 'integer' },
        entity_type: { type: 'boolean' },
        score: { type: 'number' },
        seen: { type: 'datetime' },
      },
      states: { on: {} },
      relationships: [
        { type: 'knows', target: 'person', cardinality: 'many_to_many', inverse: 'knows' },
        {
          type: 'likes',
          target: 'thing',
          cardinality: 'has_many',
          inverse: 'liked_by',
          properties: { type: { type: 'string' }, key: { type: 'integer' }, weight: { type: 'number' } },
        },
      ],
    },
    thing: {
      starts: 'on',
      identity: { name: {} },
      states: { on: {} },
      relationships: [
        {
          type: 'liked_by',
          target: 'person',
          cardinality: 'belongs_to',
          inverse: 'likes',
          properties: { type: { type: 'string' }, key: { type: 'integer' }, weight: { type: 'number' } },
        },
      ],
    },
  },
  sources: {},
  schemas: {},
  pipelines: {},
}

for (const backend of BACKENDS)
  backend.describe(`graphs of a collection on ${backend.name}`, () => {
    let store: AnyQueryStore
    const edge = (type: string, source: string, target: string, cells = {}) => ({
      source_id: source,
      target_id: target,
      relationship_type: type,
      valid_from: JAN,
      ...cells,
    })
    beforeAll(async () => {
      store = await backend.open(definitions)
    })
    afterAll(() => store.close())
    beforeEach(async () => {
      await store.clear()
      await store.insert(
        'person_history',
        entityRow('person', 'p"1', 'on', { id: 'x', _id: 2n ** 60n, entity_type: true, score: 1.5, seen: FEB }),
        entityRow('person', 'p2', 'on', { id: '', _id: 7 }),
        entityRow('person', 'lost', 'on', { merged_into: 'p2', valid_to: FEB }),
      )
      await store.insert('thing_history', entityRow('thing', 't1', 'on'), entityRow('thing', 't2', 'on'))
      await store.insert(
        'rel_likes_history',
        edge('likes', 'p"1', 't1', { type: 'much', key: 3, weight: 0.5 }),
        edge('likes', 'p2', 't1', { valid_to: FEB }),
        edge('likes', 'p2', 'nowhere'),
      )
    })

    it('nodes and edges have what is not null, under names that are free', async () => {
      const { nodes, edges } = await store.root.tables().toGraphJson()
      expect(nodes).toEqual([
        {
          id: 'p"1',
          entity_type: 'person',
          person_state: 'on',
          __id: 'x',
          _id: '1152921504606846976',
          _entity_type: true,
          score: 1.5,
          seen: FEB,
        },
        { id: 'p2', entity_type: 'person', person_state: 'on', __id: '', _id: 7 },
        { id: 't1', entity_type: 'thing', thing_state: 'on' },
        { id: 't2', entity_type: 'thing', thing_state: 'on' },
      ])
      expect(edges).toEqual([{ source: 'p"1', target: 't1', type: 'likes', _type: 'much', key: 3, weight: 0.5 }])
      expect(JSON.parse(JSON.stringify({ nodes, edges }))).toEqual({ nodes, edges })
    })

    it('edges whose ends are not in the collection are dropped unless they are kept', async () => {
      const ends = async (tables: TableCollection): Promise<string[]> => {
        const { edges } = await tables.toGraphJson({ dangling: 'keep' })
        return edges.map(({ source, target }) => `${source} ${target}`).sort()
      }
      expect(await ends(store.root.tables())).toEqual(['p"1 t1', 'p2 nowhere'])
      expect(await ends(store.root.tables('thing'))).toEqual(['p"1 t1', 'p2 nowhere'])
      expect(await ends(store.root.tables({ relationships: false }))).toEqual([])
      expect((await store.root.tables('thing').toGraphJson()).edges).toEqual([])
      expect((await store.root.tables('person').toGraphJson()).nodes).toHaveLength(2)
      const graph = await store.root.tables('person').toNetworkx({ dangling: 'keep' })
      expect([graph.order, graph.size]).toEqual([4, 2])
      expect(graph.getNodeAttributes('nowhere')).toEqual({})
      const wrong = store.root.tables().toGraphJson({ dangling: 'kep' as 'keep' })
      await expect(wrong).rejects.toThrow(/'drop' or 'keep'.*did you mean 'keep'/)
    })

    it('after history() past edges are there, with their times; an entity stays one node', async () => {
      const { nodes, edges } = await store.root.tables().history().toGraphJson()
      expect(nodes).toHaveLength(4)
      const byStart = edges.map(({ source, target, valid_from, valid_to }) => [source, target, valid_from, valid_to])
      expect(byStart).toHaveLength(2)
      expect(byStart).toEqual(
        expect.arrayContaining([
          ['p2', 't1', JAN, FEB],
          ['p"1', 't1', JAN, undefined],
        ]),
      )
    })

    it('every edge is there once, as it was written, whichever side wrote it', async () => {
      await store.insert(
        'rel_knows_history',
        edge('knows', 'p2', 'p"1', { valid_from: FEB }),
        edge('knows', 'p2', 'p2'),
      )
      const likes = await store.root.relationship('likes').filter({ target_id: 't1' }).first()
      expect(likes).toMatchObject({ source_id: 'p"1' })
      const graph = await store.root.tables().toNetworkx()
      const list = graph
        .mapEdges((_, data, source, target) => `${source} ${data['relationship_type']} ${target}`)
        .sort()
      expect(list).toEqual(['p"1 likes t1', 'p2 knows p"1', 'p2 knows p2'])
      const past = await store.root.tables().history().toGraphJson()
      expect(past.edges.map(({ source, type, target }) => `${source} ${type} ${target}`).sort()).toEqual([
        'p"1 likes t1',
        'p2 knows p"1',
        'p2 knows p2',
        'p2 likes t1',
      ])
    })

    it('what has no writers says so', async () => {
      await expect(store.root.tables().toNetworkx('graph.json')).rejects.toThrow(QueryError)
      await expect(async () => store.root.tables().toNetworkx('')).rejects.toThrow(/path of a file/)
      await expect(async () => store.root.tables().toNetworkx('x', { edges: 'link' as 'links' })).rejects.toThrow(
        /'links'/,
      )
    })
  })

describe('graphs of a space', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(room(), 'defacto-graphs-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('are written whole, recorded, and valid JSON even when empty', async () => {
    const space = await Defacto.fromConfig(people(), { clock: () => new Date(day(20)), logLevel: 'ERROR' })
    const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'))
    try {
      const path = join(folder, 'deep', 'graph.json')
      expect(await space.tables().toGraphJson(path)).toMatchObject({ path, format: 'graph', rows: 0, recorded: true })
      expect(await read('deep/graph.json')).toEqual({ nodes: [], edges: [] })
      await space.tables().toNetworkx(join(folder, 'links.json'), { edges: 'links' })
      expect(await read('links.json')).toEqual({ directed: true, multigraph: true, graph: {}, nodes: [], links: [] })

      const graph = space.graph
      expect(await graph.connectedComponents().count()).toBe(0)
      await space.ingest('web', [joined('a@x.org', 1), joined('b@x.org', 2)], { process: true })
      // The build moved the cursor.
      expect(await graph.connectedComponents().count()).toBe(2)
      expect(await graph.centrality({ algorithm: 'betweenness' }).rows()).toHaveLength(2)
      expect(await graph.communities().rows()).toHaveLength(2)

      const progress: unknown[] = []
      await space.tables().toGraphJson(path, { onProgress: (one) => progress.push(one) })
      expect(progress).toEqual([{ table: 'person', rows: 2 }])
      expect(await read('deep/graph.json')).toEqual(await space.tables().toGraphJson())
      const stopped = space.tables().toNetworkx(path, { signal: AbortSignal.abort(new Error('enough')) })
      await expect(stopped).rejects.toThrow('enough')
      expect(await read('deep/graph.json')).toHaveProperty('nodes')
    } finally {
      await space.close()
    }
  })
})
