/**
 * Read-only access for queries (spec 06 §6, §10): a connection of its own, opened for reading, on which an authorizer
 * admits nothing but reading history tables and views.
 */
import { constants, type DatabaseSync } from 'node:sqlite'
import { QueryError, StorageError } from '../../errors.ts'
import type { QueryReader, ReadOptions, ReadRows, Statement, StreamOptions, TableKind } from '../../ports/reading.ts'
import { narrow, type Param } from './columns.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { isOutOfRange, primaryCode } from './errors.ts'
import { plainVersion } from './history-tables.ts'
import { edgeTable, historyTable, isReadable, quote, relationshipsView, relationshipView } from './names.ts'

const AUTH = 23
const BATCH = 1000
/** What compiled queries call their parts (`with t1 as …`). */
const OWN_PART = /^t\d+$/
/** Functions that reach outside the query. */
const FORBIDDEN = new Set(['load_extension', 'fts3_tokenizer', 'readfile', 'writefile', 'edit'])

export class SqliteQueryReader implements QueryReader {
  readonly dialect = 'sqlite'
  readonly #database: Database
  #connection: Connection | null = null
  #plain: string | null = null

  constructor(database: Database) {
    this.#database = database
  }

  relation(version: string, kind: TableKind, name: string): string {
    if (kind === 'edges') return quote(edgeTable(name, version))
    const plain = version === this.#plainNow()
    return quote(kind === 'history' ? historyTable(name, version, plain) : relationshipView(name, version, plain))
  }

  relationshipsView(version: string): string {
    return quote(relationshipsView(version, version === this.#plainNow()))
  }

  async refresh(): Promise<void> {
    this.#plain = await this.#database.read(null, 'query.refresh', plainVersion)
  }

  /** Another process may have made another version the active one, which takes the plain names from this one. */
  #plainNow(): string | null {
    const database = this.#database
    if (!database.inMemory) this.#plain = database.guard('query', () => plainVersion(database.reader))
    return this.#plain
  }

  async all(sql: string, params: readonly unknown[], options: ReadOptions = {}): Promise<ReadRows> {
    return this.#database.read(null, 'query', (shared) => {
      const limit = new Limit(options)
      return this.#guarded(shared, (connection) => {
        try {
          return collect(connection.db, sql, params, false, limit)
        } catch (error) {
          // Only a query that meets a whole number beyond the safe range pays for exact reading.
          if (!isOutOfRange(error)) throw error
          return collect(connection.db, sql, params, true, limit)
        }
      })
    })
  }

  async *stream(sql: string, params: readonly unknown[], options: StreamOptions = {}): AsyncIterable<ReadRows> {
    const { batchSize = BATCH } = options
    if (this.#database.inMemory) {
      // One connection for everything: an open cursor would stand in the way of schema changes.
      const limit = new Limit(options)
      yield* batchesOf(await this.all(sql, params, options), batchSize, limit)
      return
    }
    const connection = this.#database.openReader()
    try {
      connection.db.setAuthorizer(authorize)
      yield* this.#rowsOn(connection, sql, params, batchSize, new Limit(options))
    } finally {
      connection.close()
    }
  }

  /** One read transaction of a connection of its own: writers go on, and readers of the file do not notice them. */
  async together<T>(
    statements: readonly Statement[],
    work: (streams: readonly AsyncIterable<ReadRows>[]) => Promise<T>,
    options: StreamOptions = {},
  ): Promise<T> {
    const { batchSize = BATCH } = options
    if (this.#database.inMemory) return work(await this.#collected(statements, batchSize, options))
    const connection = this.#database.openReader()
    try {
      connection.run('begin')
      // A transaction has its snapshot from its first read on. The statements were written for the names of a version.
      const plain = this.#database.guard('query', () => plainVersion(connection))
      if (plain !== this.#plain) {
        throw new StorageError('the active version changed while the reading began; try again', { recoverable: true })
      }
      connection.db.setAuthorizer(authorize)
      const limit = new Limit(options)
      return await work(statements.map(({ text, params }) => this.#rowsOn(connection, text, params, batchSize, limit)))
    } finally {
      connection.close()
    }
  }

  /** The only connection cannot be kept in a transaction: everything is read at once. */
  async #collected(
    statements: readonly Statement[],
    batchSize: number,
    options: ReadOptions,
  ): Promise<AsyncIterable<ReadRows>[]> {
    const limit = new Limit(options)
    const results = await this.#database.read(null, 'query', (shared) => {
      return this.#guarded(shared, ({ db }) =>
        statements.map(({ text, params }) => collect(db, text, params, true, limit)),
      )
    })
    return results.map((result) => batchesOf(result, batchSize, limit))
  }

  async *#rowsOn(
    connection: Connection,
    sql: string,
    params: readonly unknown[],
    batchSize: number,
    limit: Limit,
  ): AsyncGenerator<ReadRows> {
    const { columns, rows } = this.#translate(() => {
      const statement = connection.db.prepare(sql, { readBigInts: true, returnArrays: true })
      const names = statement.columns().map((column) => column.name)
      return { columns: names, rows: statement.iterate(...(params as Param[])) as unknown as Iterator<Row> }
    })
    while (true) {
      const batch = this.#translate(() => take(rows, batchSize, limit))
      if (batch.length > 0) yield { columns, rows: batch }
      if (batch.length < batchSize) return
    }
  }

  /** The driver's own handle: read-only and under the authorizer (`:memory:` excepted, where it is the only one). */
  get handle(): DatabaseSync {
    return this.#database.inMemory ? this.#database.writer.db : this.#own().db
  }

  close(): void {
    this.#connection?.close()
    this.#connection = null
  }

  #own(): Connection {
    if (this.#connection === null) {
      this.#connection = this.#database.openReader()
      this.#connection.db.setAuthorizer(authorize)
    }
    return this.#connection
  }

  /** Runs on the guarded connection; with `:memory:` on the only one, guarded while it lasts. */
  #guarded<T>(shared: Connection, work: (connection: Connection) => T): T {
    if (!this.#database.inMemory) return this.#translate(() => work(this.#own()))
    shared.db.setAuthorizer(authorize)
    try {
      return this.#translate(() => work(shared))
    } finally {
      shared.db.setAuthorizer(null)
    }
  }

  #translate<T>(work: () => T): T {
    return this.#database.guard('query', () => {
      try {
        return work()
      } catch (error) {
        const code = primaryCode(error)
        if (code === AUTH) {
          throw new QueryError(`${(error as Error).message}: queries may only read history tables and relationships`, {
            cause: error,
          })
        }
        // 1 is SQLITE_ERROR: the statement itself is wrong.
        if (code === 1) throw new QueryError((error as Error).message, { cause: error })
        throw error
      }
    })
  }
}

function authorize(action: number, first: string | null, second: string | null): number {
  switch (action) {
    case constants.SQLITE_SELECT:
    case constants.SQLITE_RECURSIVE:
      return constants.SQLITE_OK
    case constants.SQLITE_READ:
      // Rows of a statement's own part that are counted without any column: no table is called like that.
      if (!second && first !== null && OWN_PART.test(first)) return constants.SQLITE_OK
      return first !== null && isReadable(first) ? constants.SQLITE_OK : constants.SQLITE_DENY
    case constants.SQLITE_FUNCTION:
      return FORBIDDEN.has(second ?? '') ? constants.SQLITE_DENY : constants.SQLITE_OK
    default:
      return constants.SQLITE_DENY
  }
}

/** A query's own limits, looked at between rows. */
class Limit {
  readonly #deadline: number
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined

  constructor({ timeoutMs, signal }: ReadOptions) {
    this.#timeoutMs = timeoutMs ?? Number.POSITIVE_INFINITY
    this.#deadline = performance.now() + this.#timeoutMs
    this.#signal = signal
  }

  get none(): boolean {
    return this.#signal === undefined && this.#timeoutMs === Number.POSITIVE_INFINITY
  }

  check(): void {
    this.#signal?.throwIfAborted()
    if (performance.now() > this.#deadline) {
      throw new QueryError(`the query took longer than ${this.#timeoutMs} ms`, { code: 'E_TIMEOUT' })
    }
  }
}

function collect(db: DatabaseSync, sql: string, params: readonly unknown[], exact: boolean, limit: Limit): ReadRows {
  limit.check()
  const statement = db.prepare(sql, { readBigInts: exact, returnArrays: true })
  const columns = statement.columns().map((column) => column.name)
  let rows: Row[]
  if (limit.none) rows = statement.all(...(params as Param[])) as unknown as Row[]
  else {
    rows = []
    const iterator = statement.iterate(...(params as Param[])) as unknown as Iterable<Row>
    for (const row of iterator) {
      rows.push(row)
      if (rows.length % 100 === 0) limit.check()
    }
    limit.check()
  }
  return { columns, rows: exact ? rows.map(narrowed) : rows }
}

async function* batchesOf({ columns, rows }: ReadRows, batchSize: number, limit: Limit): AsyncGenerator<ReadRows> {
  for (let at = 0; at < rows.length; at += batchSize) {
    limit.check()
    yield { columns, rows: rows.slice(at, at + batchSize) }
  }
}

function take(rows: Iterator<Row>, limit: number, bounds: Limit): unknown[][] {
  const batch: unknown[][] = []
  bounds.check()
  while (batch.length < limit) {
    const next = rows.next()
    if (next.done === true) break
    batch.push(narrowed(next.value))
  }
  return batch
}

/** The row itself: nobody else has it yet. */
function narrowed(row: unknown[]): unknown[] {
  for (let i = 0; i < row.length; i++) if (typeof row[i] === 'bigint') row[i] = narrow(row[i])
  return row
}
