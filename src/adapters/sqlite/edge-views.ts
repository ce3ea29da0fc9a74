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

/** Columns of a view besides ends, name and interval. */
interface Extra {
  readonly properties: readonly Column[]
  /** Names of properties the stored rows have; the others are null. */
  readonly present: ReadonlySet<string>
  readonly hidden: boolean
}

const NOTHING: Extra = { properties: [], present: new Set(), hidden: false }

/** `create view` statements of a version. */
export function viewStatements(layout: HistoryLayout, version: string, plain: boolean): string[] {
  const known = new Map(layout.relationships.map((relationship) => [relationship.type, relationship]))
  const statements = layout.relationships.map((relationship) => {
    const name = quote(relationshipView(relationship.type, version, plain))
    return `create view ${name} as ${union(namedEdges(relationship, known, version))}`
  })
  const all = layout.relationships.flatMap((relationship) => writtenEdges(relationship, known, version))
  const empty = `select null as source_id, null as target_id, null as relationship_type, null as valid_from,
    null as valid_to where 0`
  const view = quote(relationshipsView(version, plain))
  return [...statements, `create view ${view} as ${all.length === 0 ? empty : union(all)}`]
}

/** Plain arms, so that a condition on the view reaches the index of each table. */
function union(arms: readonly string[]): string {
  return arms.join('\nunion all\n')
}

/** Everything known under the relationship's name: its own rows, then swapped rows of each inverse name. */
function namedEdges(relationship: Relationship, known: ReadonlyMap<string, Relationship>, version: string): string[] {
  const { type, columns } = relationship
  const extra = (present: readonly Column[]): Extra => ({
    properties: columns,
    present: new Set(present.map((column) => column.name)),
    hidden: true,
  })
  const own: Edges = { table: edgeTable(type, version), swapped: false, where: null }
  const arms = pieces(own, [], type, extra(columns))
  const masks = [own]
  for (const name of relationship.inverses) {
    const inverse = known.get(name)
    if (inverse === undefined) continue
    const other: Edges = { table: edgeTable(name, version), swapped: true, where: null }
    arms.push(...pieces(other, masks, type, extra(inverse.columns)))
    masks.push(other)
  }
  return arms
}

/** Rows under the name they were written with; where both sides wrote an edge, the name first in the alphabet shows it. */
function writtenEdges(relationship: Relationship, known: ReadonlyMap<string, Relationship>, version: string): string[] {
  const { type } = relationship
  const own: Edges = { table: edgeTable(type, version), swapped: false, where: null }
  const masks: Edges[] = []
  for (const name of relationship.inverses) {
    if (!known.has(name) || name > type) continue
    // Its own inverse: of the two directions, the one whose source comes first shows the edge.
    const where = name === type ? 'source_id < target_id' : null
    masks.push({ table: edgeTable(name, version), swapped: true, where })
  }
  return pieces(own, masks, type, NOTHING)
}

/**
 * Rows of `edges` cut to the times at which no mask shows the same edge. A piece begins where its row begins, or where a
 * mask ends inside the row, and lasts until the next mask begins.
 */
function pieces(edges: Edges, masks: readonly Edges[], type: string, extra: Extra): string[] {
  const table = `${quote(edges.table)} s`
  if (masks.length === 0) return [`select ${outputs(edges, type, extra, 's.valid_from', 's.valid_to')} from ${table}`]
  const arm = (begin: string, from: string, conditions: readonly string[]): string => {
    const ends = ['s.valid_to', ...masks.map((mask) => `(${nextBegin(mask, edges, begin)})`)]
    // '~' sorts behind every instant.
    const end = `nullif(min(${ends.map((at) => `coalesce(${at}, '~')`).join(', ')}), '~')`
    const free = masks.map((mask) => `not ${covers(mask, edges, begin)}`)
    return `select ${outputs(edges, type, extra, begin, end)} from ${from} where ${[...conditions, ...free].join(' and ')}`
  }
  return [
    arm('s.valid_from', table, []),
    ...masks.map((mask, i) =>
      arm('m.valid_to', `${table} cross join ${quote(mask.table)} m`, [
        sameEdge(mask, 'm', edges),
        'm.valid_to > s.valid_from and (s.valid_to is null or m.valid_to < s.valid_to)',
        // Several masks that end at one instant begin one piece.
        ...masks.slice(0, i).map((earlier) => `not ${exists(earlier, edges, 'o.valid_to = m.valid_to')}`),
      ]),
    ),
  ]
}

function outputs(edges: Edges, type: string, extra: Extra, from: string, to: string): string {
  const [source, target] = edges.swapped ? ['target_id', 'source_id'] : ['source_id', 'target_id']
  return [
    `s.${source} as source_id`,
    `s.${target} as target_id`,
    `'${type}' as relationship_type`,
    ...extra.properties.map(({ name }) => `${extra.present.has(name) ? `s.${quote(name)}` : 'null'} as ${quote(name)}`),
    `${from} as valid_from`,
    `${to} as valid_to`,
    ...(extra.hidden ? ['s._generation', 's._revision', 's._sequence'] : []),
  ].join(', ')
}

function covers(mask: Edges, edges: Edges, instant: string): string {
  return exists(mask, edges, `o.valid_from <= ${instant} and (o.valid_to is null or o.valid_to > ${instant})`)
}

function nextBegin(mask: Edges, edges: Edges, instant: string): string {
  return `select min(o.valid_from) from ${quote(mask.table)} o
    where ${sameEdge(mask, 'o', edges)} and o.valid_from > ${instant}`
}

function exists(mask: Edges, edges: Edges, condition: string): string {
  return `exists (select 1 from ${quote(mask.table)} o where ${sameEdge(mask, 'o', edges)} and ${condition})`
}

/** Condition: stored row `alias` of `mask` is the same edge as row `s`. Leads with the mask's primary key. */
function sameEdge(mask: Edges, alias: string, edges: Edges): string {
  const crossed = mask.swapped !== edges.swapped
  const [source, target] = crossed ? ['target_id', 'source_id'] : ['source_id', 'target_id']
  const where = mask.where === null ? '' : ` and ${mask.where.replaceAll(/\b(source_id|target_id)\b/g, `${alias}.$1`)}`
  return `${alias}.source_id = s.${source} and ${alias}.target_id = s.${target}${where}`
}
