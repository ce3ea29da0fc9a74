/**
 * The fluent query (spec 06 §3–§5, 09 §7). Every step checks its names and values against the definitions and
 * returns a new query; nothing touches the database until a terminal call (`rows`, `first`, `count`, `stream`).
 */
import { QueryError } from '../errors.ts'
import type { ExportRecord, WriteOptions } from '../ports/exports.ts'
import type { QueryReader } from '../ports/reading.ts'
import { aggregateRelation, havingTerm } from './aggregate.ts'
import { arrowTable } from './arrow.ts'
import { type Column, checkUnique, findColumn, visible } from './column.ts'
import { columnProxy } from './column-proxy.ts'
import type { Statement } from './compile.ts'
import { type ReadRowOptions, type Row, rowDecoder } from './decode.ts'
import type { Dialect } from './dialect.ts'
import type { ExportAccess } from './export/access.ts'
import { exportQuery } from './export/export.ts'
import { type BoolExpr, call, col, Expression, type OrderExpr, orderOf } from './expression.ts'
import { type InstantInput, requireInstant } from './instants.ts'
import { type JoinOn, type JoinOptions, joinRelation } from './join.ts'
import {
  columnTerm,
  filtered,
  type JoinKind,
  type MergedRelation,
  originOf,
  type Relation,
  splitPointInTime,
  withoutHidden,
} from './relation.ts'
import { type ResolveScope, resolveCondition, resolveOrder, resolveRow } from './resolve.ts'
import { RowStream } from './row-stream.ts'
import type {
  AggRow,
  Aggregates,
  AnyRow,
  Cols,
  ColumnFn,
  Computed,
  DefaultSuffixes,
  Joined,
  Renamed,
  Replaced,
  Selected,
  Suffixes,
} from './row-types.ts'
import { readAll, readChunks, shownColumns, statementOf } from './run.ts'
import type { Term } from './term.ts'
import { type WhereObject, whereOf } from './where.ts'

/** Where and how a query runs. */
export interface QueryContext {
  readonly reader: QueryReader
  readonly dialect: Dialect
  readonly timeoutMs?: number
  /** More rows than this are a `QueryError`; nothing is cut silently. */
  readonly maxRows?: number
  /** Left out: nothing can be exported. */
  readonly exports?: ExportAccess
}

export class TableQuery<R = AnyRow> {
  /** The relational tree, for parts of this package that build on queries. */
  readonly relation: Relation
  readonly context: QueryContext

  constructor(relation: Relation, context: QueryContext) {
    this.relation = relation
    this.context = context
  }

  /** Names of the columns the query returns, in order; null for unvalidated SQL. */
  get columns(): readonly string[] | null {
    return this.relation.columns?.filter((column) => !column.hidden).map((column) => column.name) ?? null
  }

  /** Rows valid at the instant, at most one per entity (spec 06 §3). Only on `history()`, before its columns change. */
  asOf(at: InstantInput): TableQuery<R> {
    const instant = requireInstant(at, 'asOf')
    const origin = originOf(this.relation)
    if (origin === null) throw problem('asOf', 'comes right after history() and filters, before other steps')
    if (origin.current) throw problem('asOf', 'a table holds only current rows; use history() for the past')
    const from = col('valid_from')
    const to = col('valid_to')
    // Every index over beginnings leads to rows all over the table.
    const valid = call<boolean>('likely', from.lte(instant.toString())).and(to.isNull().or(to.gt(instant.toString())))
    return this.#with(filtered(this.relation, resolveCondition(valid.draft, this.#scope('asOf')), true))
  }

  /**
   * Adds the rows of everything merged into the entities of this selection, directly or through a chain; they keep
   * their own id and carry `merged_into` (spec 06 §4). Before or after `filter` and `asOf`.
   */
  resolveMerges(): TableQuery<R> {
    const base = originOf(this.relation)
    if (base === null || base.id === null) {
      throw problem('resolveMerges', 'needs rows of one entity type; call it before select, join or groupBy')
    }
    const { rest, filters } = splitPointInTime(this.relation)
    const merged: MergedRelation = {
      kind: 'merged',
      input: rest,
      base: { ...base, id: base.id },
      columns: base.columns,
    }
    const all = filters.reduce<Relation>((input, where) => filtered(input, where, true), merged)
    return this.#with(all)
  }

  /** Rows for which the condition is true (not false, not null). */
  filter(where: ((columns: Cols<R>) => BoolExpr) | BoolExpr | WhereObject<R>): TableQuery<R> {
    const condition = this.#condition(where)
    return this.#with(filtered(this.relation, resolveCondition(condition.draft, this.#scope('filter'))))
  }

  select<K extends keyof R & string>(...columns: K[]): TableQuery<Pick<R, K>>
  select<S extends Record<string, Expression | ColumnFn<R>>>(shape: S): TableQuery<Selected<R, S>>
  select(...columns: (string | Record<string, Expression | ColumnFn<R>>)[]): unknown {
    const items = columns.flatMap((item): [string, Expression][] => {
      if (typeof item === 'string') return [[item, col(item)]]
      if (typeof item === 'object' && item !== null) return this.#expressions(item, 'select')
      throw problem('select', 'takes names of columns, or an object of names and expressions')
    })
    if (items.length === 0) throw problem('select', 'name at least one column')
    return this.#project('select', items)
  }

  drop<K extends keyof R & string>(...columns: K[]): TableQuery<Omit<R, K>> {
    const shown = visible(this.relation.columns, 'drop')
    for (const name of columns) findColumn(shown, name, 'drop')
    const kept = shown.filter((column) => !(columns as readonly string[]).includes(column.name))
    if (kept.length === 0) throw problem('drop', 'no column would be left')
    return this.#project(
      'drop',
      kept.map((column) => [column.name, col(column.name)]),
    )
  }

  /** `{old_name: 'new_name'}`. */
  rename<const M extends { readonly [K in keyof R]?: string }>(names: M): TableQuery<Renamed<R, M>> {
    const shown = visible(this.relation.columns, 'rename')
    const map = new Map(Object.entries(names as Record<string, string>))
    for (const [from, to] of map) {
      findColumn(shown, from, 'rename')
      if (typeof to !== 'string' || to === '') throw problem('rename', `the new name of "${from}" is not a name`)
    }
    return this.#project(
      'rename',
      shown.map((column) => [map.get(column.name) ?? column.name, col(column.name)]),
    )
  }

  /** Adds computed columns, or replaces columns of the same name; all are computed from the row as it came in. */
  mutate<S extends Record<string, Expression | ColumnFn<R>>>(columns: S): TableQuery<Replaced<R, Computed<S>>> {
    const shown = visible(this.relation.columns, 'mutate')
    const added = new Map(this.#expressions(columns, 'mutate'))
    const items = shown.map((column): [string, Expression] => [column.name, added.get(column.name) ?? col(column.name)])
    for (const [name, expr] of added) if (!shown.some((column) => column.name === name)) items.push([name, expr])
    return this.#project('mutate', items)
  }

  /** Ascending unless a key says `desc`; nulls last. A later `orderBy` sorts first, earlier ones break its ties. */
  orderBy(
    ...keys: ((keyof R & string) | OrderExpr | Expression | ((columns: Cols<R>) => OrderExpr | Expression))[]
  ): TableQuery<R> {
    if (keys.length === 0) throw problem('orderBy', 'name at least one key')
    const scope = this.#scope('orderBy')
    const terms = keys.map((key) => {
      const value = typeof key === 'function' ? key(this.#cols('orderBy')) : key
      return resolveOrder(orderOf(value as string | Expression | OrderExpr), scope)
    })
    return this.#with({ kind: 'order', input: this.relation, keys: terms, columns: this.relation.columns })
  }

  groupBy<K extends keyof R & string>(...keys: K[]): GroupedQuery<R, K> {
    for (const key of keys) findColumn(this.relation.columns, key, 'groupBy')
    checkUnique(keys, 'groupBy')
    return new GroupedQuery<R, K>(this.relation, this.context, keys)
  }

  /** One row over everything. */
  agg<A extends Aggregates<R>>(measures: A): TableQuery<AggRow<A>> {
    return this.#with(aggregateRelation(this.relation, [], [], measures))
  }

  /** `on`: a shared column name, `{left, right}`, or `(l, r) => condition`. Both sides must live in one store. */
  join<R2, const H extends JoinKind = 'inner', const S extends Suffixes = DefaultSuffixes>(
    other: TableQuery<R2>,
    on: JoinOn<R, R2, H>,
    options?: JoinOptions<H, S>,
  ): TableQuery<Joined<R, R2, H, S>> {
    if (!(other instanceof TableQuery)) throw problem('join', 'the other side must be a query')
    if (on === null || !['string', 'object', 'function'].includes(typeof on))
      throw problem('join', 'say what is joined: a column, { left, right } or a callback')
    if (other.context.reader !== this.context.reader) {
      throw problem('join', 'both sides must be in the same store; export them to one DuckDB file to join them')
    }
    return this.#with(joinRelation(this.relation, other.relation, on as JoinOn, options ?? {}))
  }

  /** Both queries' rows; columns are matched by name. `distinct: true` returns equal rows once. */
  union(other: TableQuery<R>, options: { distinct?: boolean } = {}): TableQuery<R> {
    if (!(other instanceof TableQuery)) throw problem('union', 'the other side must be a query')
    if (other.context.reader !== this.context.reader) throw problem('union', 'both sides must be in the same store')
    const left = withoutHidden(this.relation)
    const shown = visible(left.columns, 'union')
    const theirs = visible(other.relation.columns, 'union')
    if (theirs.length !== shown.length) {
      throw problem('union', `${shown.length} columns on one side, ${theirs.length} on the other; select() the same`)
    }
    const columns = shown.map((column): Column => {
      const match = findColumn(theirs, column.name, 'union')
      return { name: column.name, type: unionType(column, match) }
    })
    const right: Relation = { kind: 'project', input: other.relation, terms: columns.map(columnTerm), columns }
    return this.#with({ kind: 'union', left, right, distinct: options.distinct ?? false, columns })
  }

  /** Equal rows once. Ends an earlier order. */
  distinct(): TableQuery<R> {
    const input = withoutHidden(this.relation)
    return this.#with({ kind: 'distinct', input, columns: visible(input.columns, 'distinct') })
  }

  limit(rows: number, options: { offset?: number } = {}): TableQuery<R> {
    const offset = options.offset ?? 0
    if (!Number.isSafeInteger(rows) || rows < 0) throw problem('limit', 'needs a whole number of rows, 0 or more')
    if (!Number.isSafeInteger(offset) || offset < 0) throw problem('limit', 'offset must be a whole number, 0 or more')
    return this.#with({ kind: 'limit', input: this.relation, limit: rows, offset, columns: this.relation.columns })
  }

  /**
   * All rows as plain objects; null stays null. The order is unspecified without `orderBy`. Nothing is cut: without a limit
   * the array holds the whole result and needs memory for it (about 1 kB a row); `stream()` needs it for a batch only.
   */
  async rows(options: ReadRowOptions = {}): Promise<R[]> {
    const { columns, rows } = await readAll(this.relation, this.context, options.signal && { signal: options.signal })
    const decode = rowDecoder(shownColumns(this.relation), columns, options)
    const out: Row[] = []
    for (const row of rows) out.push(decode(row))
    return out as R[]
  }

  /** Alias of `rows`. */
  execute(options: ReadRowOptions = {}): Promise<R[]> {
    return this.rows(options)
  }

  async first(options: ReadRowOptions = {}): Promise<R | undefined> {
    return (await this.limit(1).rows(options))[0]
  }

  /** How many rows the query returns. */
  async count(): Promise<number> {
    const one: Column = { name: 'rows', type: 'integer' }
    const relation: Relation = {
      kind: 'aggregate',
      input: this.relation,
      keys: [],
      measures: [{ op: 'call', fn: 'count', args: [], type: 'integer' }],
      having: [],
      columns: [one],
    }
    const [row] = await new TableQuery<{ rows: number }>(relation, { ...this.context, maxRows: undefined }).rows()
    return row?.rows ?? 0
  }

  /** The rows one by one from one consistent snapshot; memory holds at most a batch (default 1000). */
  stream(options: ReadRowOptions & { batchSize?: number } = {}): AsyncGenerator<R, void, void> {
    return new RowStream(this.#batches(options))
  }

  async *#batches(options: ReadRowOptions & { batchSize?: number }): AsyncGenerator<R[], void, void> {
    const batchSize = options.batchSize ?? 1000
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) throw problem('stream', 'batchSize must be at least 1')
    const read = { batchSize, ...(options.signal && { signal: options.signal }) }
    let decode: ((row: unknown[]) => Row) | undefined
    for await (const chunk of readChunks(this.relation, this.context, read)) {
      decode ??= rowDecoder(shownColumns(this.relation), chunk.columns, options)
      yield chunk.rows.map(decode) as R[]
    }
  }

  /**
   * The rows as an Apache Arrow table: text, float64, int64, bool and timestamps in UTC microseconds, nulls as nulls. Needs
   * the optional package `apache-arrow`.
   */
  toArrow(options: { signal?: AbortSignal } = {}): Promise<import('apache-arrow').Table> {
    return arrowTable(this.relation, this.context, options)
  }

  /**
   * One Parquet file, whole or not at all, with columns typed as spec 06 §1 says; an existing one is replaced. The export is
   * in the list of the space (spec 05 §4.5).
   */
  toParquet(path: string, options: WriteOptions = {}): Promise<ExportRecord> {
    return exportQuery(this as unknown as TableQuery, 'parquet', path, options)
  }

  /** As `toParquet`, as CSV: null is empty, an empty text `""`. */
  toCsv(path: string, options: WriteOptions = {}): Promise<ExportRecord> {
    return exportQuery(this as unknown as TableQuery, 'csv', path, options)
  }

  /** The statement this query runs; values are in `params`, never in the text (spec 06 §5.3). */
  sql(): Statement {
    return statementOf(this.relation, this.context)
  }

  #with<S>(relation: Relation): TableQuery<S> {
    return new TableQuery<S>(relation, this.context)
  }

  #scope(where: string): ResolveScope {
    return { columns: this.relation.columns, where }
  }

  #cols(where: string): Cols<R> {
    return columnProxy(this.relation.columns, where) as Cols<R>
  }

  #condition(where: ((columns: Cols<R>) => BoolExpr) | BoolExpr | WhereObject<R>): Expression {
    if (where instanceof Expression) return where
    if (typeof where !== 'function') return whereOf(where, this.relation.columns)
    const condition: unknown = where(this.#cols('filter'))
    // `r => r.a > 1` compares the expression object itself; say so instead of filtering by a constant.
    if (condition instanceof Expression) return condition
    throw problem('filter', 'the callback must return an expression, such as r => r.name.gt(1)')
  }

  #expressions(shape: Record<string, Expression | ColumnFn<R>>, where: string): [string, Expression][] {
    return Object.entries(shape).map(([name, value]) => {
      const expr: unknown = typeof value === 'function' ? value(this.#cols(where)) : value
      if (expr instanceof Expression) return [name, expr]
      throw problem(where, `"${name}" must be an expression or a callback that returns one; wrap values in lit()`)
    })
  }

  #project<S>(where: string, items: readonly [string, Expression][]): TableQuery<S> {
    checkUnique(
      items.map(([name]) => name),
      where,
    )
    const scope = this.#scope(where)
    const terms: Term[] = items.map(([, expr]) => resolveRow(expr.draft, scope))
    const columns = items.map(([name], i): Column => ({ name, type: (terms[i] as Term).type }))
    return this.#with({ kind: 'project', input: this.relation, terms, columns })
  }
}

/** Keys waiting for their measures. */
export class GroupedQuery<R, K extends keyof R & string> {
  readonly #input: Relation
  readonly #context: QueryContext
  readonly #keys: readonly string[]
  readonly #having: readonly Term[]

  constructor(input: Relation, context: QueryContext, keys: readonly string[], having: readonly Term[] = []) {
    this.#input = input
    this.#context = context
    this.#keys = keys
    this.#having = having
  }

  /** Keeps the groups for which the condition is true: `having(r => sum(r.mrr).gt(100))`. */
  having(condition: BoolExpr | ((columns: Cols<R>) => BoolExpr)): GroupedQuery<R, K> {
    const term = havingTerm(this.#input, this.#keys, condition)
    return new GroupedQuery<R, K>(this.#input, this.#context, this.#keys, [...this.#having, term])
  }

  /** One row per group: the keys, then the measures. */
  agg<A extends Aggregates<R>>(measures: A): TableQuery<Pick<R, K> & AggRow<A>> {
    return new TableQuery(aggregateRelation(this.#input, this.#keys, this.#having, measures), this.#context)
  }
}

function unionType(a: Column, b: Column): Column['type'] {
  if (a.type === b.type || b.type === 'unknown') return a.type
  if (a.type === 'unknown') return b.type
  const numeric = [a.type, b.type].every((type) => type === 'integer' || type === 'number')
  if (numeric) return 'number'
  throw problem('union', `column "${a.name}" is ${a.type} on one side and ${b.type} on the other`)
}

function problem(step: string, message: string): QueryError {
  return new QueryError(`${step}: ${message}`, { code: 'E_QUERY_STEP', details: { step } })
}
