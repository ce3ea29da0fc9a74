/** Entities at the other end of outgoing edges, with their whole rows (spec 06 §9.2). */
import { QueryError } from '../../errors.ts'
import type { GraphReadOptions } from '../../ports/graph.ts'
import { type Column, checkUnique, visible } from '../column.ts'
import { col, lit } from '../expression.ts'
import { columnTerm } from '../relation.ts'
import type { QueryRoot } from '../root.ts'
import { TableQuery } from '../table-query.ts'
import type { Term } from '../term.ts'
import { Edges } from './edges.ts'

/** The end of the edge while it is joined; no property is called like that. */
const END = '~target'

export interface RelatedColumns {
  /** Columns of all target types, in order. */
  readonly targets: readonly Column[]
  /** Properties of the edge by their own names. */
  readonly edge: readonly Column[]
  readonly all: readonly Column[]
}

export function relatedColumns(root: QueryRoot, type: string, targetTypes: readonly string[]): RelatedColumns {
  const targets = new Map<string, Column>()
  for (const target of targetTypes) {
    for (const column of visible(root.table(target).relation.columns, 'related')) {
      const other = targets.get(column.name)
      if (other !== undefined && other.type !== column.type) throw mixed(type, column.name, targetTypes)
      targets.set(column.name, column)
    }
  }
  const fixed = ['source_id', 'target_id', 'relationship_type', 'valid_from', 'valid_to']
  const edge = visible(root.relationship(type).relation.columns, 'related').filter(({ name }) => !fixed.includes(name))
  const named = edge.map(({ name, type: of }): Column => ({ name: `rel_${name}`, type: of }))
  const all = [...targets.values(), { name: 'relationship_type', type: 'string' } as const, ...named]
  checkUnique(
    all.map(({ name }) => name),
    'related',
  )
  return { targets: [...targets.values()], edge, all }
}

/** A plain join: nothing is fetched before it runs. */
export function relatedQuery(
  root: QueryRoot,
  id: string,
  type: string,
  targetTypes: readonly string[],
  options: GraphReadOptions,
): TableQuery {
  const edges = new Edges(root, options)
  const columns = relatedColumns(root, type, targetTypes)
  const shape = Object.fromEntries(columns.edge.map(({ name }) => [`rel_${name}`, col(name)]))
  const outgoing = edges
    .named(type)
    .filter({ source_id: id })
    .select({ [END]: col('target_id'), relationship_type: lit(type), ...shape })
  const [first, ...rest] = targetTypes.map((target) => {
    const joined = edges.entities(target).join(outgoing, { left: `${target}_id`, right: END })
    return widened(joined, columns.all)
  })
  return rest.reduce((union, query) => union.union(query), first as TableQuery)
}

/** Exactly these columns; null where the query has none of the name. */
function widened(query: TableQuery, columns: readonly Column[]): TableQuery {
  const own = query.relation.columns ?? []
  const terms = columns.map((column): Term => {
    const found = own.find(({ name }) => name === column.name)
    return found === undefined ? { op: 'value', value: null, type: column.type } : columnTerm(found)
  })
  return new TableQuery({ kind: 'project', input: query.relation, terms, columns }, query.context)
}

function mixed(type: string, column: string, targetTypes: readonly string[]): QueryError {
  return new QueryError(
    `related: '${type}' leads to ${targetTypes.join(', ')}, whose columns "${column}" are of different types; ` +
      `join relationship('${type}') with the table you want`,
    { code: 'E_QUERY_TYPE', details: { column, types: targetTypes } },
  )
}
