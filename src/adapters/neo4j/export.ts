/**
 * Entities and relationships into Neo4j (spec 06 §7.1): nodes and edges are merged in batches, each in a transaction that
 * may be repeated; afterwards what the space had there and has no more is removed. A second export of the same space that
 * begins meanwhile ends this one, so that an older state never takes away what a newer one wrote.
 */
import { ConflictError, QueryError } from '../../errors.ts'
import type {
  ExportedEdges,
  ExportedGraph,
  ExportedNodes,
  ExportTable,
  WriteOptions,
  Written,
} from '../../ports/exports.ts'
import type { Neo4jServer, Run } from './driver.ts'
import { EXPORT, edgeTypeOf, ID, labelOf, quoted, SPACE, SPACE_LABEL } from './names.ts'
import { toNeo4j } from './values.ts'

/** Rows of one transaction. */
const BATCH = 4_096
/** Nodes or edges that one transaction removes. */
const PRUNED = 10_000

const KEY = `${SPACE}: $space, ${ID}`

export async function writeGraph(
  server: Neo4jServer,
  graph: ExportedGraph,
  options: WriteOptions & { readonly prune: boolean },
): Promise<Written> {
  return new GraphExport(server, graph, options).run()
}

interface Known {
  readonly export: number
  /** Of earlier exports of the space. */
  readonly labels: readonly string[]
  readonly edgeTypes: readonly string[]
}

class GraphExport {
  readonly #server: Neo4jServer
  readonly #graph: ExportedGraph
  readonly #options: WriteOptions & { readonly prune: boolean }
  readonly #labels: readonly string[]

  constructor(server: Neo4jServer, graph: ExportedGraph, options: WriteOptions & { readonly prune: boolean }) {
    this.#server = server
    this.#graph = graph
    this.#options = options
    this.#labels = graph.nodes.map(({ type }) => labelOf(type))
  }

  async run(): Promise<Written> {
    const { nodes, edges } = this.#graph
    for (const { table } of [...nodes, ...edges]) checkColumns(table)
    await this.#prepare()
    const known = await this.#begin()
    let rows = 0
    for (const one of nodes) rows += await this.#writeNodes(one, known.export)
    for (const one of edges) rows += await this.#writeEdges(one, known.export)
    if (this.#options.prune) await this.#prune(known)
    await this.#finish(known)
    return { rows, bytes: null }
  }

  /** Statements about the schema cannot share a transaction with others. */
  async #prepare(): Promise<void> {
    const constraints = [
      `CREATE CONSTRAINT IF NOT EXISTS FOR (n:${quoted(SPACE_LABEL)}) REQUIRE n.space IS UNIQUE`,
      ...this.#labels.map(
        (label) => `CREATE CONSTRAINT IF NOT EXISTS FOR (n:${quoted(label)}) REQUIRE (n.${SPACE}, n.${ID}) IS UNIQUE`,
      ),
    ]
    for (const constraint of constraints) await this.#server.write((run) => run(constraint))
  }

  async #begin(): Promise<Known> {
    const { space, edges } = this.#graph
    const [known] = await this.#server.write((run) =>
      run(
        `MERGE (s:${quoted(SPACE_LABEL)} {space: $space})
         WITH s, coalesce(s.labels, []) AS labels, coalesce(s.edge_types, []) AS edgeTypes
         SET s.export = coalesce(s.export, 0) + 1, s.complete = false,
           s.labels = labels + [one IN $labels WHERE NOT one IN labels],
           s.edge_types = edgeTypes + [one IN $edgeTypes WHERE NOT one IN edgeTypes]
         RETURN s.export AS export, s.labels AS labels, s.edge_types AS edgeTypes`,
        { space, labels: this.#labels, edgeTypes: edges.map(({ type }) => edgeTypeOf(type)) },
      ),
    )
    return { ...(known as unknown as Known), export: Number(known?.['export']) }
  }

  async #writeNodes({ type, table }: ExportedNodes, number: number): Promise<number> {
    const properties = this.#propertiesOf(table, 0)
    const id = table.columns.findIndex(({ name }) => name === `${type}_id`)
    const statement = `UNWIND $rows AS row MERGE (n:${quoted(labelOf(type))} {${KEY}: row.id}) SET n = row.properties`
    return this.#inBatches(table, number, async (run, cells) => {
      const rows = cells.map((row) => ({
        id: row[id],
        properties: { ...this.#mark(number), [ID]: row[id], ...properties(row) },
      }))
      await run(statement, { space: this.#graph.space, rows })
      return rows.length
    })
  }

  /** Edges between entities that are not in this graph are left out. */
  async #writeEdges({ type, sources, targets, table }: ExportedEdges, number: number): Promise<number> {
    const properties = this.#propertiesOf(table, 2)
    const from = table.columns.findIndex(({ name }) => name === 'valid_from')
    const statements = this.#ours(sources).flatMap((source) =>
      this.#ours(targets).map(
        (target) =>
          `UNWIND $rows AS row
           MATCH (a:${quoted(source)} {${KEY}: row.source}) MATCH (b:${quoted(target)} {${KEY}: row.target})
           MERGE (a)-[r:${quoted(edgeTypeOf(type))} {valid_from: row.valid_from}]->(b)
           SET r = row.properties RETURN count(r) AS written`,
      ),
    )
    const instant = toNeo4j(this.#server.neo4j, 'datetime')
    return this.#inBatches(table, number, async (run, cells) => {
      const rows = cells.map((row) => ({
        source: row[0],
        target: row[1],
        valid_from: instant(row[from]),
        properties: { ...this.#mark(number), ...properties(row) },
      }))
      let written = 0
      for (const statement of statements) {
        const [counted] = await run(statement, { space: this.#graph.space, rows })
        written += Number(counted?.['written'])
      }
      return written
    })
  }

  /** Labels of those of the types that are in this graph. */
  #ours(types: readonly string[]): readonly string[] {
    return types.map(labelOf).filter((label) => this.#labels.includes(label))
  }

  #mark(number: number): Record<string, unknown> {
    return { [SPACE]: this.#graph.space, [EXPORT]: BigInt(number) }
  }

  /** Columns from the `first` on; what is null is left out. */
  #propertiesOf({ columns }: ExportTable, first: number): (row: readonly unknown[]) => Record<string, unknown> {
    const named = columns.map(({ name, type }, i) => ({ i, name, convert: toNeo4j(this.#server.neo4j, type) }))
    const shown = named.slice(first)
    return (row) => {
      const out: Record<string, unknown> = {}
      for (const { i, name, convert } of shown) {
        const value = row[i]
        if (value !== null && value !== undefined) out[name] = convert(value)
      }
      return out
    }
  }

  async #inBatches(
    table: ExportTable,
    number: number,
    write: (run: Run, rows: readonly (readonly unknown[])[]) => Promise<number>,
  ): Promise<number> {
    const { signal, onProgress } = this.#options
    let written = 0
    for await (const chunk of table.chunks) {
      for (let at = 0; at < chunk.length; at += BATCH) {
        signal?.throwIfAborted()
        const rows = chunk.slice(at, at + BATCH)
        written += await this.#current(number, (run) => write(run, rows))
        onProgress?.({ table: table.name, rows: written })
      }
    }
    return written
  }

  async #prune({ export: number, labels, edgeTypes }: Known): Promise<void> {
    const { space, edges, entityTypes, relationshipTypes } = this.#graph
    const params = { space, export: BigInt(number), labels: this.#labels, limit: BigInt(PRUNED) }
    const stale = (name: string): string => `${name}.${SPACE} = $space AND ${name}.${EXPORT} < $export`
    const remove = (match: string, name: string): Promise<void> =>
      this.#repeat(
        number,
        `${match} WITH ${name} LIMIT $limit DETACH DELETE ${name} RETURN count(*) AS removed`,
        params,
      )
    const declaredEdges = relationshipTypes.map(edgeTypeOf)
    for (const type of edgeTypes) {
      const gone = !declaredEdges.includes(type)
      // Edges to entities that this graph does not have may be there all the same.
      const both = ['a', 'b'].map((end) => `any(label IN labels(${end}) WHERE label IN $labels)`).join(' AND ')
      const written = edges.some((edge) => edgeTypeOf(edge.type) === type)
      if (!gone && !written) continue
      const where = gone ? stale('r') : `${stale('r')} AND ${both}`
      await this.#repeat(
        number,
        `MATCH (a)-[r:${quoted(type)}]->(b) WHERE ${where} WITH r LIMIT $limit DELETE r RETURN count(*) AS removed`,
        params,
      )
    }
    const declared = entityTypes.map(labelOf)
    for (const label of labels) {
      if (declared.includes(label) && !this.#labels.includes(label)) continue
      await remove(`MATCH (n:${quoted(label)}) WHERE ${stale('n')} AND n.${ID} IS NOT NULL`, 'n')
    }
  }

  async #repeat(number: number, statement: string, params: Record<string, unknown>): Promise<void> {
    for (let removed = PRUNED; removed === PRUNED; ) {
      this.#options.signal?.throwIfAborted()
      removed = await this.#current(number, async (run) => Number((await run(statement, params))[0]?.['removed']))
    }
  }

  async #finish({ export: number, labels, edgeTypes }: Known): Promise<void> {
    const { space, version, at, entityTypes, relationshipTypes } = this.#graph
    const kept = (names: readonly string[], declared: readonly string[]): readonly string[] =>
      this.#options.prune ? names.filter((name) => declared.includes(name)) : names
    await this.#current(number, (run) =>
      run(
        `MATCH (s:${quoted(SPACE_LABEL)} {space: $space})
         SET s.complete = true, s.version = $version, s.at = $at, s.labels = $labels, s.edge_types = $edgeTypes`,
        {
          space,
          version,
          at: toNeo4j(this.#server.neo4j, 'datetime')(at),
          labels: kept(labels, entityTypes.map(labelOf)),
          edgeTypes: kept(edgeTypes, relationshipTypes.map(edgeTypeOf)),
        },
      ),
    )
  }

  /** A transaction of this export, as long as no later one of the space has begun. */
  #current<T>(number: number, work: (run: Run) => Promise<T>): Promise<T> {
    const { space } = this.#graph
    return this.#server.write(async (run) => {
      // Writing the node locks it until the transaction ends.
      const [found] = await run(
        `MATCH (s:${quoted(SPACE_LABEL)} {space: $space}) SET s.export = s.export RETURN s.export AS export`,
        { space },
      )
      if (Number(found?.['export']) !== number) {
        throw new ConflictError('another export of this space to the same Neo4j has begun; this one ends')
      }
      return work(run)
    })
  }
}

function checkColumns({ name, columns }: ExportTable): void {
  const taken = columns.find((column) => column.name.startsWith('_defacto_'))
  if (taken === undefined) return
  throw new QueryError(
    `export: the property '${taken.name}' of '${name}' has a name that Neo4j exports need themselves`,
    {
      code: 'E_QUERY_NAME',
      details: { table: name, column: taken.name },
    },
  )
}
