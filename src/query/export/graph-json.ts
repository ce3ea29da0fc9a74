/** Graphs as JSON: `{nodes, edges}` for drawing libraries, node-link data and graph objects for analysts (spec 06 §7). */
import { resolve } from 'node:path'
import { QueryError } from '../../errors.ts'
import type { ExportFormat, ExportRecord } from '../../ports/exports.ts'
import { graphology } from '../graph/graphology.ts'
import { exportsOf } from './access.ts'
import {
  type EdgeRow,
  type GraphExportOptions,
  type GraphTables,
  type NodeRow,
  type Reserved,
  withGraph,
} from './graph-rows.ts'
import { recorded } from './record.ts'

/** Null properties are left out; the state is there under the name of its column, `{type}_state`. */
export interface GraphNode {
  readonly id: string
  readonly entity_type: string
  readonly [property: string]: string | number | boolean
}
/** With the properties of the edge, without those that are null. */
export interface GraphEdge {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly [property: string]: string | number | boolean
}
export interface GraphJson {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/** A directed multigraph of graphology. Nodes have `entity_type` and their properties, edges `relationship_type` and theirs. */
export type NodeLinkGraph = import('graphology').MultiDirectedGraph<
  Record<string, string | number | boolean>,
  Record<string, string | number | boolean>
>

export interface NodeLinkOptions extends GraphExportOptions {
  /** What the list of edges is called: `edges` (default) is what NetworkX 3.6 looks for, `links` what 3.3 and older do. */
  readonly edges?: 'edges' | 'links'
}

const PLAIN: Reserved = { node: ['id', 'entity_type'], edge: ['source', 'target', 'type'] }
const NODE_LINK: Reserved = {
  node: ['id', 'entity_type'],
  edge: ['source', 'target', 'key', 'relationship_type'],
}

export async function graphJson(tables: GraphTables, options: GraphExportOptions = {}): Promise<GraphJson> {
  return withGraph(tables, PLAIN, options, async (rows) => {
    const nodes: GraphNode[] = []
    for await (const chunk of rows.nodes) for (const row of chunk) nodes.push(plainNode(row))
    const edges: GraphEdge[] = []
    for await (const chunk of rows.edges) for (const row of chunk) edges.push(plainEdge(row))
    return { nodes, edges }
  })
}

/** In this process: needs memory for the whole graph, and the optional package graphology. */
export async function nodeLinkGraph(tables: GraphTables, options: NodeLinkOptions = {}): Promise<NodeLinkGraph> {
  const { MultiDirectedGraph } = await graphology()
  return withGraph(tables, NODE_LINK, options, async (rows) => {
    const graph: NodeLinkGraph = new MultiDirectedGraph()
    for await (const chunk of rows.nodes) {
      for (const { id, type, attributes } of chunk) graph.addNode(id, { entity_type: type, ...attributes })
    }
    for await (const chunk of rows.edges) {
      for (const { source, target, type, attributes } of chunk) {
        // Ends that are not in the collection, if such edges were asked for.
        graph.mergeNode(source)
        graph.mergeNode(target)
        graph.addEdge(source, target, { relationship_type: type, ...attributes })
      }
    }
    return graph
  })
}

export function writeGraphJson(
  tables: GraphTables,
  path: string,
  options: GraphExportOptions = {},
): Promise<ExportRecord> {
  const form: Form = { head: '{"nodes": [', middle: '], "edges": [', node: plainNode, edge: plainEdge }
  return writeGraph(tables, 'graph', path, PLAIN, form, options)
}

/** What `networkx.node_link_graph(json.load(file))` reads. Every edge has a key of its own, so parallel ones stay apart. */
export function writeNodeLink(tables: GraphTables, path: string, options: NodeLinkOptions = {}): Promise<ExportRecord> {
  const { edges = 'edges' } = options
  if (edges !== 'edges' && edges !== 'links') {
    throw new QueryError(`toNetworkx: edges is 'edges' or 'links', not '${String(edges)}'`, {
      code: 'E_QUERY_STEP',
      details: { step: 'toNetworkx' },
    })
  }
  const form: Form = {
    head: '{"directed": true, "multigraph": true, "graph": {}, "nodes": [',
    middle: `], "${edges}": [`,
    node: plainNode,
    edge: ({ source, target, type, attributes }, key) => ({
      source,
      target,
      key,
      relationship_type: type,
      ...attributes,
    }),
  }
  return writeGraph(tables, 'networkx', path, NODE_LINK, form, options)
}

interface Form {
  readonly head: string
  readonly middle: string
  node(row: NodeRow): object
  /** `number`: how many edges were before it. */
  edge(row: EdgeRow, number: number): object
}

async function writeGraph(
  tables: GraphTables,
  format: Extract<ExportFormat, 'graph' | 'networkx'>,
  path: string,
  reserved: Reserved,
  form: Form,
  options: GraphExportOptions,
): Promise<ExportRecord> {
  if (typeof path !== 'string' || path === '') {
    throw new QueryError('the export needs the path of a file', { code: 'E_QUERY_STEP', details: { step: format } })
  }
  const { source, history } = tables
  const queries = [
    ...tables.types.map((type) => source.table(type)),
    ...tables.relationships.map((type) => source.written(type, { history })),
  ]
  const [first] = queries
  if (first === undefined) throw new QueryError('the collection is empty', { code: 'E_QUERY_STEP' })
  const access = exportsOf(first.context)
  const file = resolve(path)
  const entityTypes = access.typesIn(queries.map(({ relation }) => relation))
  return recorded(access, { path: file, format, entityTypes }, () =>
    withGraph(tables, reserved, options, async (rows) => {
      let count = 0
      const pieces = async function* (): AsyncGenerator<string, void, void> {
        yield form.head
        for await (const chunk of rows.nodes) {
          yield listed(chunk.map(form.node), count)
          count += chunk.length
        }
        yield form.middle
        const nodes = count
        for await (const chunk of rows.edges) {
          yield listed(
            chunk.map((row, i) => form.edge(row, count - nodes + i)),
            count - nodes,
          )
          count += chunk.length
        }
        yield '\n]}\n'
      }
      const { signal } = options
      const written = await access.writers.text(file, pieces(), signal && { signal })
      return { ...written, rows: count }
    }),
  )
}

/** One a line, so that tools which work by lines can cope. */
function listed(items: readonly object[], before: number): string {
  if (items.length === 0) return ''
  return `${before === 0 ? '' : ','}\n${items.map((item) => JSON.stringify(item)).join(',\n')}`
}

function plainNode({ id, type, attributes }: NodeRow): GraphNode {
  return { id, entity_type: type, ...attributes }
}

function plainEdge({ source, target, type, attributes }: EdgeRow): GraphEdge {
  return { source, target, type, ...attributes }
}
