/**
 * Views over stored edges (spec 06 §1, 01 §2.7). The two names of a relationship are one set of edges, whichever side
 * wrote them: `rel_{name}_history` shows the edges written under the name, and those written under an inverse name with
 * their ends swapped. An edge that both sides wrote is shown once: where stored intervals overlap, the later list gives
 * way, so that at any instant there is one row per edge.
 */
import type { PropertyType } from '../../core/definition/model.ts'
import type { HistoryLayout } from '../../core/history.ts'

type Relationship = HistoryLayout['relationships'][number]
type Column = Relationship['columns'][number]

/** What differs between databases. */
export interface EdgeDialect {
  /** Quoted name of the table of edges written under a relationship name. */
  table(relationship: string): string
  /** Quoted name of a column. */
  column(name: string): string
  /** The earliest of these instants; null stands for never. */
  earliest(instants: readonly string[]): string
  /** A null of a property's type. */
  none(type: PropertyType): string
  /** Whether no edge stands under the name and under an inverse one, so that nothing gives way; left out: nobody knows. */
  apart?(relationship: string): boolean
  /** Output columns of the view over all edges where there are none: `null as source_id, …`. */
  readonly nothing: string
}

/** `select`s over stored edges: what the views of a version show. */
export interface EdgeSelects {
  /** By relationship name. */
  readonly named: ReadonlyMap<string, string>
  /** Edges of all relationships, each under the name it was written with. */
  readonly all: string
}

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
  /** Properties the stored rows have; the others are null. */
  readonly present: readonly Column[]
  readonly hidden: boolean
}

const NOTHING: Extra = { properties: [], present: [], hidden: false }

export function edgeSelects(layout: HistoryLayout, dialect: EdgeDialect): EdgeSelects {
  return new Selects(layout, dialect).all()
}

class Selects {
  readonly #layout: HistoryLayout
  readonly #dialect: EdgeDialect
  readonly #known: ReadonlyMap<string, Relationship>

  constructor(layout: HistoryLayout, dialect: EdgeDialect) {
    this.#layout = layout
    this.#dialect = dialect
    this.#known = new Map(layout.relationships.map((relationship) => [relationship.type, relationship]))
  }

  all(): EdgeSelects {
    const { relationships } = this.#layout
    const named = relationships.map((relationship) => [relationship.type, union(this.#named(relationship))] as const)
    const all = relationships.flatMap((relationship) => this.#written(relationship))
    return { named: new Map(named), all: all.length === 0 ? `select ${this.#dialect.nothing} where 1 = 0` : union(all) }
  }

  /** Everything known under the relationship's name: its own rows, then swapped rows of each inverse name. */
  #named({ type, columns, inverses }: Relationship): string[] {
    const extra = (present: readonly Column[]): Extra => ({ properties: columns, present, hidden: true })
    const own: Edges = { table: this.#dialect.table(type), swapped: false, where: null }
    const arms = this.#pieces(own, [], type, extra(columns))
    const masks = [own]
    for (const name of inverses) {
      const inverse = this.#known.get(name)
      if (inverse === undefined) continue
      const other: Edges = { table: this.#dialect.table(name), swapped: true, where: null }
      arms.push(...this.#pieces(other, this.#dialect.apart?.(type) ? [] : masks, type, extra(inverse.columns)))
      masks.push(other)
    }
    return arms
  }

  /** Rows under the name they were written with; where both sides wrote an edge, the name first in the alphabet shows it. */
  #written({ type, inverses }: Relationship): string[] {
    const own: Edges = { table: this.#dialect.table(type), swapped: false, where: null }
    const masks: Edges[] = []
    for (const name of inverses) {
      if (!this.#known.has(name) || name > type || this.#dialect.apart?.(type)) continue
      // Its own inverse: of the two directions, the one whose source comes first shows the edge.
      const where = name === type ? 'source_id < target_id' : null
      masks.push({ table: this.#dialect.table(name), swapped: true, where })
    }
    return this.#pieces(own, masks, type, NOTHING)
  }

  /**
   * Rows of `edges` cut to the times at which no mask shows the same edge. A piece begins where its row begins, or where a
   * mask ends inside the row, and lasts until the next mask begins.
   */
  #pieces(edges: Edges, masks: readonly Edges[], type: string, extra: Extra): string[] {
    const table = `${edges.table} s`
    if (masks.length === 0) {
      return [`select ${this.#outputs(edges, type, extra, 's.valid_from', 's.valid_to')} from ${table}`]
    }
    const arm = (begin: string, from: string, conditions: readonly string[]): string => {
      const end = this.#dialect.earliest(['s.valid_to', ...masks.map((mask) => `(${nextBegin(mask, edges, begin)})`)])
      const free = masks.map((mask) => `not ${covers(mask, edges, begin)}`)
      const outputs = this.#outputs(edges, type, extra, begin, end)
      return `select ${outputs} from ${from} where ${[...conditions, ...free].join(' and ')}`
    }
    return [
      arm('s.valid_from', table, []),
      ...masks.map((mask, i) =>
        arm('m.valid_to', `${table} cross join ${mask.table} m`, [
          sameEdge(mask, 'm', edges),
          'm.valid_to > s.valid_from and (s.valid_to is null or m.valid_to < s.valid_to)',
          // Several masks that end at one instant begin one piece.
          ...masks.slice(0, i).map((earlier) => `not ${exists(earlier, edges, 'o.valid_to = m.valid_to')}`),
        ]),
      ),
    ]
  }

  #outputs(edges: Edges, type: string, { properties, present, hidden }: Extra, from: string, to: string): string {
    const [source, target] = edges.swapped ? ['target_id', 'source_id'] : ['source_id', 'target_id']
    const property = (column: Column): string => {
      const stored = present.some((other) => other.name === column.name && other.type === column.type)
      const name = this.#dialect.column(column.name)
      return `${stored ? `s.${name}` : this.#dialect.none(column.type)} as ${name}`
    }
    return [
      `s.${source} as source_id`,
      `s.${target} as target_id`,
      `'${type}' as relationship_type`,
      ...properties.map(property),
      `${from} as valid_from`,
      `${to} as valid_to`,
      ...(hidden ? ['s._generation', 's._revision', 's._sequence'] : []),
    ].join(', ')
  }
}

/** Plain arms, so that a condition on the view reaches the index of each table. */
function union(arms: readonly string[]): string {
  return arms.join('\nunion all\n')
}

function covers(mask: Edges, edges: Edges, instant: string): string {
  return exists(mask, edges, `o.valid_from <= ${instant} and (o.valid_to is null or o.valid_to > ${instant})`)
}

function nextBegin(mask: Edges, edges: Edges, instant: string): string {
  return `select min(o.valid_from) from ${mask.table} o
    where ${sameEdge(mask, 'o', edges)} and o.valid_from > ${instant}`
}

function exists(mask: Edges, edges: Edges, condition: string): string {
  return `exists (select 1 from ${mask.table} o where ${sameEdge(mask, 'o', edges)} and ${condition})`
}

/** Condition: stored row `alias` of `mask` is the same edge as row `s`. Leads with the mask's primary key. */
function sameEdge(mask: Edges, alias: string, edges: Edges): string {
  const crossed = mask.swapped !== edges.swapped
  const [source, target] = crossed ? ['target_id', 'source_id'] : ['source_id', 'target_id']
  const where = mask.where === null ? '' : ` and ${mask.where.replaceAll(/\b(source_id|target_id)\b/g, `${alias}.$1`)}`
  return `${alias}.source_id = s.${source} and ${alias}.target_id = s.${target}${where}`
}
