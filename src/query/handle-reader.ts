/**
 * The reader behind a stand-alone handle (spec 06 §10): refuses once the handle is closed, and says what the definitions
 * expect that the store does not have. Missing tables and columns are looked for when the store refuses a statement, so
 * those that run pay nothing for it; columns of another type would give wrong values, so they are known beforehand.
 */
import type { PropertyType } from '../core/definition/model.ts'
import type { HistoryLayout } from '../core/history.ts'
import { didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'
import type { RowStream } from '../ports/exports.ts'
import type { QueryReader, ReadOptions, ReadRows, Statement, StreamOptions, TableKind } from '../ports/reading.ts'
import { type TableRelation, tableSql } from './relation.ts'
import { edgeTables, rawTables } from './root.ts'

/** What a handle tells its reader. */
export interface StoreOfHandle {
  /** What the tables were made for when the handle was connected; undefined: the store does not tell. */
  readonly layout: HistoryLayout | undefined
  /** The same now. */
  current(): Promise<HistoryLayout | undefined>
  /** Throws once the handle is closed. */
  assertOpen(): void
}

interface OtherType {
  readonly column: string
  readonly wanted: PropertyType
  readonly stored: PropertyType
}

export class HandleReader implements QueryReader {
  readonly #reader: QueryReader
  readonly #tables: ReadonlyMap<string, TableRelation>
  readonly #version: string
  readonly #store: StoreOfHandle
  /** Columns whose type in the store is another one, by table. */
  #otherTypes: ReadonlyMap<string, readonly OtherType[]>

  constructor(reader: QueryReader, layout: HistoryLayout, version: string, store: StoreOfHandle) {
    this.#reader = reader
    const stored = [...edgeTables(layout, version)].map(([type, table]) => [`of edges "${type}"`, table] as const)
    this.#tables = new Map([...rawTables(layout, version), ...stored])
    this.#version = version
    this.#store = store
    this.#otherTypes = otherTypes(this.#tables, store.layout)
  }

  get dialect(): QueryReader['dialect'] {
    return this.#reader.dialect
  }

  get handle(): unknown {
    this.#store.assertOpen()
    return this.#reader.handle
  }

  relation(version: string, kind: TableKind, name: string): string {
    this.#store.assertOpen()
    return this.#reader.relation(version, kind, name)
  }

  relationshipsView(version: string): string {
    this.#store.assertOpen()
    return this.#reader.relationshipsView(version)
  }

  async refresh(): Promise<void> {
    this.#store.assertOpen()
    return this.#reader.refresh()
  }

  async all(sql: string, params: readonly unknown[], options?: ReadOptions): Promise<ReadRows> {
    await this.#assertReadable([sql])
    try {
      return await this.#reader.all(sql, params, options)
    } catch (error) {
      throw await this.#told(error, [sql])
    }
  }

  async *stream(sql: string, params: readonly unknown[], options?: StreamOptions): AsyncIterable<ReadRows> {
    await this.#assertReadable([sql])
    try {
      yield* this.#watched(this.#reader.stream(sql, params, options))
    } catch (error) {
      throw await this.#told(error, [sql])
    }
  }

  async together<T>(
    statements: readonly Statement[],
    work: (streams: readonly RowStream[]) => Promise<T>,
    options?: StreamOptions,
  ): Promise<T> {
    const texts = statements.map(({ text }) => text)
    await this.#assertReadable(texts)
    try {
      // The store's own way to a Parquet file stays open.
      const watching = (streams: readonly RowStream[]): Promise<T> =>
        work(streams.map((stream) => Object.assign(this.#watched(stream), { parquet: stream.parquet?.bind(stream) })))
      return await this.#reader.together(statements, watching, options)
    } catch (error) {
      throw await this.#told(error, texts)
    }
  }

  /** Some stores go on reading what they have begun. */
  async *#watched(stream: AsyncIterable<ReadRows>): AsyncGenerator<ReadRows> {
    for await (const batch of stream) {
      this.#store.assertOpen()
      yield batch
    }
  }

  /** Throws if the handle is closed, or a statement reads columns as what they are not. */
  async #assertReadable(texts: readonly string[]): Promise<void> {
    this.#store.assertOpen()
    if (this.#misread(texts).length === 0) return
    // They may have been built anew since.
    this.#otherTypes = otherTypes(this.#tables, await this.#store.current())
    const misread = this.#misread(texts)
    if (misread.length > 0) throw this.#misfit(misread)
  }

  #misread(texts: readonly string[]): string[] {
    return [...this.#otherTypes].flatMap(([name, columns]) => {
      const relation = tableSql(this.#reader, (this.#tables.get(name) as TableRelation).table)
      const about = texts.filter((text) => text.includes(relation))
      return columns
        .filter(({ column }) => about.some((text) => new RegExp(`\\b${column}\\b`).test(text)))
        .map(({ column, wanted, stored }) => `column '${column}' of table ${name} is ${stored}, not ${wanted}`)
    })
  }

  #misfit(found: readonly string[], cause?: unknown): QueryError {
    return new QueryError(
      `the definitions do not fit version '${this.#version}' of the store: ${found.join('; ')}. Connect with the definitions it was built with, or build it with these`,
      { code: 'E_QUERY_MISFIT', details: { version: this.#version }, cause },
    )
  }

  /** What is at the bottom of an error, as far as it can be told. */
  async #told(error: unknown, texts: readonly string[]): Promise<unknown> {
    // Whatever a query under way met when the handle was closed.
    this.#store.assertOpen()
    if (!(error instanceof QueryError)) return error
    const missing = await this.#missing(texts)
    return missing.length === 0 ? error : this.#misfit(missing, error)
  }

  /** What tables of the statements should have by the definitions, and have not. */
  async #missing(texts: readonly string[]): Promise<string[]> {
    const found: string[] = []
    for (const [name, table] of this.#tables) {
      const relation = tableSql(this.#reader, table.table)
      if (!texts.some((text) => text.includes(relation))) continue
      const present = await this.#columnsOf(relation)
      if (present === null) {
        found.push(`it has no table ${name}`)
        continue
      }
      const wanted = table.columns.filter(({ hidden }) => hidden !== true).map((column) => column.name)
      const absent = wanted.filter((column) => !present.includes(column))
      const extra = present.filter((column) => !wanted.includes(column))
      for (const column of absent) found.push(`table ${name} has no column '${column}'${didYouMean(column, extra)}`)
    }
    return found
  }

  /** Null: there is no such table. */
  async #columnsOf(relation: string): Promise<string[] | null> {
    try {
      return (await this.#reader.all(`select * from ${relation} limit 0`, [])).columns
    } catch (error) {
      if (error instanceof QueryError) return null
      throw error
    }
  }
}

/** An integer is a number, too. */
function otherTypes(
  tables: ReadonlyMap<string, TableRelation>,
  layout: HistoryLayout | undefined,
): ReadonlyMap<string, readonly OtherType[]> {
  const found = new Map<string, OtherType[]>()
  for (const [name, { table, columns }] of tables) {
    const stored = (table.kind === 'history' ? layout?.entities : layout?.relationships)?.find(
      ({ type }) => type === table.name,
    )
    const types = new Map(stored?.columns.map((column) => [column.name, column.type]))
    for (const { name: column, type: wanted } of columns) {
      const is = types.get(column)
      if (is === undefined || is === wanted || wanted === 'unknown' || (is === 'integer' && wanted === 'number'))
        continue
      found.set(name, [...(found.get(name) ?? []), { column, wanted, stored: is }])
    }
  }
  return found
}
