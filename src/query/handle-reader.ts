/**
 * The reader behind a stand-alone handle (spec 06 §10): refuses once the handle is closed, and when the store refuses a
 * statement, says what the definitions expect that the store does not have. A statement that runs pays nothing for it.
 */
import type { HistoryLayout } from '../core/history.ts'
import { didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'
import type { QueryReader, ReadOptions } from '../ports/store.ts'
import { type TableRelation, tableSql } from './relation.ts'
import { rawTables } from './root.ts'

interface Result {
  columns: string[]
  rows: unknown[][]
}
interface Statement {
  readonly text: string
  readonly params: readonly unknown[]
}
type StreamOptions = ReadOptions & { batchSize?: number }

export class HandleReader implements QueryReader {
  readonly #reader: QueryReader
  readonly #tables: ReadonlyMap<string, TableRelation>
  readonly #version: string
  readonly #assertOpen: () => void

  constructor(reader: QueryReader, layout: HistoryLayout, version: string, assertOpen: () => void) {
    this.#reader = reader
    this.#tables = rawTables(layout, version)
    this.#version = version
    this.#assertOpen = assertOpen
  }

  get dialect(): QueryReader['dialect'] {
    return this.#reader.dialect
  }

  get handle(): unknown {
    this.#assertOpen()
    return this.#reader.handle
  }

  relation(version: string, kind: 'history' | 'relationship', name: string): string {
    this.#assertOpen()
    return this.#reader.relation(version, kind, name)
  }

  relationshipsView(version: string): string {
    this.#assertOpen()
    return this.#reader.relationshipsView(version)
  }

  async refresh(): Promise<void> {
    this.#assertOpen()
    return this.#reader.refresh()
  }

  async all(sql: string, params: readonly unknown[], options?: ReadOptions): Promise<Result> {
    this.#assertOpen()
    try {
      return await this.#reader.all(sql, params, options)
    } catch (error) {
      throw await this.#told(error, [sql])
    }
  }

  async *stream(sql: string, params: readonly unknown[], options?: StreamOptions): AsyncIterable<Result> {
    this.#assertOpen()
    try {
      yield* this.#watched(this.#reader.stream(sql, params, options))
    } catch (error) {
      throw await this.#told(error, [sql])
    }
  }

  async together<T>(
    statements: readonly Statement[],
    work: (streams: readonly AsyncIterable<Result>[]) => Promise<T>,
    options?: StreamOptions,
  ): Promise<T> {
    this.#assertOpen()
    try {
      const watching = (streams: readonly AsyncIterable<Result>[]): Promise<T> =>
        work(streams.map((stream) => this.#watched(stream)))
      return await this.#reader.together(statements, watching, options)
    } catch (error) {
      const texts = statements.map(({ text }) => text)
      throw await this.#told(error, texts)
    }
  }

  /** Some stores go on reading what they have begun. */
  async *#watched(stream: AsyncIterable<Result>): AsyncGenerator<Result> {
    for await (const batch of stream) {
      this.#assertOpen()
      yield batch
    }
  }

  /** What is at the bottom of an error, as far as it can be told. */
  async #told(error: unknown, texts: readonly string[]): Promise<unknown> {
    // Whatever a query under way met when the handle was closed.
    this.#assertOpen()
    if (!(error instanceof QueryError)) return error
    const missing = (await this.#missing(texts)).join('; ')
    if (missing === '') return error
    return new QueryError(
      `the definitions do not fit version '${this.#version}' of the store: ${missing}. Connect with the definitions it was built with, or build it with these`,
      { code: 'E_QUERY_MISFIT', details: { version: this.#version }, cause: error },
    )
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
