/** The graph as the store answers it, always as it is now (spec 06 §9.3). */
import {
  compareNeighbors,
  type EdgeName,
  type GraphBackend,
  type NeighborEdge,
  type NeighborOptions,
  type PathOptions,
  type ReachedEntity,
  type TraverseOptions,
} from '../../ports/graph.ts'
import { col, lit } from '../expression.ts'
import type { QueryProgram, QueryRoot } from '../root.ts'
import { Edges } from './edges.ts'
import { Relationships } from './relationships.ts'
import { levels, shortestPath } from './search.ts'

export class StoreGraph implements Omit<GraphBackend, 'related'> {
  readonly #root: QueryRoot
  readonly #types: readonly string[]
  readonly #relationships: Relationships

  constructor(root: QueryRoot, program: QueryProgram) {
    this.#root = root
    this.#types = program.layout.entities.map((entity) => entity.type)
    this.#relationships = new Relationships(program)
  }

  async neighbors(id: string, { types, direction, ...options }: NeighborOptions): Promise<NeighborEdge[]> {
    const edges = new Edges(this.#root, options)
    const all = edges.written(types)
    const shape = (end: string, written: NeighborEdge['direction']) => ({
      entity_id: col(end),
      relationship_type: col('relationship_type'),
      direction: lit(written),
    })
    const out = all.filter({ source_id: id }).select(shape('target_id', 'outbound'))
    const back =
      direction === null ? all.filter({ target_id: id, source_id: { ne: id } }) : all.filter({ target_id: id })
    const into = back.select(shape('source_id', 'inbound'))
    const wanted = direction === null ? out.union(into) : direction === 'outbound' ? out : into
    const rows = (await edges.read(wanted)) as readonly [string, string, NeighborEdge['direction']][]
    const typed = new EntityTypes(edges)
    for (const [entityId, type, written] of rows) typed.expect(entityId, this.#farTypes(type, written))
    const typeOf = await typed.find()
    return rows
      .map(([entityId, type, written]) => ({
        entityId,
        relationshipType: type,
        direction: written,
        entityType: typeOf(entityId),
      }))
      .sort(compareNeighbors)
  }

  async traverse(
    id: string,
    [name]: readonly EdgeName[],
    { depth, directed, ...options }: TraverseOptions,
  ): Promise<ReachedEntity[]> {
    const edges = new Edges(this.#root, options)
    const startType = await this.#typeOf(edges, id)
    if (startType === null || name === undefined) return []
    const along = edges.named(name.type)
    const found = await levels(id, depth, (ids) => edges.steps(ids, along, directed))
    const { sources, targets } = this.#relationships.endsOf(name.type)
    const possible = directed ? targets : [...new Set([...targets, ...sources])]
    const typed = new EntityTypes(edges)
    typed.expect(id, [startType])
    for (const level of found.slice(1)) for (const entityId of level) typed.expect(entityId, possible)
    const typeOf = await typed.find()
    return found.flatMap((level, at) =>
      level.map((entityId) => ({ entityId, depth: at, entityType: typeOf(entityId) })),
    )
  }

  async path(from: string, to: string, { types, maxDepth, ...options }: PathOptions): Promise<string[]> {
    const edges = new Edges(this.#root, options)
    if (from === to) return (await this.#typeOf(edges, from)) === null ? [] : [from]
    const all = edges.written(types)
    return shortestPath(from, to, maxDepth, (ids) => edges.steps(ids, all, false))
  }

  /** Type of a known entity: one that has a row, or that an edge leads to or from. */
  async #typeOf(edges: Edges, id: string): Promise<string | null> {
    const found = (await edges.typesOf([id], this.#types)).get(id)
    if (found !== undefined) return found
    const all = edges.written(null)
    const touching = all
      .filter({ source_id: id })
      .select({ type: col('relationship_type'), written: lit('inbound') })
      .union(all.filter({ target_id: id }).select({ type: col('relationship_type'), written: lit('outbound') }))
    const [edge] = (await edges.read(touching.limit(1))) as readonly [string, NeighborEdge['direction']][]
    return edge === undefined ? null : (this.#farTypes(...edge)[0] ?? null)
  }

  /** Types that may be at the other end of an edge that was written like this. */
  #farTypes(type: string, written: NeighborEdge['direction']): readonly string[] {
    const { sources, targets } = this.#relationships.endsOf(type)
    return written === 'outbound' ? targets : sources
  }
}

/** Types of entities: by declaration where it leaves no choice, else by where their rows are. */
class EntityTypes {
  readonly #edges: Edges
  readonly #possible = new Map<string, readonly string[]>()

  constructor(edges: Edges) {
    this.#edges = edges
  }

  expect(id: string, types: readonly string[]): void {
    const known = this.#possible.get(id)
    if (known === undefined || types.length < known.length) this.#possible.set(id, types)
  }

  async find(): Promise<(id: string) => string> {
    const open = [...this.#possible].filter(([, types]) => types.length > 1)
    const tables = [...new Set(open.flatMap(([, types]) => types))]
    const found = await this.#edges.typesOf(
      open.map(([id]) => id),
      tables,
    )
    return (id) => found.get(id) ?? this.#possible.get(id)?.[0] ?? ''
  }
}
