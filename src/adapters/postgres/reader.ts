/**
 * Read-only access for queries (spec 06 §6, §10). Every query runs in a read-only transaction of its own, and before its
 * text runs for the first time the server itself is asked what it is:
 *
 * - `declare … cursor for <text>` takes nothing but one statement that reads, analyses it and begins nothing.
 * - The transaction then holds a lock on every table and view the statement names, at any depth and behind any view, so
 *   `pg_lock_status()` is the server's own list of what would be read. Whatever is no history table or view of a version
 *   of this namespace is refused.
 * - Functions leave no locks; `read-guard.ts` finds their names in the text. Allowed are those of `pg_catalog` that are
 *   immutable, so know nothing but their arguments, and a few more.
 *
 * With an empty `search_path` a text always means the same tables and functions, so one that has passed need not pass
 * again: the check costs about 1 ms once, later runs 0.3 ms over the bare statement (three round trips instead of one).
 * A role of its own for reading would need rights that the user of a managed database does not have.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool, PoolClient, QueryResult } from 'pg'
import { QueryError, StorageError } from '../../errors.ts'
import type { QueryReader, ReadOptions, ReadRows, Statement, StreamOptions, TableKind } from '../../ports/reading.ts'
import type { Row } from './connection.ts'
import { giveBack } from './database.ts'
import { edgeTable, historyTable, liveName, quote, RELATIONSHIPS_VIEW, relationshipView } from './names.ts'
import { readError } from './read-errors.ts'
import { checkCalls, HARMLESS } from './read-guard.ts'
import type { Space } from './space.ts'

const BATCH = 1000
const NAMES = { history: historyTable, relationship: relationshipView, edges: edgeTable } satisfies Record<
  TableKind,
  unknown
>
/** Texts remembered as checked. */
const REMEMBERED = 1000
const CANCEL_AGAIN_MS = 50
const CURSOR = 'defacto_query'
/** Longer limits are none; neither timers nor the server take them. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1000
/** The server, asked for the same limit, gets this much time to keep it by itself. */
const SERVER_FIRST_MS = 100
/** Relations that hold histories and edges, or show them; in schemas of versions only. */
const READABLE = /(?:_history|~edges)$|^relationships$/
/** What the transaction has locked, so would read; an index belongs to a table that is in the list. */
const TOUCHED = `select distinct o.object_names[1], o.object_names[2] from pg_lock_status() l
  cross join lateral pg_identify_object_as_address('pg_class'::regclass, l.relation, 0) o
  where l.pid = pg_backend_pid() and l.locktype = 'relation' and o.type <> 'index'`

/** Whether anything locked had another schema when the snapshot was taken: tables that were a build in the making then. */
const SWAPPED = `select coalesce(bool_or(n.nspname is null or n.nspname like '%~%'), false) from pg_lock_status() l
  left join pg_class c on c.oid = l.relation left join pg_namespace n on n.oid = c.relnamespace
  where l.pid = pg_backend_pid() and l.locktype = 'relation'`
/** How often reading together begins again when builds swap tables at that moment. */
const ATTEMPTS = 50

export class PostgresQueryReader implements QueryReader {
  readonly dialect = 'postgres'
  readonly #space: Space
  readonly #checked = new Set<string>()
  readonly #streaming = new Set<PoolClient>()
  #schemas: ReadonlySet<string> = new Set()
  #functions: Promise<ReadonlySet<string>> | null = null

  constructor(space: Space) {
    this.#space = space
  }

  relation(version: string, kind: TableKind, name: string): string {
    return this.#qualified(version, NAMES[kind](name))
  }

  relationshipsView(version: string): string {
    return this.#qualified(version, RELATIONSHIPS_VIEW)
  }

  /** Names of relations depend on nothing that changes. */
  async refresh(): Promise<void> {}

  async all(sql: string, params: readonly unknown[], options: ReadOptions = {}): Promise<ReadRows> {
    return this.#onConnection(options, async (client) => {
      const result = await this.#transaction(client, options, async () => {
        if (!this.#checked.has(sql)) await this.#declare(client, [{ text: sql, params, cursor: CURSOR }], '')
        return send(client, sql, params)
      })
      return tableOf(result)
    })
  }

  /**
   * The rows as they are when the stream begins. The server works out the whole result at once (on its disk where it is
   * large) and keeps it: between batches there is neither a transaction nor a lock, so that no build has to wait for the
   * reader, and the reader may be as slow as it likes.
   */
  async *stream(sql: string, params: readonly unknown[], options: StreamOptions = {}): AsyncIterable<ReadRows> {
    const { batchSize = BATCH, signal } = options
    signal?.throwIfAborted()
    await this.#loadFunctions()
    const client = await this.#space.database.borrow('query')
    this.#streaming.add(client)
    try {
      const declare = (): Promise<void> => this.#declare(client, [{ text: sql, params, cursor: CURSOR }], 'with hold')
      await this.#guard(options, () => this.#transaction(client, options, declare))
      yield* this.#fetched(client, CURSOR, batchSize, options)
    } finally {
      if (this.#streaming.delete(client)) giveBack(client)
    }
  }

  /**
   * As `stream`, with one held cursor for each statement, all of one transaction that has one snapshot; `work` reads
   * without transaction and locks. Open cursors would keep `ACCESS SHARE` locks for as long as the reader likes: builds
   * that add columns would wait for them, tables that full builds have replaced could not be dropped, and nothing could
   * be vacuumed. The price is the result on the server's disk.
   *
   * A full build swaps schemas by renaming, which no snapshot holds back: names mean the new tables at once, but their
   * rows are younger than a snapshot taken before, so they would seem empty. Therefore it is compared which tables the
   * cursors have locked with what the names meant when the snapshot was taken; if a swap came between, all begins again.
   */
  async together<T>(
    statements: readonly Statement[],
    work: (streams: readonly AsyncIterable<ReadRows>[]) => Promise<T>,
    options: StreamOptions = {},
  ): Promise<T> {
    const { batchSize = BATCH, signal } = options
    signal?.throwIfAborted()
    await this.#loadFunctions()
    const client = await this.#space.database.borrow('query')
    this.#streaming.add(client)
    const named = statements.map((statement, i) => ({ ...statement, cursor: `${CURSOR}_${i}` }))
    try {
      await this.#guard(options, () => this.#declareTogether(client, named, options))
      return await work(named.map(({ cursor }) => this.#fetched(client, cursor, batchSize, options)))
    } finally {
      // What was not read to its end is still held.
      await client.query('close all').catch(() => undefined)
      if (this.#streaming.delete(client)) giveBack(client)
    }
  }

  async #declareTogether(
    client: PoolClient,
    statements: readonly (Statement & { readonly cursor: string })[],
    options: ReadOptions,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#transaction(
          client,
          options,
          async () => {
            await this.#declare(client, statements, 'with hold')
            const [row] = (await send(client, SWAPPED)).rows
            if (row?.[0] === true) throw new Swapped()
          },
          'repeatable read',
        )
        return
      } catch (error) {
        if (!(error instanceof Swapped)) throw error
        if (attempt === ATTEMPTS) throw new StorageError(error.message, { recoverable: true })
      }
    }
  }

  async *#fetched(
    client: PoolClient,
    cursor: string,
    batchSize: number,
    options: ReadOptions,
  ): AsyncGenerator<ReadRows> {
    const fetch = (): Promise<ReadRows> =>
      this.#guard(options, async () => tableOf(await send(client, `fetch ${batchSize} from ${cursor}`)))
    try {
      while (true) {
        options.signal?.throwIfAborted()
        const batch = await fetch()
        if (batch.rows.length > 0) yield batch
        if (batch.rows.length < batchSize) return
      }
    } finally {
      await client.query(`close ${cursor}`).catch(() => undefined)
    }
  }

  /**
   * The store's own `pg.Pool` for reads, with all the rights of the database's user. Instants come as canonical text,
   * whole numbers as `number` or `bigint`, JSON as text. Release what you connect, and leave sessions as you found them.
   */
  get handle(): Pool {
    return this.#space.database.readers
  }

  /** Takes their connections from streams that nobody has finished. */
  close(): void {
    for (const client of this.#streaming) client.release(true)
    this.#streaming.clear()
  }

  #qualified(version: string, relation: string): string {
    return `${quote(this.#space.names.versionSchema(version))}.${quote(relation)}`
  }

  async #onConnection<T>(options: ReadOptions, work: (client: PoolClient) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted()
    await this.#loadFunctions()
    const client = await this.#space.database.borrow('query')
    try {
      return await this.#guard(options, () => work(client))
    } finally {
      giveBack(client)
    }
  }

  async #guard<T>({ signal, timeoutMs }: ReadOptions, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      throw readError(error, this.#space.database.location, timeoutMs)
    }
  }

  /**
   * Read-only, with the query's own time limit; an abort signal ends the statement on the server. The server does not
   * watch the time while a commit works out a held result, so the limit is watched here as well.
   */
  async #transaction<T>(
    client: PoolClient,
    { timeoutMs, signal }: ReadOptions,
    work: () => Promise<T>,
    isolation: 'read committed' | 'repeatable read' = 'read committed',
  ): Promise<T> {
    const pid = await begin(client, timeoutMs, isolation)
    const ended = new AbortController()
    let cancelled: Promise<void> | undefined
    const cancel = (): void => {
      cancelled ??= this.#cancel(pid, ended.signal)
    }
    const timer = hasLimit(timeoutMs) ? setTimeout(cancel, timeoutMs + SERVER_FIRST_MS) : undefined
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      signal?.throwIfAborted()
      const result = await work()
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback').catch(() => undefined)
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
      ended.abort()
      // A cancellation still under way would meet the connection's next user.
      await cancelled
    }
  }

  /** Cancels what the server process does until the transaction has ended: it may be between two statements. */
  async #cancel(pid: number, ended: AbortSignal): Promise<void> {
    try {
      const client = await this.#space.database.ownConnection('query.cancel')
      while (!ended.aborted) {
        await client.query('select pg_cancel_backend($1)', [pid])
        await pause(CANCEL_AGAIN_MS, undefined, { signal: ended }).catch(() => undefined)
      }
      await client.end()
    } catch {
      // The query goes on to its end or its time limit; the caller is told of the abort then.
    }
  }

  // ── what a text may be ─────────────────────────────────────────────────────────────────────────────────────────

  /** Declares a cursor for each text, checking those that are new. */
  async #declare(
    client: PoolClient,
    statements: readonly (Statement & { readonly cursor: string })[],
    hold: '' | 'with hold',
  ): Promise<void> {
    const unknown = statements.map(({ text }) => text).filter((text) => !this.#checked.has(text))
    for (const { text, params, cursor } of statements) {
      if (unknown.includes(text)) checkCalls(text, await this.#loadFunctions())
      await send(client, `declare ${cursor} no scroll cursor ${hold} for ${text}`, params)
    }
    if (unknown.length === 0) return
    await this.#checkTouched(client)
    for (const text of unknown) {
      if (this.#checked.size >= REMEMBERED) this.#checked.delete(this.#checked.values().next().value as string)
      this.#checked.add(text)
    }
  }

  async #checkTouched(client: PoolClient): Promise<void> {
    const relations = (await send(client, TOUCHED)).rows as [schema: string, name: string][]
    // A full build may have replaced the tables since they were locked.
    const touched = relations.map(([schema, name]) => [liveName(schema), name] as const)
    const readable = touched.filter(([, name]) => READABLE.test(name)).map(([schema]) => schema)
    if (readable.some((schema) => !this.#schemas.has(schema))) await this.#loadSchemas(client)
    const refused = touched.filter(([schema, name]) => !READABLE.test(name) || !this.#schemas.has(schema))
    if (refused.length === 0) return
    const names = refused.map(([schema, name]) => `${schema}.${name}`).join(', ')
    throw new QueryError(`${names}: queries may only read history tables and relationships`, { code: 'E_QUERY_SQL' })
  }

  async #loadSchemas(client: PoolClient): Promise<void> {
    const { names } = this.#space
    const { rows } = await send(client, `select version from ${names.infra('history_layouts')}`)
    this.#schemas = new Set(rows.map(([version]) => names.versionSchema(version as string)))
  }

  /** Names of which every built-in function is allowed; the same as long as the server lives. */
  #loadFunctions(): Promise<ReadonlySet<string>> {
    this.#functions ??= this.#space.database
      .query(
        null,
        'query.functions',
        `select proname from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace
          group by proname having bool_and(provolatile = 'i') or proname = any($1)`,
        [HARMLESS],
      )
      .then((rows) => new Set(rows.map(([name]) => name as string)))
    // The next query asks again.
    this.#functions.catch(() => {
      this.#functions = null
    })
    return this.#functions
  }
}

/** A full build replaced tables between the snapshot and the resolution of their names. */
class Swapped extends Error {
  constructor() {
    super('builds replace the tables faster than reading can begin; try again')
  }
}

function hasLimit(timeoutMs: number | undefined): timeoutMs is number {
  return timeoutMs !== undefined && timeoutMs < MAX_TIMEOUT_MS
}

/** Begins a reading transaction in one round trip; returns the server process. */
async function begin(client: PoolClient, timeoutMs: number | undefined, isolation: string): Promise<number> {
  const limit = hasLimit(timeoutMs) ? `set local statement_timeout = ${Math.max(1, Math.ceil(timeoutMs))};` : ''
  const results = await client.query(`begin isolation level ${isolation} read only; set local search_path = '';
    set local standard_conforming_strings = on; ${limit} select pg_backend_pid() as pid`)
  const [last] = (results as unknown as QueryResult<{ pid: number }>[]).slice(-1)
  return last?.rows[0]?.pid ?? 0
}

/** One statement; the extended protocol takes no second one behind it. */
async function send(client: PoolClient, sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
  const query = { text: sql, values: [...params], rowMode: 'array', queryMode: 'extended' }
  return client.query(query) as unknown as Promise<QueryResult<Row>>
}

function tableOf({ fields, rows }: QueryResult<Row>): ReadRows {
  return { columns: fields.map((field) => field.name), rows }
}
