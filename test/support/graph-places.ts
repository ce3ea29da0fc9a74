/** Stores that graphs are looked at in: every database, with edges as they were written under either name. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe } from 'vitest'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import { Graph } from '../../src/query/graph/graph.ts'
import { createQueryRoot } from '../../src/query/root.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { type AnyQueryStore, BACKENDS, type QueryBackend } from './query-backends.ts'
import type { Cells } from './query-store.ts'

/**
 * People know each other (one name for both sides), follow each other (one side), place orders and tag what they like;
 * orders are tagged, too.
 */
export const GRAPH_DEFINITIONS: DefinitionsObject = {
  entities: {
    person: {
      starts: 'new',
      identity: { email: {} },
      properties: { name: { type: 'string' }, age: { type: 'integer' }, member: { type: 'boolean' } },
      states: { new: {} },
      relationships: [
        { type: 'knows', target: 'person', cardinality: 'many_to_many', inverse: 'knows' },
        { type: 'follows', target: 'person', cardinality: 'has_many' },
        {
          type: 'placed_order',
          target: 'order',
          cardinality: 'has_many',
          properties: { channel: { type: 'string' }, at: { type: 'datetime' }, items: { type: 'integer' } },
          inverse: 'ordered_by',
        },
        { type: 'tagged', target: 'topic', cardinality: 'has_many' },
      ],
    },
    order: {
      starts: 'open',
      identity: { number: {} },
      properties: { total: { type: 'number' }, name: { type: 'string' } },
      states: { open: {} },
      relationships: [
        { type: 'ordered_by', target: 'person', cardinality: 'belongs_to', inverse: 'placed_order' },
        { type: 'tagged', target: 'label', cardinality: 'has_many' },
      ],
    },
    topic: { starts: 'new', identity: { name: {} }, properties: { name: { type: 'string' } }, states: { new: {} } },
    label: { starts: 'new', identity: { name: {} }, properties: { rank: { type: 'integer' } }, states: { new: {} } },
  },
  sources: {},
  schemas: {},
  pipelines: {},
}

export interface GraphPlace extends AnyQueryStore {
  readonly graph: Graph
  /** The same, core operations answered by snapshots in memory. */
  readonly inMemory: Graph
}

export const GRAPH_PLACES: readonly Pick<QueryBackend, 'name' | 'describe' | 'open'>[] = BACKENDS.map((backend) =>
  backend.name === 'SQLite' ? { name: 'SQLite', describe, open: openSqlite } : backend,
)

export async function openGraph(
  { open }: Pick<QueryBackend, 'open'>,
  definitions: DefinitionsObject = GRAPH_DEFINITIONS,
): Promise<GraphPlace> {
  const store = await open(definitions)
  const program = { definitions, layout: historyLayout(definitions) }
  const source = { reader: store.reader, program, version: 'v1' }
  const graph = new Graph(() => source)
  return { ...store, graph, inMemory: new Graph(() => ({ ...source, graph: 'memory' })) }
}

/** The store itself with its views and its guarded reader; rows are written beside it. */
async function openSqlite(definitions: DefinitionsObject = GRAPH_DEFINITIONS, version = 'v1'): Promise<AnyQueryStore> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-graph-'))
  const path = join(folder, 'space.db')
  const layout = historyLayout(definitions)
  const store = await openSqliteStore({ path, namespace: 'graph', now: () => day(20) })
  await store.transaction((tx) => store.history.ensure({ tx, epoch: 1, version, now: day(20) }, layout))
  const db = new DatabaseSync(path)
  const stored = (table: string): string => {
    const [, edge] = /^rel_(\w+)_history$/.exec(table) ?? []
    return edge === undefined ? `${table}__${version}` : `rel_${edge}~${version}`
  }
  return {
    root: createQueryRoot(store.reader, { definitions, layout }, version),
    reader: store.reader,
    async insert(table, ...rows) {
      db.exec('begin')
      for (const { relationship_type: _, ...row } of rows as readonly Cells[]) {
        const cells = { _generation: 1, _revision: 1, ...row }
        const places = Object.keys(cells).map(() => '?')
        const values = Object.values(cells).map((value) => (typeof value === 'boolean' ? Number(value) : value))
        db.prepare(
          `insert into "${stored(table)}" (${Object.keys(cells).join(', ')}) values (${places.join(', ')})`,
        ).run(...values)
      }
      db.exec('commit')
    },
    async clear() {
      for (const { type } of layout.entities) db.exec(`delete from "${stored(`${type}_history`)}"`)
      for (const { type } of layout.relationships) db.exec(`delete from "${stored(`rel_${type}_history`)}"`)
    },
    async close() {
      db.close()
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

export interface WrittenEdge {
  readonly type: string
  readonly source: string
  readonly target: string
  readonly from: string
  readonly to?: string | null
  readonly cells?: Cells
}

/** Inserts edges under the names they are written with. */
export async function insertEdges(store: AnyQueryStore, edges: readonly WrittenEdge[]): Promise<void> {
  const byType = Map.groupBy(edges, (edge) => edge.type)
  for (const [type, some] of byType) {
    const rows = some.map(({ source, target, from, to, cells }) => ({
      source_id: source,
      target_id: target,
      relationship_type: type,
      valid_from: from,
      valid_to: to ?? null,
      ...cells,
    }))
    await store.insert(`rel_${type}_history`, ...rows)
  }
}
