/**
 * The relational tree behind every query (spec 06 §5.4): plain data, the same for all databases. Terms of a node refer
 * to the columns of its input by name.
 */
import type { QueryReader, ReadOptions, TableKind } from '../ports/reading.ts'
import type { Column, Columns } from './column.ts'
import type { ColumnTerm, OrderTerm, Scalar, Term } from './term.ts'

/** A table of one version as the store's reader knows it. */
export interface TableName {
  readonly kind: TableKind | 'relationships'
  /** Entity or relationship type; empty for the view over all relationships. */
  readonly name: string
  readonly version: string
}

export interface TableRelation {
  readonly kind: 'table'
  readonly table: TableName
  readonly columns: readonly Column[]
  /** The entity's id column; null for relationships. */
  readonly id: string | null
  /** True: the caller asked for current rows only (`table()`), false: for history. */
  readonly current: boolean
}
/** A piece of checked SQL: text, a bound value, or one of our tables (with the name the text calls it by). */
export type RawPart = string | { readonly value: Scalar } | { readonly table: TableName; readonly alias: string | null }
export interface RawRelation {
  readonly kind: 'raw'
  readonly parts: readonly RawPart[]
  readonly columns: Columns
}
export interface FilterRelation {
  readonly kind: 'filter'
  readonly input: Relation
  readonly where: Term
  /** The filter of `asOf`, which `resolveMerges` applies to the union (spec 06 §4). */
  readonly pointInTime: boolean
  readonly columns: Columns
}
export interface ProjectRelation {
  readonly kind: 'project'
  readonly input: Relation
  readonly terms: readonly Term[]
  readonly columns: readonly Column[]
}
export interface OrderRelation {
  readonly kind: 'order'
  readonly input: Relation
  readonly keys: readonly OrderTerm[]
  readonly columns: Columns
}
export interface LimitRelation {
  readonly kind: 'limit'
  readonly input: Relation
  readonly limit: number
  readonly offset: number
  readonly columns: Columns
}
export interface DistinctRelation {
  readonly kind: 'distinct'
  readonly input: Relation
  readonly columns: readonly Column[]
}
/** Columns are the keys, then the measures. Without keys: one row over everything. */
export interface AggregateRelation {
  readonly kind: 'aggregate'
  readonly input: Relation
  readonly keys: readonly string[]
  readonly measures: readonly Term[]
  readonly having: readonly Term[]
  readonly columns: readonly Column[]
}
/** `right` gives its columns in the order of `left`. */
export interface UnionRelation {
  readonly kind: 'union'
  readonly left: Relation
  readonly right: Relation
  readonly distinct: boolean
  readonly columns: readonly Column[]
}
export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti'
export interface JoinRelation {
  readonly kind: 'join'
  readonly left: Relation
  readonly right: Relation
  readonly how: JoinKind
  readonly on: Term
  /** Where each output column comes from. */
  readonly terms: readonly Term[]
  readonly columns: readonly Column[]
}
/** The input plus the rows of everything merged into its entities (spec 06 §4). */
export interface MergedRelation {
  readonly kind: 'merged'
  readonly input: Relation
  readonly base: TableRelation & { readonly id: string }
  readonly columns: readonly Column[]
}
/** Rows from elsewhere than the database, not fetched yet. Cells are in the order of the columns. */
export interface DeferredRelation {
  readonly kind: 'deferred'
  readonly load: (options: ReadOptions) => Promise<readonly (readonly unknown[])[]>
  readonly columns: readonly Column[]
}
/** Rows that the query brings along. */
export interface LoadedRelation {
  readonly kind: 'loaded'
  readonly rows: readonly (readonly unknown[])[]
  readonly columns: readonly Column[]
}

export type Relation =
  | TableRelation
  | RawRelation
  | DeferredRelation
  | LoadedRelation
  | FilterRelation
  | ProjectRelation
  | OrderRelation
  | LimitRelation
  | DistinctRelation
  | AggregateRelation
  | UnionRelation
  | JoinRelation
  | MergedRelation

/** The table whose rows the relation still returns one to one (filtered, ordered, limited), else null. */
export function originOf(relation: Relation): TableRelation | null {
  switch (relation.kind) {
    case 'table':
      return relation
    case 'filter':
    case 'order':
    case 'limit':
    case 'merged':
      return originOf(relation.input)
    default:
      return null
  }
}

export function columnTerm(column: Column): ColumnTerm {
  return { op: 'column', name: column.name, type: column.type }
}

/** The relation reduced to what callers see. */
export function withoutHidden(relation: Relation): Relation {
  const { columns } = relation
  if (columns === null || !columns.some((column) => column.hidden)) return relation
  const shown = columns.filter((column) => !column.hidden)
  return { kind: 'project', input: relation, terms: shown.map(columnTerm), columns: shown }
}

export function filtered(input: Relation, where: Term, pointInTime = false): FilterRelation {
  return { kind: 'filter', input, where, pointInTime, columns: input.columns }
}

/** Takes the point-in-time filters off the top of a chain of filters and orders; returns them and the rest. */
export function splitPointInTime(relation: Relation): { rest: Relation; filters: Term[] } {
  if (relation.kind !== 'filter' && relation.kind !== 'order') return { rest: relation, filters: [] }
  const below = splitPointInTime(relation.input)
  if (relation.kind === 'filter' && relation.pointInTime) {
    return { rest: below.rest, filters: [...below.filters, relation.where] }
  }
  return { rest: { ...relation, input: below.rest }, filters: below.filters }
}

/** The quoted SQL name of a table. */
export function tableSql(reader: QueryReader, table: TableName): string {
  if (table.kind === 'relationships') return reader.relationshipsView(table.version)
  return reader.relation(table.version, table.kind, table.name)
}
