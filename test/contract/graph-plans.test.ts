/** Searches in the graph meet edges and entities by their indexes. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import type { Pool } from 'pg'
import { beforeAll, it } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import type { QueryReader } from '../../src/ports/reading.ts'
import { Graph } from '../../src/query/graph/graph.ts'
import {
  GRAPH_DEFINITIONS,
  GRAPH_PLACES,
  type GraphPlace,
  insertEdges,
  openGraph,
  type WrittenEdge,
} from '../support/graph-places.ts'
import { isWhole, nodesOf, type PlanNode } from '../support/postgres-plans.ts'
import { entityRow } from '../support/query-store.ts'

const ENTITIES = 5000
const TYPES = ['knows', 'follows', 'placed_order', 'ordered_by']

interface Asked {
  readonly text: string
  readonly params: readonly unknown[]
}

/** Six edges of every type from and to every entity. */
function edges(): WrittenEdge[] {
  return TYPES.flatMap((type) =>
    Array.from({ length: ENTITIES * 3 }, (_, i): WrittenEdge => {
      const [from, to] = [i % ENTITIES, (i * 7919 + Math.floor(i / ENTITIES)) % ENTITIES]
      const source = type === 'ordered_by' ? `o${from}` : `p${from}`
      const target = type === 'placed_order' ? `o${to}` : `p${to}`
      return { type, source, target, from: '2024-01-01T00:00:00+00:00' }
    }),
  )
}

async function fill(store: GraphPlace): Promise<void> {
  const ids = Array.from({ length: ENTITIES }, (_, i) => i)
  await store.insert('person_history', ...ids.map((i) => entityRow('person', `p${i}`, 'new')))
  await store.insert('order_history', ...ids.map((i) => entityRow('order', `o${i}`, 'open')))
  await insertEdges(store, edges())
}

/** A graph whose statements are noted. */
function watched(store: GraphPlace): { graph: Graph; asked: Asked[] } {
  const asked: Asked[] = []
  const { reader } = store
  const noting: QueryReader = {
    dialect: reader.dialect,
    handle: reader.handle,
    relation: (...args) => reader.relation(...args),
    relationshipsView: (version) => reader.relationshipsView(version),
    refresh: () => reader.refresh(),
    all(text, params, options) {
      asked.push({ text, params })
      return reader.all(text, params, options)
    },
    stream: (...args) => reader.stream(...args),
    together: (...args) => reader.together(...args),
  }
  const program = { definitions: GRAPH_DEFINITIONS, layout: historyLayout(GRAPH_DEFINITIONS) }
  return { graph: new Graph(() => ({ reader: noting, program, version: 'v1' })), asked }
}

interface Search {
  readonly name: string
  /** Most statements, however many entities are met. */
  readonly statements: number
  run(graph: Graph): Promise<unknown>
}
const SEARCHES: readonly Search[] = [
  { name: 'neighbors', statements: 1, run: (graph) => graph.neighbors('p7').rows() },
  {
    name: 'neighbors in the past',
    statements: 1,
    run: (graph) => graph.neighbors('p7', { asOf: '2024-02-01', relationshipType: 'ordered_by' }).rows(),
  },
  { name: 'traverse', statements: 4, run: (graph) => graph.traverse('p7', 'follows', { depth: 3 }).rows() },
  {
    name: 'traverse edges that either side writes',
    statements: 2,
    run: (graph) => graph.traverse('p7', 'placed_order', { depth: 1 }).rows(),
  },
  {
    name: 'traverse both ways',
    statements: 4,
    run: (graph) => graph.traverse('p7', 'knows', { depth: 2, directed: false }).rows(),
  },
  { name: 'path', statements: 20, run: (graph) => graph.path('p7', 'o4321', { maxDepth: 20 }) },
  {
    name: 'path over some types in the past',
    statements: 20,
    run: (graph) => graph.path('p7', 'p4321', { relationshipTypes: ['follows', 'knows'], asOf: '2024-02-01' }),
  },
  { name: 'related', statements: 1, run: (graph) => graph.related('p7', 'placed_order').rows() },
]

async function ask({ graph, asked }: ReturnType<typeof watched>, search: Search): Promise<readonly Asked[]> {
  asked.length = 0
  await search.run(graph)
  assert.ok(asked.length > 0 && asked.length <= search.statements, `${asked.length} statements`)
  return [...asked]
}

// Builds leave fresh statistics behind them on Postgres; on SQLite there usually are none.
for (const place of GRAPH_PLACES.filter(({ name }) => name !== 'DuckDB'))
  for (const statistics of place.name === 'Postgres' ? ['fresh'] : ['no', 'fresh'])
    place.describe(`plans of graph searches on ${place.name} with ${statistics} statistics`, () => {
      let store: GraphPlace
      let watch: ReturnType<typeof watched>
      const isPostgres = place.name === 'Postgres'

      beforeAll(async () => {
        store = await openGraph(place)
        await fill(store)
        if (isPostgres) await analyze(store.reader.handle as Pool, store.reader)
        else if (statistics === 'fresh') analyzeFile(store.reader)
        watch = watched(store)
        return () => store.close()
      })

      for (const search of SEARCHES)
        it(search.name, async () => {
          for (const statement of await ask(watch, search)) {
            const whole = isPostgres
              ? await wholeOnPostgres(store.reader.handle as Pool, store.reader, statement)
              : wholeOnSqlite(store.reader.handle as DatabaseSync, statement)
            assert.deepEqual(whole, [], `reads all of ${whole.join(', ')}: ${statement.text}`)
          }
        })
    })

/** Tables of the version with rows in them. */
async function filled(pool: Pool, reader: QueryReader): Promise<{ name: string; quoted: string }[]> {
  const [schema] = reader.relation('v1', 'history', 'person').split('.')
  const { rows } = await pool.query<{ name: string; quoted: string }>(
    `select tablename as name, format('%I.%I', schemaname, tablename) as quoted from pg_tables
      where format('"%s"', schemaname) = $1 and tablename ~ $2`,
    [schema, `^(person|order)_history$|^rel_(${TYPES.join('|')})~edges$`],
  )
  return rows
}

async function analyze(pool: Pool, reader: QueryReader): Promise<void> {
  for (const { quoted } of await filled(pool, reader)) await pool.query(`analyze ${quoted}`)
}

function analyzeFile(reader: QueryReader): void {
  const writer = new DatabaseSync((reader.handle as DatabaseSync).location() as string)
  writer.exec('analyze')
  writer.close()
}

interface IndexNode extends PlanNode {
  readonly 'Index Cond'?: string
}

/** Tables with rows that the statement reads as a whole, along an index or not. */
async function wholeOnPostgres(pool: Pool, reader: QueryReader, { text, params }: Asked): Promise<string[]> {
  const names = new Set((await filled(pool, reader)).map(({ name }) => name))
  const { rows } = await pool.query({ text: `explain (format json) ${text}`, values: [...params], rowMode: 'array' })
  const [{ Plan: plan }] = JSON.parse(rows[0]?.[0] as string) as [{ Plan: PlanNode }]
  return [...nodesOf(plan)]
    .filter((node: IndexNode) => isWhole(node) || (node['Index Name'] !== undefined && !node['Index Cond']))
    .map((node) => node['Relation Name'] ?? '')
    .filter((name) => names.has(name))
}

/** Whatever is scanned that is not the rows of a part of the statement. */
function wholeOnSqlite(db: DatabaseSync, { text, params }: Asked): string[] {
  type Line = { parent: number; detail: string }
  const plan = db.prepare(`explain query plan ${text}`).all(...(params as string[])) as unknown as Line[]
  const parts = plan.filter(({ detail }) => /^(CO-ROUTINE|MATERIALIZE) /.test(detail))
  const isPart = ({ parent, detail }: Line): boolean =>
    // A view goes by its own name there, and by its alias where it is scanned.
    parts.some((part) => part.detail === detail.replace('SCAN', 'CO-ROUTINE') || part.parent === parent)
  return plan
    .filter(({ detail }) => detail.startsWith('SCAN ') && !detail.startsWith('SCAN json_each'))
    .filter((line) => !(/^SCAN t\d+$/.test(line.detail) && isPart(line)))
    .map(({ detail }) => detail)
}
