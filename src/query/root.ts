/** Entry points of queries: what exists in one version and how it is called (spec 06 §1, §2). */
import type { DefinitionsObject, PropertyType } from '../core/definition/model.ts'
import type { HistoryLayout } from '../core/history.ts'
import { didYouMean } from '../core/spelling.ts'
import { NotFoundError, QueryError } from '../errors.ts'
import type { QueryReader } from '../ports/reading.ts'
import { type CollectionSource, TableCollection } from './collection.ts'
import type { Column } from './column.ts'
import { dialectOf } from './dialect/available.ts'
import { ExportAccess, type ExportPlaces } from './export/access.ts'
import type { NamedQuery } from './export/tables.ts'
import { and, type BoolExpr, call, col } from './expression.ts'
import { Relationships } from './graph/relationships.ts'
import type { RawParams } from './raw/params.ts'
import { type RawOptions, rawRelation } from './raw/raw-query.ts'
import { columnTerm, filtered, type Relation, type TableRelation, tableSql } from './relation.ts'
import { resolveCondition } from './resolve.ts'
import { type QueryContext, TableQuery } from './table-query.ts'

/** The part of a compiled program that queries need. */
export interface QueryProgram {
  readonly definitions: DefinitionsObject
  readonly layout: HistoryLayout
}

export interface QueryRoot {
  /** Current rows of the surviving entities of a type. */
  table(type: string): TableQuery
  /** All rows of the surviving entities of a type. */
  history(type: string): TableQuery
  /** Edges of one relationship type (either of its names); current ones unless `history`. */
  relationship(type: string, options?: { history?: boolean }): TableQuery
  /** Edges of all relationship types, without their properties; current ones unless `history`. */
  relationships(options?: { history?: boolean }): TableQuery
  /**
   * Queries of several types (default: all), with the relationships as `rel_{type}` unless switched off: every edge once,
   * of two names under the one declared first, of a relationship that is its own inverse in the direction it was written.
   */
  tables(...types: (string | readonly string[])[]): TableCollection
  tables(options: CollectionOptions): TableCollection
  /** SQL checked against the definitions, run read-only; the result can be refined and exported (spec 06 §6). */
  query(sql: string, params?: RawParams, options?: RawOptions): TableQuery
}

/** Queries of `version` through `reader`. Fails with `ConfigError` for a database without a dialect. */
export function createQueryRoot(
  reader: QueryReader,
  program: QueryProgram,
  version: string,
  exports?: ExportPlaces,
): QueryRoot {
  return new VersionQueries(reader, program, version, exports)
}

export interface CollectionOptions {
  types?: readonly string[]
  relationships?: boolean
}

type Stored = Readonly<Record<'source_id' | 'target_id' | 'valid_from' | 'valid_to', string>>
type Piece = Readonly<Record<'~source' | '~target' | '~from' | '~to', string>>

class VersionQueries implements QueryRoot, CollectionSource {
  readonly #context: QueryContext
  readonly #program: QueryProgram
  readonly #layout: HistoryLayout
  readonly #version: string
  #declared: Relationships | null = null

  constructor(reader: QueryReader, program: QueryProgram, version: string, exports: ExportPlaces | undefined) {
    const context = { reader, dialect: dialectOf(reader.dialect) }
    this.#context = exports ? { ...context, exports: new ExportAccess(exports, program, version) } : context
    this.#program = program
    this.#layout = program.layout
    this.#version = version
  }

  table(type: string): TableQuery {
    const open = call<boolean>('and', col('valid_to').isNull(), col('merged_into').isNull())
    return this.#rows(entityTable(this.#layout, this.#version, type, true), open)
  }

  history(type: string): TableQuery {
    return this.#rows(entityTable(this.#layout, this.#version, type, false), col('merged_into').isNull())
  }

  relationship(type: string, options: { history?: boolean } = {}): TableQuery {
    const current = options.history !== true
    const table = relationshipTable(this.#layout, this.#version, type, current)
    return this.#rows(table, current ? col('valid_to').isNull() : null)
  }

  relationships(options: { history?: boolean } = {}): TableQuery {
    const current = options.history !== true
    const table = relationshipsView(this.#version, current)
    return this.#rows(table, current ? col('valid_to').isNull() : null)
  }

  tables(...args: (string | readonly string[] | CollectionOptions)[]): TableCollection {
    const [only] = args
    const isOptions = args.length === 1 && typeof only === 'object' && !Array.isArray(only)
    const options = isOptions ? (only as CollectionOptions) : {}
    const named = isOptions ? [options.types ?? []].flat() : (args as (string | readonly string[])[]).flat()
    const types = named?.length ? named : this.#layout.entities.map((entity) => entity.type)
    const edges = options.relationships === false ? [] : namedOnce(this.#layout)
    return new TableCollection(this, [...new Set(types as string[])], edges)
  }

  query(sql: string, params: RawParams = [], options: RawOptions = {}): TableQuery {
    const { timeoutMs, maxRows } = options
    const context = { ...this.#context, ...(timeoutMs && { timeoutMs }), ...(maxRows !== undefined && { maxRows }) }
    const relation = rawRelation(sql, params, options, {
      dialect: this.#context.dialect,
      relationOf: (table) => tableSql(this.#context.reader, table),
      tables: rawTables(this.#layout, this.#version),
    })
    return new TableQuery(relation, context)
  }

  written(type: string, options: { history?: boolean } = {}): TableQuery {
    const edges = this.relationship(type, options)
    const inverses = this.#layout.relationships.find((edge) => edge.type === type)?.inverses ?? []
    if (inverses.length === 0) return edges
    const all = this.relationships(options).filter({ relationship_type: type })
    if (options.history !== true) {
      const on = ['source_id', 'target_id'] as const
      return edges.join(all.select(...on), { left: [...on], right: [...on], how: 'semi' })
    }
    // What both sides have written the view shows in pieces; one begins within the row that it is a piece of.
    const pieces = all.select({
      '~source': col('source_id'),
      '~target': col('target_id'),
      '~from': col('valid_from'),
      '~to': col('valid_to'),
    })
    const joined = (edges as TableQuery<Stored>).join(pieces as unknown as TableQuery<Piece>, (edge, piece) =>
      and(
        piece['~source'].eq(edge.source_id),
        piece['~target'].eq(edge.target_id),
        piece['~from'].gte(edge.valid_from),
        edge.valid_to.isNull().or(piece['~from'].lt(edge.valid_to)),
      ),
    )
    const times: Readonly<Record<string, string>> = { valid_from: '~from', valid_to: '~to' }
    const shown = (edges.columns ?? []).map((name) => [name, col(times[name] ?? name)] as const)
    return (joined as unknown as TableQuery).select(Object.fromEntries(shown))
  }

  once(type: string, options: { history?: boolean } = {}): TableQuery {
    return isTwoWay(this.#layout, type) ? this.written(type, options) : this.relationship(type, options)
  }

  declared(): Relationships {
    this.#declared ??= new Relationships(this.#program)
    return this.#declared
  }

  stored(): NamedQuery[] {
    const whole = (table: TableRelation): TableQuery => {
      const columns = table.columns.map(({ name, type }): Column => ({ name, type }))
      return new TableQuery({ kind: 'project', input: table, terms: columns.map(columnTerm), columns }, this.#context)
    }
    const layout = this.#layout
    return [
      ...layout.entities.map(({ type }): NamedQuery => {
        return { name: `${type}_history`, query: whole(entityTable(layout, this.#version, type, false)) }
      }),
      ...layout.relationships.map(({ type }): NamedQuery => {
        return { name: `rel_${type}_history`, query: whole(edgeTable(layout, this.#version, type)) }
      }),
    ]
  }

  #rows(table: TableRelation, where: BoolExpr | null): TableQuery {
    const scope = { columns: table.columns, where: 'table' }
    const relation: Relation = where === null ? table : filtered(table, resolveCondition(where.draft, scope))
    return new TableQuery(relation, this.#context)
  }
}

/** Relationship types without those that are another's view from the other side (spec 01 §2.7). */
function namedOnce(layout: HistoryLayout): string[] {
  const names: string[] = []
  for (const { type, inverses } of layout.relationships) {
    if (isTwoWay(layout, type) || !inverses.some((inverse) => names.includes(inverse))) names.push(type)
  }
  return names
}

/** True: the relationship, or its other side, is its own inverse, so that each edge is there in both directions. */
function isTwoWay({ relationships }: HistoryLayout, type: string): boolean {
  const inversesOf = (name: string): readonly string[] =>
    relationships.find((edge) => edge.type === name)?.inverses ?? []
  return inversesOf(type).some((inverse) => inversesOf(inverse).includes(inverse))
}

/** Tables that hand-written SQL may name, by their name in SQL. */
export function rawTables(layout: HistoryLayout, version: string): ReadonlyMap<string, TableRelation> {
  const tables = new Map<string, TableRelation>()
  for (const { type } of layout.entities) tables.set(`${type}_history`, entityTable(layout, version, type, false))
  for (const { type } of layout.relationships) {
    tables.set(`rel_${type}_history`, relationshipTable(layout, version, type, false))
  }
  tables.set('relationships', relationshipsView(version, false))
  return tables
}

/** Edges as they are stored, which queries see through views, by relationship name. */
export function edgeTables(layout: HistoryLayout, version: string): ReadonlyMap<string, TableRelation> {
  return new Map(layout.relationships.map(({ type }) => [type, edgeTable(layout, version, type)]))
}

function edgeTable(layout: HistoryLayout, version: string, type: string): TableRelation {
  const { columns, ...shown } = relationshipTable(layout, version, type, false)
  const own = columns.filter(({ name }) => name !== 'relationship_type')
  return { ...shown, table: { kind: 'edges', name: type, version }, columns: [...own, ...SYSTEM] }
}

function entityTable(layout: HistoryLayout, version: string, type: string, current: boolean): TableRelation {
  const entity = layout.entities.find((candidate) => candidate.type === type)
  if (entity === undefined) throw unknownType(layout, type)
  const id = `${type}_id`
  const columns = [
    column(id, 'string'),
    column(`${type}_state`, 'string'),
    ...entity.columns.map(({ name, type: columnType }) => column(name, columnType)),
    column('valid_from', 'datetime'),
    column('valid_to', 'datetime'),
    column('merged_into', 'string'),
    column('last_event_time', 'datetime'),
    column('state_entered_time', 'datetime'),
    column('created_time', 'datetime'),
    ...SYSTEM,
  ]
  return { kind: 'table', table: { kind: 'history', name: type, version }, columns, id, current }
}

function relationshipTable(layout: HistoryLayout, version: string, type: string, current: boolean): TableRelation {
  const edge = layout.relationships.find((item) => item.type === type)
  if (edge === undefined) throw unknownRelationship(layout, type)
  const columns = [...ENDS, ...edge.columns.map(({ name, type: columnType }) => column(name, columnType)), ...VALIDITY]
  return { kind: 'table', table: { kind: 'relationship', name: type, version }, columns, id: null, current }
}

function relationshipsView(version: string, current: boolean): TableRelation {
  const table = { kind: 'relationships', name: '', version } as const
  return { kind: 'table', table, columns: [...ENDS, ...VALIDITY], id: null, current }
}

function column(name: string, type: PropertyType, hidden?: true): Column {
  return hidden ? { name, type, hidden } : { name, type }
}
const ENDS = ['source_id', 'target_id', 'relationship_type'].map((name) => column(name, 'string'))
const VALIDITY = ['valid_from', 'valid_to'].map((name) => column(name, 'datetime'))
const SYSTEM = ['_generation', '_revision', '_sequence'].map((name) => column(name, 'integer', true))

function unknownType(layout: HistoryLayout, type: string): NotFoundError | QueryError {
  if (typeof type !== 'string')
    return new QueryError('the name of an entity type must be a text', { code: 'E_QUERY_STEP' })
  const types = layout.entities.map((entity) => entity.type)
  const edge = layout.relationships.some((item) => item.type === type)
  const way = edge ? `; it is a relationship: use relationship('${type}')` : didYouMean(type, types)
  return new NotFoundError(`No entity type '${type}'${way}. Entity types: ${types.join(', ')}`, {
    code: 'E_QUERY_UNKNOWN_TYPE',
    details: { type, types },
  })
}

function unknownRelationship(layout: HistoryLayout, type: string): QueryError {
  if (typeof type !== 'string')
    return new QueryError('the name of a relationship must be a text', { code: 'E_QUERY_STEP' })
  const types = layout.relationships.map((edge) => edge.type)
  const known = types.length === 0 ? 'the definitions declare none' : `Relationships: ${types.join(', ')}`
  return new QueryError(`No relationship '${type}'${didYouMean(type, types)}. ${known}`, {
    code: 'E_QUERY_UNKNOWN_RELATIONSHIP',
    details: { type, types },
  })
}
