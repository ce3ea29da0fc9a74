/**
 * The graph of a version as an export wrote it to Neo4j (spec 06 §9.3): core operations in Cypher, level by level, each
 * operation in one transaction, without enumerating paths.
 */
import { QueryError } from '../../errors.ts'
import {
  compareNeighbors,
  type EdgeName,
  type GraphBackend,
  type GraphReadOptions,
  type NeighborEdge,
  type NeighborOptions,
  type PathOptions,
  type ReachedEntity,
  type RelatedShape,
  type TraverseOptions,
} from '../../ports/graph.ts'
import type { Neo4jServer, Params, Run } from './driver.ts'
import { anyOf, edgeTypeOf, ID, labelOf, quoted, SPACE, SPACE_LABEL } from './names.ts'
import { fromNeo4j } from './values.ts'

type Step = readonly [from: string, to: string]
type Steps = (ids: readonly string[]) => Promise<readonly Step[]>

/** The searches that go level by level, whatever answers a level. */
export interface Searches {
  levels(start: string, depth: number, steps: Steps): Promise<readonly (readonly string[])[]>
  shortestPath(from: string, to: string, maxDepth: number, steps: Steps): Promise<readonly string[]>
}

export interface ExportedVersion {
  readonly space: string
  readonly version: string
  readonly entityTypes: readonly string[]
  readonly searches: Searches
}

/** A pattern between `n` and `m`, without the direction. */
interface Arm {
  readonly types: readonly string[]
  readonly towards: 'm' | 'n'
}

export class Neo4jGraph implements GraphBackend {
  readonly #server: Neo4jServer
  readonly #of: ExportedVersion
  /** Pattern of a node of ours; the id is in `id`. */
  readonly #labels: string
  readonly #typeByLabel: ReadonlyMap<string, string>

  constructor(server: Neo4jServer, of: ExportedVersion) {
    this.#server = server
    this.#of = of
    this.#labels = anyOf(of.entityTypes.map(labelOf))
    this.#typeByLabel = new Map(of.entityTypes.map((type) => [labelOf(type), type]))
  }

  async neighbors(id: string, { types, direction, ...options }: NeighborOptions): Promise<NeighborEdge[]> {
    if (types?.length === 0) return []
    const written = types ?? []
    // An edge from the entity to itself is outbound unless inbound ones are asked for.
    const arms: [Arm, NeighborEdge['direction'], string][] = []
    if (direction !== 'inbound') arms.push([{ types: written, towards: 'm' }, 'outbound', ''])
    if (direction !== 'outbound') {
      arms.push([{ types: written, towards: 'n' }, 'inbound', direction === null ? ' AND m <> n' : ''])
    }
    const statements = arms.map(
      ([arm, name, where]) =>
        `${this.#match('$id')} ${this.#edge(arm)}${where}
         RETURN m.${ID} AS id, r.relationship_type AS type, '${name}' AS direction, labels(m) AS labels`,
    )
    const rows = await this.#read(options, (run) => run(statements.join(' UNION ALL '), this.#params({ id })))
    return rows
      .map((row) => ({
        entityId: row['id'] as string,
        relationshipType: row['type'] as string,
        direction: row['direction'] as NeighborEdge['direction'],
        entityType: this.#typeOf(row['labels']),
      }))
      .sort(compareNeighbors)
  }

  async traverse(
    id: string,
    names: readonly EdgeName[],
    { depth, directed, ...options }: TraverseOptions,
  ): Promise<ReachedEntity[]> {
    const arms = directed ? along(names) : bothWays(names.map(({ type }) => type))
    return this.#read(options, async (run) => {
      const types = new Map<string, string>()
      const [start] = await run(`${this.#match('$id')} RETURN labels(n) AS labels`, this.#params({ id }))
      if (start === undefined) return []
      types.set(id, this.#typeOf(start['labels']))
      const found = await this.#of.searches.levels(id, depth, this.#steps(run, arms, options, types))
      return found.flatMap((level, at) =>
        level.map((entityId) => ({ entityId, depth: at, entityType: types.get(entityId) ?? '' })),
      )
    })
  }

  async path(from: string, to: string, { types, maxDepth, ...options }: PathOptions): Promise<readonly string[]> {
    return this.#read(options, async (run) => {
      if (from === to) {
        const found = await run(`${this.#match('$id')} RETURN n.${ID} AS id`, this.#params({ id: from }))
        return found.length === 0 ? [] : [from]
      }
      if (types?.length === 0) return []
      const steps = this.#steps(run, bothWays(types ?? []), options, new Map())
      return this.#of.searches.shortestPath(from, to, maxDepth, steps)
    })
  }

  async related(
    id: string,
    names: readonly EdgeName[],
    { targetTypes, targetColumns, edgeProperties }: RelatedShape,
    options: GraphReadOptions,
  ): Promise<readonly (readonly unknown[])[]> {
    const statements = along(names).map(
      (arm) =>
        `${this.#match('$id')} ${this.#edge(arm, targetTypes)}
         RETURN elementId(r) AS edge, properties(m) AS target, properties(r) AS properties`,
    )
    const rows = await this.#read(options, (run) => run(statements.join(' UNION ALL '), this.#params({ id })))
    // A relationship that is its own inverse leads from an entity to itself in both directions.
    const once = new Map(rows.map((row) => [row['edge'], row]))
    return [...once.values()].map((row) => [
      ...this.#cells(row['target'], targetColumns),
      ...this.#cells(row['properties'], edgeProperties),
    ])
  }

  async query(cypher: string, params: Params): Promise<Record<string, unknown>[]> {
    const rows = await this.#server.read((run) => run(cypher, params))
    return rows.map((row) => fromNeo4j(this.#server.neo4j, row) as Record<string, unknown>)
  }

  #cells(properties: unknown, names: readonly string[]): unknown[] {
    const values = properties as Record<string, unknown>
    return names.map((name) => fromNeo4j(this.#server.neo4j, Object.hasOwn(values, name) ? values[name] : null))
  }

  #steps(run: Run, arms: readonly Arm[], { signal }: GraphReadOptions, types: Map<string, string>): Steps {
    const statement = arms
      .map(
        (arm) =>
          `UNWIND $ids AS id ${this.#match('id')} ${this.#edge(arm)}
           RETURN DISTINCT id AS from, m.${ID} AS to, labels(m) AS labels`,
      )
      .join(' UNION ')
    return async (ids) => {
      signal?.throwIfAborted()
      if (statement === '') return []
      const rows = await run(statement, this.#params({ ids }))
      return rows.map((row): Step => {
        const to = row['to'] as string
        types.set(to, this.#typeOf(row['labels']))
        return [row['from'] as string, to]
      })
    }
  }

  #match(id: string): string {
    return `MATCH (n:${this.#labels} {${SPACE}: $space, ${ID}: ${id}})`
  }

  /** Edges of ours alone: people may have added others between the same nodes. */
  #edge({ types, towards }: Arm, targetTypes?: readonly string[]): string {
    const names = types.length === 0 ? '' : `:${anyOf(types.map(edgeTypeOf))}`
    const labels = targetTypes === undefined ? '' : `:${anyOf(targetTypes.map(labelOf))}`
    const [left, right] = towards === 'm' ? ['-', '->'] : ['<-', '-']
    return `MATCH (n)${left}[r${names}]${right}(m${labels}) WHERE r.${SPACE} = $space`
  }

  #params(params: Params): Params {
    return { ...params, space: this.#of.space }
  }

  #typeOf(labels: unknown): string {
    const label = (labels as readonly string[]).find((one) => this.#typeByLabel.has(one))
    return label === undefined ? '' : (this.#typeByLabel.get(label) ?? '')
  }

  /** In one transaction, on an export of this version. */
  async #read<T>({ asOf, ...options }: GraphReadOptions, work: (run: Run) => Promise<T>): Promise<T> {
    if (asOf !== null) {
      throw refused('it holds the graph as it was when it was exported; ask for the past without the option graph')
    }
    return this.#server.read(async (run) => {
      const { space, version } = this.#of
      const [found] = await run(
        `MATCH (s:${quoted(SPACE_LABEL)} {space: $space}) WHERE s.version IS NOT NULL RETURN s.version AS version`,
        { space },
      )
      if (found === undefined) {
        throw refused('nothing was exported to it from this space; call tables().toNeo4j(…) first')
      }
      if (found['version'] !== version) {
        throw refused(`it holds version ${String(found['version'])} of this space, not ${version}; export that one`)
      }
      return work(run)
    }, options)
  }
}

/** In the direction the relationship means, whichever name its edges were written with. */
function along(names: readonly EdgeName[]): Arm[] {
  return names.map(({ type, reversed }) => ({ types: [type], towards: reversed ? 'n' : 'm' }))
}

function bothWays(types: readonly string[]): Arm[] {
  return [
    { types, towards: 'm' },
    { types, towards: 'n' },
  ]
}

function refused(reason: string): QueryError {
  return new QueryError(`the graph in Neo4j cannot answer: ${reason}`, { code: 'E_QUERY_GRAPH' })
}
