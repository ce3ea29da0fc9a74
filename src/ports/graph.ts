/**
 * What can look through the graph of a version: the store by SQL, memory, Neo4j (spec 06 §9.2, §9.3). Names and numbers
 * have been checked before; ids are opaque. A merged entity's id is unknown: its edges belong to the survivor, in the past
 * as well. Unknown ids give empty results.
 */
import { compareText } from '../core/expression/code-points.ts'
import type { Instant } from '../core/instant.ts'

/**
 * One of the names that edges asked for may have been written with; the first of a list is the one asked for. `reversed`:
 * those edges show the relationship from the other side, so that their target is where it starts (spec 01 §2.7).
 */
export interface EdgeName {
  readonly type: string
  readonly reversed: boolean
}

export interface GraphReadOptions {
  /** The graph as it was at this instant; null: as it is. */
  readonly asOf: Instant | null
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface NeighborOptions extends GraphReadOptions {
  /** Types as edges were written; null: any. */
  readonly types: readonly string[] | null
  /** As the edge was written, whichever of its names was asked for. Null: both. */
  readonly direction: 'outbound' | 'inbound' | null
}

/** One edge, once, with the name it was written with. An edge from an entity to itself is outbound unless asked for. */
export interface NeighborEdge {
  readonly entityId: string
  readonly relationshipType: string
  readonly direction: 'outbound' | 'inbound'
  readonly entityType: string
}

/** Their order: by type, outbound ones first, by the entity at the other end. */
export function compareNeighbors(a: NeighborEdge, b: NeighborEdge): number {
  return (
    compareText(a.relationshipType, b.relationshipType) ||
    -compareText(a.direction, b.direction) ||
    compareText(a.entityId, b.entityId)
  )
}

export interface TraverseOptions extends GraphReadOptions {
  /** Whole number, 0 or more. */
  readonly depth: number
  /** False: edges are followed both ways. */
  readonly directed: boolean
}

export interface ReachedEntity {
  readonly entityId: string
  /** Smallest number of edges from the start. */
  readonly depth: number
  readonly entityType: string
}

export interface PathOptions extends GraphReadOptions {
  /** Types as edges were written; null: any. */
  readonly types: readonly string[] | null
  /** Most edges a path may have; whole number, 0 or more. */
  readonly maxDepth: number
}

/** What a row of `related` holds. */
export interface RelatedShape {
  /** More than one where entity types share the relationship. */
  readonly targetTypes: readonly string[]
  /** Columns of the rows of all of them; null where a target has no such column. */
  readonly targetColumns: readonly string[]
  /** Properties of the edge, by their own names. */
  readonly edgeProperties: readonly string[]
}

export interface GraphBackend {
  /** Every edge that touches the entity. */
  neighbors(id: string, options: NeighborOptions): Promise<readonly NeighborEdge[]>
  /** The start at depth 0, then each entity once at its smallest depth; ascending by depth, then id by code points. */
  traverse(id: string, names: readonly EdgeName[], options: TraverseOptions): Promise<readonly ReachedEntity[]>
  /**
   * Ids along a shortest path, both ends included, edges used both ways: of several the one whose list of ids comes first,
   * compared id by id, by code points. `[from]` if both are the same known entity; none: empty.
   */
  path(from: string, to: string, options: PathOptions): Promise<readonly string[]>
  /**
   * Rows of the targets of outgoing edges: values of `targetColumns`, then those of `edgeProperties`, as spec 06 §1 writes
   * them. One row per edge; edges to entities without a row give none.
   */
  related(
    id: string,
    names: readonly EdgeName[],
    shape: RelatedShape,
    options: GraphReadOptions,
  ): Promise<readonly (readonly unknown[])[]>
  /** A query in the language of a graph database; left out where there is none. */
  query?(text: string, params: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>[]>
}
