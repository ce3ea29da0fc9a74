/**
 * Read-only access for queries on a DuckDB file (spec 06 §6, §10). The file is opened for reading with everything outside
 * it shut off, and `read-guard.ts` asks the engine what a text is before it runs for the first time. As long as the file is
 * open nobody can write to it, so all connections see one state; an export puts another file in its place, which queries
 * read from then on.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBResult, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { QueryError } from '../../errors.ts'
import type { ExportColumn, RowStream } from '../../ports/exports.ts'
import type { QueryReader, ReadOptions, ReadRows, Statement, StreamOptions, TableKind } from '../../ports/reading.ts'
import { type CopiedQuery, copyToParquet } from './copy-query.ts'
import { readError } from './errors.ts'
import { type Driver, loadDriver } from './instance.ts'
import { INTERRUPT_AGAIN_MS, Limit } from './limit.ts'
import { edgeTable, historyTable, inSchema, RELATIONSHIPS_VIEW, relationshipView, versionSchema } from './names.ts'
import { identityOf, type OpenedFile, openFile } from './opened-file.ts'
import { checkStatement } from './read-guard.ts'
import { rowReader } from './values.ts'
import type { StoredVersion } from './versions.ts'

const BATCH = 1000
const NAMES = { history: historyTable, relationship: relationshipView, edges: edgeTable } satisfies Record<
  TableKind,
  unknown
>
/** Texts remembered as checked. */
const REMEMBERED = 1000

export interface OpenedReader {
  readonly reader: QueryReader
  versions(): Promise<StoredVersion[]>
  close(): Promise<void>
}

/** @throws StorageError if the file is missing, no DuckDB file, of a newer format, or held by a writer (recoverable) */
export async function openDuckdbReader(options: { path: string; namespace: string }): Promise<OpenedReader> {
  const reader = new DuckdbQueryReader(await loadDriver(), options.path, options.namespace)
  await reader.refresh()
  return {
    reader,
    versions: async () => [...reader.versions],
    close: () => reader.close(),
  }
}

class DuckdbQueryReader implements QueryReader {
  readonly dialect = 'duckdb'
  readonly #driver: Driver
  readonly #path: string
  readonly #namespace: string
  readonly #connections = new Set<DuckDBConnection>()
  /** Connections at work: they are not closed before they are done. */
  readonly #busy = new Set<DuckDBConnection>()
  #opened: OpenedFile | null = null
  #opening: Promise<void> | null = null
  #closed = false

  constructor(driver: Driver, path: string, namespace: string) {
    this.#driver = driver
    this.#path = path
    this.#namespace = namespace
  }

  relation(version: string, kind: TableKind, name: string): string {
    return this.#qualified(version, NAMES[kind](name))
  }

  relationshipsView(version: string): string {
    return this.#qualified(version, RELATIONSHIPS_VIEW)
  }

  /** Reads another file that has taken the place of the one that is open. */
  async refresh(): Promise<void> {
    this.#opening ??= this.#reopen().finally(() => {
      this.#opening = null
    })
    await this.#opening
  }

  get versions(): readonly StoredVersion[] {
    return this.#state().versions
  }

  async all(sql: string, params: readonly unknown[], options: ReadOptions = {}): Promise<ReadRows> {
    return this.#run({ text: sql, params }, options, async (columns, fetch) => {
      const rows: unknown[][] = []
      for (let chunk = await fetch(); chunk !== null; chunk = await fetch()) for (const row of chunk) rows.push(row)
      return { columns, rows }
    })
  }

  async *stream(sql: string, params: readonly unknown[], options: StreamOptions = {}): AsyncIterable<ReadRows> {
    yield* this.#stream(this.#state(), { text: sql, params }, options)
  }

  /** All connections to one opening of the file see the same state. */
  async together<T>(
    statements: readonly Statement[],
    work: (streams: readonly RowStream[]) => Promise<T>,
    options: StreamOptions = {},
  ): Promise<T> {
    return this.#using((state) => work(statements.map((statement) => this.#rows(state, statement, options))))
  }

  /** A connection of `@duckdb/node-api` for reading; instants come as the driver has them. */
  get handle(): DuckDBConnection {
    return this.#state().handle
  }

  /** Ends queries that run, and streams that nobody has finished. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#busy.size > 0) {
      for (const connection of this.#busy) connection.interrupt()
      await pause(INTERRUPT_AGAIN_MS)
    }
    for (const connection of this.#connections) connection.closeSync()
    this.#connections.clear()
    this.#opened?.instance.closeSync()
    this.#opened = null
  }

  async #using<T>(work: (state: OpenedFile) => Promise<T>): Promise<T> {
    const state = this.#state()
    state.users += 1
    try {
      return await work(state)
    } finally {
      this.#release(state)
    }
  }

  #release(state: OpenedFile): void {
    state.users -= 1
    if (state.users === 0 && state !== this.#opened) state.instance.closeSync()
  }

  #qualified(version: string, relation: string): string {
    return inSchema(versionSchema(this.#namespace, version), relation)
  }

  #state(): OpenedFile {
    if (this.#opened !== null && !this.#closed) return this.#opened
    throw this.#closedError()
  }

  #closedError(): QueryError {
    return new QueryError(`${this.#path} is closed; open it again`, { code: 'E_QUERY_CLOSED' })
  }

  async #reopen(): Promise<void> {
    if (this.#closed) throw this.#closedError()
    const file = await identityOf(this.#path)
    if (this.#opened !== null && (file === null || file === this.#opened.file)) return
    const opened = await openFile(this.#path, this.#namespace, file)
    if (this.#closed) {
      opened.instance.closeSync()
      throw this.#closedError()
    }
    const before = this.#opened
    this.#opened = opened
    this.#connections.add(opened.handle)
    if (before?.users === 0) before.instance.closeSync()
  }

  #rows(state: OpenedFile, statement: Statement, options: StreamOptions): RowStream {
    return {
      [Symbol.asyncIterator]: () => this.#stream(state, statement, options),
      parquet: (path, columns) => this.#copy(state, statement, columns, path, options),
    }
  }

  /** Null if another file has taken the place of the one that is read: COPY opens it by its name. */
  async #copy(
    state: OpenedFile,
    { text, params }: Statement,
    columns: readonly ExportColumn[],
    path: string,
    options: ReadOptions,
  ): Promise<number | null> {
    const connection = await this.#connect(state)
    const limit = new Limit(connection, options)
    try {
      return await this.#guard(limit, async () => {
        if (!state.checked.has(text)) await this.#check(state, connection, text)
        if (options.timeoutMs !== undefined || (await identityOf(this.#path)) !== state.file) return null
        const bind: CopiedQuery['bind'] = (prepared) => bindAll(this.#driver, prepared, params)
        const rows = await copyToParquet(this.#path, { text, bind, columns }, path, options.signal)
        return (await identityOf(this.#path)) === state.file ? rows : null
      })
    } finally {
      this.#disconnect(connection)
    }
  }

  async *#stream(state: OpenedFile, statement: Statement, options: StreamOptions): AsyncGenerator<ReadRows> {
    const { batchSize = BATCH } = options
    state.users += 1
    let connection: DuckDBConnection | null = null
    try {
      connection = await this.#connect(state)
      const { columns, fetch } = await this.#start(state, connection, statement, new Limit(connection, options))
      let rows: unknown[][] = []
      for (let chunk = await fetch(); chunk !== null; chunk = await fetch()) {
        for (const row of chunk) {
          rows.push(row)
          if (rows.length < batchSize) continue
          yield { columns, rows }
          rows = []
        }
      }
      if (rows.length > 0) yield { columns, rows }
    } finally {
      if (connection !== null) this.#disconnect(connection)
      this.#release(state)
    }
  }

  async #run<T>(
    statement: Statement,
    options: ReadOptions,
    work: (columns: string[], fetch: () => Promise<unknown[][] | null>) => Promise<T>,
  ): Promise<T> {
    return this.#using(async (state) => {
      const connection = await this.#connect(state)
      try {
        const { columns, fetch } = await this.#start(state, connection, statement, new Limit(connection, options))
        return await work(columns, fetch)
      } finally {
        this.#disconnect(connection)
      }
    })
  }

  async #connect(state: OpenedFile): Promise<DuckDBConnection> {
    const connection = await state.instance.connect()
    this.#connections.add(connection)
    return connection
  }

  #disconnect(connection: DuckDBConnection): void {
    if (this.#connections.delete(connection)) connection.closeSync()
  }

  async #start(
    state: OpenedFile,
    connection: DuckDBConnection,
    { text, params }: Statement,
    limit: Limit,
  ): Promise<{ columns: string[]; fetch: () => Promise<unknown[][] | null> }> {
    const guard = <T>(work: () => Promise<T>): Promise<T> => this.#guard(limit, work)
    const result = await guard(async () => {
      if (!state.checked.has(text)) await this.#check(state, connection, text)
      return execute(this.#driver, connection, text, params)
    })
    const read = rowReader(this.#driver, result.columnTypes())
    const fetch = async (): Promise<unknown[][] | null> => {
      const chunk = await guard(() => result.fetchChunk())
      return chunk === null || chunk.rowCount === 0 ? null : read(chunk)
    }
    return { columns: result.columnNames(), fetch }
  }

  async #check({ checked, rules }: OpenedFile, connection: DuckDBConnection, text: string): Promise<void> {
    await checkStatement(connection, text, rules)
    if (checked.size >= REMEMBERED) checked.delete(checked.values().next().value as string)
    checked.add(text)
  }

  async #guard<T>(limit: Limit, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw this.#closedError()
    this.#busy.add(limit.connection)
    try {
      return await limit.during(work)
    } catch (error) {
      limit.throwIfAborted()
      if (this.#closed) throw this.#closedError()
      throw readError(error, this.#path, limit.timeoutMs)
    } finally {
      this.#busy.delete(limit.connection)
    }
  }
}

async function execute(
  driver: Driver,
  connection: DuckDBConnection,
  sql: string,
  params: readonly unknown[],
): Promise<DuckDBResult> {
  const prepared = await connection.prepare(sql)
  bindAll(driver, prepared, params)
  return prepared.stream()
}

function bindAll(driver: Driver, prepared: DuckDBPreparedStatement, params: readonly unknown[]): void {
  prepared.bind(
    params.map((value) => value as DuckDBValue),
    params.map((value) => typeOf(driver, value)),
  )
}

function typeOf({ BIGINT, BOOLEAN, DOUBLE, SQLNULL, VARCHAR }: Driver, value: unknown): DuckDBType {
  switch (typeof value) {
    case 'bigint':
      return BIGINT
    case 'number':
      return DOUBLE
    case 'boolean':
      return BOOLEAN
    default:
      return value === null ? SQLNULL : VARCHAR
  }
}
