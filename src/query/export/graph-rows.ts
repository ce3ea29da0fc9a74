/** The entities and relationships of a collection as nodes and edges, all of one snapshot of the store (spec 06 §7). */
import { didYouMean } from '../../core/spelling.ts'
import { QueryError } from '../../errors.ts'
import type { ExportTable, WriteOptions } from '../../ports/exports.ts'
import { col } from '../expression.ts'
import type { Relationships } from '../graph/relationships.ts'
import type { TableQuery } from '../table-query.ts'
import { type NamedQuery, withTables } from './tables.ts'

/** What a collection says of itself to those who make a graph of it. */
export interface GraphTables {
  readonly source: {
    table(type: string): TableQuery
    /** Edges that were written under this name, with their properties. */
    written(type: string, options: { history: boolean }): TableQuery
    declared(): Relationships
  }
  readonly types: readonly string[]
  /** One name of each relationship. */
  readonly relationships: readonly string[]
  /** True: past edges too. Nodes are the entities as they are now, for an entity is one node. */
  readonly history: boolean
}

export interface GraphExportOptions extends WriteOptions {
  /** `drop` (default) leaves out edges whose ends are not in the collection, `keep` keeps them. */
  readonly dangling?: 'drop' | 'keep'
}

/** Names that a format needs for itself. A property of such a name gets underscores in front until its name is free. */
export interface Reserved {
  readonly node: readonly string[]
  readonly edge: readonly string[]
}

/** Never null; whole numbers beyond the safe range are texts, instants canonical texts. */
export type Attributes = Record<string, string | number | boolean>
export interface NodeRow {
  readonly id: string
  readonly type: string
  readonly attributes: Attributes
}
export interface EdgeRow {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly attributes: Attributes
}
export interface GraphRows {
  /** To be read to the end before the edges. */
  readonly nodes: AsyncIterable<readonly NodeRow[]>
  readonly edges: AsyncIterable<readonly EdgeRow[]>
}

const DANGLING = ['drop', 'keep']
const TIMES = ['valid_from', 'valid_to', 'merged_into', 'last_event_time', 'state_entered_time', 'created_time']

export async function withGraph<T>(
  tables: GraphTables,
  reserved: Reserved,
  options: GraphExportOptions,
  work: (rows: GraphRows) => Promise<T>,
): Promise<T> {
  const { dangling = 'drop' } = options
  if (!DANGLING.includes(dangling)) {
    const message = `dangling is 'drop' or 'keep', not '${String(dangling)}'${didYouMean(String(dangling), DANGLING)}`
    throw new QueryError(message, { code: 'E_QUERY_STEP', details: { step: 'dangling' } })
  }
  const nodes = tables.types.map(
    (type): NamedQuery => ({ name: type, query: tables.source.table(type).drop(...TIMES) }),
  )
  const names = tables.source.declared().writtenAs(tables.relationships)
  const edges = names.flatMap((type): NamedQuery[] => {
    const query = edgesOf(tables, type, dangling === 'keep')
    return query === null ? [] : [{ name: type, query }]
  })
  return withTables([...nodes, ...edges], options, (read) =>
    work({
      nodes: rowsOf(read.slice(0, nodes.length), options, nodeReader, reserved.node),
      edges: rowsOf(read.slice(nodes.length), options, edgeReader, reserved.edge),
    }),
  )
}

/** Null: there can be none, because one end has no type in the collection. */
function edgesOf(tables: GraphTables, type: string, all: boolean): TableQuery | null {
  const { source, history } = tables
  const written = source.written(type, { history })
  const edges = history ? written : written.drop('valid_from', 'valid_to')
  if (all) return edges
  const ends = source.declared().endsOf(type)
  const from = idsOf(tables, ends.sources)
  const to = idsOf(tables, ends.targets)
  if (from === null || to === null) return null
  return within(within(edges, 'source_id', from), 'target_id', to)
}

/** A plain semi join on each end would have SQLite try every pair of entities. */
function within(edges: TableQuery, end: 'source_id' | 'target_id', entities: TableQuery<EntityId>): TableQuery {
  const ends = edges as unknown as TableQuery<Record<typeof end, string>>
  const found = ends.join(entities, (edge, { id }) => id.eq(edge[end]).and(id.notNull()), { how: 'semi' })
  return found as unknown as TableQuery
}

interface EntityId {
  readonly id: string
}

function idsOf(tables: GraphTables, types: readonly string[]): TableQuery<EntityId> | null {
  const [first, ...rest] = types
    .filter((type) => tables.types.includes(type))
    .map((type) => tables.source.table(type).select({ id: col(`${type}_id`) }) as unknown as TableQuery<EntityId>)
  return first === undefined ? null : rest.reduce((all, ids) => all.union(ids), first)
}

type Read<R> = (cells: readonly unknown[]) => R

async function* rowsOf<R>(
  tables: readonly ExportTable[],
  { onProgress }: WriteOptions,
  readerOf: (table: ExportTable, reserved: readonly string[]) => Read<R>,
  reserved: readonly string[],
): AsyncGenerator<readonly R[], void, void> {
  for (const table of tables) {
    const read = readerOf(table, reserved)
    let rows = 0
    for await (const chunk of table.chunks) {
      yield chunk.map(read)
      rows += chunk.length
      onProgress?.({ table: table.name, rows })
    }
  }
}

function nodeReader(table: ExportTable, reserved: readonly string[]): Read<NodeRow> {
  const attributes = attributesReader(table, 1, reserved)
  return (cells) => ({ id: cells[0] as string, type: table.name, attributes: attributes(cells) })
}

function edgeReader(table: ExportTable, reserved: readonly string[]): Read<EdgeRow> {
  const attributes = attributesReader(table, 3, reserved)
  return (cells) => {
    const [source, target, type] = cells as readonly string[] as [string, string, string]
    return { source, target, type, attributes: attributes(cells) }
  }
}

function attributesReader({ columns }: ExportTable, first: number, reserved: readonly string[]): Read<Attributes> {
  const names = columns.slice(first).map(({ name }) => name)
  const free = names.map((name) => freeName(name, names, reserved))
  return (cells) => {
    const out: Attributes = {}
    for (const [i, name] of free.entries()) {
      const value = attribute(cells[first + i])
      if (value !== null) out[name] = value
    }
    return out
  }
}

function freeName(name: string, names: readonly string[], reserved: readonly string[]): string {
  if (!reserved.includes(name)) return name
  let free = `_${name}`
  while (names.includes(free) || reserved.includes(free)) free = `_${free}`
  return free
}

function attribute(value: unknown): Attributes[string] | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      // JSON has no others.
      return Number.isFinite(value) ? value : null
    case 'bigint':
      return String(value)
    default:
      return null
  }
}
