/**
 * Views over stored edges (spec 06 §1, 01 §2.7). The two names of a relationship are one set of edges, whichever side
 * wrote them: `rel_{name}_history` shows the edges written under the name, and those written under an inverse name with
 * their ends swapped. An edge that both sides wrote is shown once: where stored intervals overlap, the later list gives
 * way, so that at any instant there is one row per edge.
 */
import type { HistoryLayout } from '../../core/history.ts'
import type { Column } from './columns.ts'
import { edgeTable, quote, relationshipsView, relationshipView } from './names.ts'

type Relationship = HistoryLayout['relationships'][number]

/** One list of stored edges, read as written or from the other side. */
interface Edges {
  readonly table: string
  readonly swapped: boolean
  /** Further condition on the stored row, or null. */
  readonly where: string | null
}

const HIDDEN = ['_generation', '_revision', '_sequence']

/** `create view` statements of a version. */
export function viewStatements(layout: HistoryLayout, version: string, plain: boolean): string[] {
  const known = new Map(layout.relationships.map((relationship) => [relationship.type, relationship]))
  const statements = layout.relationships.map((relationship) => {
    const name = quote(relationshipView(relationship.type, version, plain))
    return `create view ${name} as ${namedEdges(relationship, known, version)}`
  })
  const all = layout.relationships.map((relationship) => writtenEdges(relationship, known, version))
  const empty = `select null as source_id, null as target_id, null as relationship_type, null as valid_from,
    null as valid_to where 0`
  const view = quote(relationshipsView(version, plain))
  return [...statements, `create view ${view} as ${all.length === 0 ? empty : all.join('\nunion all\n')}`]
}

/** Everything known under the relationship's name: its own rows, then swapped rows of each inverse name. */
function namedEdges(relationship: Relationship, known: ReadonlyMap<string, Relationship>, version: string): string {
  const own: Edges = { table: edgeTable(relationship.type, version), swapped: false, where: null }
  const columns = relationship.columns
  const parts = [select(own, [], relationship.type, columns, new Set(columns.map((c) => c.name)))]
  const masks = [own]
  for (const name of relationship.inverses) {
    const inverse = known.get(name)
    if (inverse === undefined) continue
    const other: Edges = { table: edgeTable(name, version), swapped: true, where: null }
    parts.push(select(other, masks, relationship.type, columns, new Set(inverse.columns.map((c) => c.name))))
    masks.push(other)
  }
  return parts.join('\nunion all\n')
}

/** Rows under the name they were written with; where both sides wrote an edge, the name first in the alphabet shows it. */
function writtenEdges(relationship: Relationship, known: ReadonlyMap<string, Relationship>, version: string): string {
  const own: Edges = { table: edgeTable(relationship.type, version), swapped: false, where: null }
  const masks: Edges[] = []
  for (const name of relationship.inverses) {
    if (!known.has(name) || name > relationship.type) continue
    // Its own inverse: of the two directions, the one whose source comes first shows the edge.
    const where = name === relationship.type ? 'source_id < target_id' : null
    masks.push({ table: edgeTable(name, version), swapped: true, where })
  }
  return `select source_id, target_id, relationship_type, valid_from, valid_to from (${select(own, masks, relationship.type, [], new Set())})`
}

/** Rows of `edges` cut to the times at which no mask shows the same edge. */
function select(
  edges: Edges,
  masks: readonly Edges[],
  type: string,
  columns: readonly Column[],
  present: ReadonlySet<string>,
): string {
  const ends = edges.swapped ? ['target_id', 'source_id'] : ['source_id', 'target_id']
  const properties = columns.map(({ name }) => `${present.has(name) ? `s.${quote(name)}` : 'null'} as ${quote(name)}`)
  const hidden = HIDDEN.map((name) => `s.${name}`)
  const list = (from: string, to: string): string =>
    [
      `s.${ends[0]} as source_id`,
      `s.${ends[1]} as target_id`,
      `'${type}' as relationship_type`,
      ...properties,
      `${from} as valid_from`,
      `${to} as valid_to`,
      ...hidden,
    ].join(', ')
  const table = quote(edges.table)
  if (masks.length === 0) return `select ${list('s.valid_from', 's.valid_to')} from ${table} s`

  // A piece begins where the row begins, or where a mask ends inside it, and lasts until the next mask begins.
  const begins = [
    `select p.*, p.valid_from as piece from ${table} p`,
    ...masks.map(
      (mask) => `select p.*, m.valid_to as piece from ${table} p cross join ${quote(mask.table)} m
        on ${sameEdge(mask, 'm', edges, 'p')} and m.valid_to > p.valid_from
        and (p.valid_to is null or m.valid_to < p.valid_to)`,
    ),
  ]
  const open = masks.map(
    (mask) => `not exists (select 1 from ${quote(mask.table)} m where ${sameEdge(mask, 'm', edges, 's')}
      and m.valid_from <= s.piece and (m.valid_to is null or m.valid_to > s.piece))`,
  )
  const next = masks.map(
    (mask) => `select min(m.valid_from) as at from ${quote(mask.table)} m where ${sameEdge(mask, 'm', edges, 's')}
      and m.valid_from > s.piece`,
  )
  const end = `(select nullif(min(at), '~') from (
      select coalesce(s.valid_to, '~') as at union all select coalesce(at, '~') from (${next.join(' union all ')})))`
  return `select ${list('s.piece', end)} from (${begins.join(' union ')}) s where ${open.join(' and ')}`
}

/** Condition: stored row `a` of `mask` is the same edge as stored row `b` of `edges`. Leads with a's primary key. */
function sameEdge(mask: Edges, a: string, edges: Edges, b: string): string {
  const crossed = mask.swapped !== edges.swapped
  const [source, target] = crossed ? ['target_id', 'source_id'] : ['source_id', 'target_id']
  const where = mask.where === null ? '' : ` and ${mask.where.replaceAll(/\b(source_id|target_id)\b/g, `${a}.$1`)}`
  return `${a}.source_id = ${b}.${source} and ${a}.target_id = ${b}.${target}${where}`
}
