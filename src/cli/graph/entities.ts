/** Pictures of entities and what joins them (spec 06 §9). */
import { QueryError } from '../../errors.ts'
import type { Queries } from '../../queries.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { Diagram, DiagramNode } from './model.ts'

/** More is no picture. */
const MOST = 500

export interface DrawnEntity {
  readonly id: string
  /** Null: not known. */
  readonly type: string | null
}
export interface DrawnEdge {
  readonly from: string
  readonly to: string
  readonly label: string
}

export function entityDiagram(start: string, entities: readonly DrawnEntity[], edges: readonly DrawnEdge[]): Diagram {
  if (entities.length > MOST) {
    throw new QueryError(
      `${entities.length} entities are too many for a picture, ${MOST} are the most; ask for fewer`,
      {
        code: 'E_QUERY_STEP',
      },
    )
  }
  const nodes = new Map<string, DiagramNode>()
  for (const { id, type } of entities) {
    if (!nodes.has(id))
      nodes.set(id, { id, label: id, group: type ?? 'entity', kind: id === start ? 'start' : 'state' })
  }
  return { what: 'entities', nodes: [...nodes.values()], edges }
}

/** Edges between these entities: of one relationship by either of its names, or of all. */
export async function edgesAmong(
  root: Queries,
  ids: readonly string[],
  options: { relationship?: string; asOf?: string } = {},
): Promise<DrawnEdge[]> {
  const history = options.asOf !== undefined
  const { relationship, asOf } = options
  const all: TableQuery =
    relationship === undefined ? root.relationships({ history }) : root.relationship(relationship, { history })
  const then = asOf === undefined ? all : all.asOf(asOf)
  const inside = [...ids]
  const rows = await then.filter({ source_id: { in: inside }, target_id: { in: inside } } as never).rows()
  const edges = rows.map(
    (row): DrawnEdge => ({
      from: String(row['source_id']),
      to: String(row['target_id']),
      label: String(row['relationship_type']),
    }),
  )
  const key = ({ from, to, label }: DrawnEdge): string => JSON.stringify([from, to, label])
  return edges.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
