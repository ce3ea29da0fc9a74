/**
 * Connections to one Postgres database (spec 07 §1): one for writing, whose transactions queue in order, and a pool for
 * reads of committed data. No connection stays in a transaction between calls, except under a stream that is being read.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase, PoolClient } from 'pg'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { ConfigError, StorageError } from '../../errors.ts'
import type { Tx } from '../../ports/store.ts'
import { copyIn, type Param, type Row, run, sessionSettings, TYPES } from './connection.ts'
import { isConflict, storageError } from './errors.ts'

export interface DatabaseOptions {
  /** `postgresql://user:password@host:port/database?sslmode=…`, as libpq reads it. */
  readonly url: string
  /** Connections of this store altogether, at least 3; default 10. */
  readonly max?: number
  /** Longest statement in milliseconds; default 0: no limit. */
  readonly statementTimeoutMs?: number
  /** Longest wait for a lock in milliseconds; default 30 000. */
  readonly lockTimeoutMs?: number
  /** No session may write. */
  readonly readOnly?: boolean
}

const DEFAULT_MAX = 10
const ATTEMPTS = 3
const CONNECT_TIMEOUT_MS = 15_000
const LOCK_TIMEOUT_MS = 30_000

/** An open transaction as this adapter knows it. */
interface OpenTx {
  readonly client: PoolClient
  open: boolean
  readonly afterCommit: string[]
}

export class Database {
  /** The URL without secrets; for people. */
  readonly location: string
  readonly #inside = new AsyncLocalStorage<Tx>()
  readonly #writer: pg.Pool
  /** Connections for reading committed data. */
  readonly readers: pg.Pool
  #queue: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(options: DatabaseOptions) {
    const { max = DEFAULT_MAX, statementTimeoutMs = 0, lockTimeoutMs = LOCK_TIMEOUT_MS } = options
    // A full build reads its stream on one, writes on another, and looks things up on a third.
    if (max < 3) throw new ConfigError('a Postgres store needs at least 3 connections (pool.max)')
    this.location = maskedUrl(options.url)
    const settings = sessionSettings({ statementTimeoutMs, lockTimeoutMs, readOnly: options.readOnly })
    const pool = (size: number, idleTimeoutMillis: number): pg.Pool => {
      const made = new pg.Pool({
        connectionString: libpqUrl(options.url),
        max: size,
        idleTimeoutMillis,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        keepAlive: true,
        types: TYPES,
        fallback_application_name: 'defacto',
        allowExitOnIdle: true,
        // Nobody is given the connection before.
        onConnect: (client) => client.query(settings),
      })
      // A connection that breaks while it is used tells its user; nobody else is listening.
      made.on('connect', (client) => client.on('error', () => undefined))
      // A connection that breaks while idle is replaced at the next use.
      made.on('error', () => undefined)
      return made
    }
    // The write connection stays open, so that a build cannot lose its place to others when connections are short.
    this.#writer = pool(1, 0)
    this.readers = pool(max - 1, 10_000)
  }

  /**
   * Runs `work` in one transaction, after those asked for earlier. A throw rolls back. After a serialization failure or
   * a deadlock everything is rolled back and `work` runs again, at most three times in all (spec 07 §1).
   * If the connection breaks during the commit, the outcome is unknown (`details.outcome`): read before repeating.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#inside.getStore() !== undefined) {
      throw new StorageError('a transaction was started inside another one; pass the unit of work on instead')
    }
    return this.#enqueue(async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await this.#attempt(work)
        } catch (error) {
          if (!isConflict(error) || attempt === ATTEMPTS) throw error
        }
        await pause(Math.random() * 20 * 2 ** attempt)
      }
    })
  }

  /** Runs one statement inside `tx`, or on committed data without one. Returns the rows as arrays. */
  async query(
    tx: Tx | null | undefined,
    operation: string,
    sql: string,
    params: readonly Param[] = [],
  ): Promise<Row[]> {
    return (await this.#run(tx, operation, sql, params)).rows
  }

  /** The same for a statement whose row count is wanted. */
  async execute(tx: Tx, operation: string, sql: string, params: readonly Param[] = []): Promise<number> {
    return (await this.#run(tx, operation, sql, params)).rowCount ?? 0
  }

  /** Several statements without parameters, separated by semicolons. */
  async script(tx: Tx, operation: string, sql: string): Promise<void> {
    const client = this.#clientOf(tx, operation)
    await this.#guard(operation, () => client.query(sql))
  }

  /** `copy … from stdin`; `lines` as `copyField` makes them, joined by tabs. */
  async copy(tx: Tx, operation: string, sql: string, lines: Iterable<string>): Promise<void> {
    const client = this.#clientOf(tx, operation)
    await this.#guard(operation, () => copyIn(client, sql, lines))
  }

  /**
   * A statement that runs by itself once `tx` has committed: housekeeping that nothing depends on and that is done
   * another time if it fails or the process dies.
   */
  afterCommit(tx: Tx, operation: string, sql: string): void {
    this.#stateOf(tx, operation).afterCommit.push(sql)
  }

  /**
   * The rows of a read in chunks, all of one snapshot, on a connection of their own. The next chunk is fetched while the
   * caller works on the current one.
   */
  async *stream(operation: string, sql: string, params: readonly Param[], chunk: number): AsyncGenerator<Row[]> {
    const client = await this.#connect(this.readers, operation)
    let broken: Error | boolean = false
    const ended = Promise.withResolvers<true>()
    const end = (): void => ended.resolve(true)
    client.once('end', end)
    try {
      const cursor = client.query(new Cursor<Row>(sql, params as unknown[], { rowMode: 'array', types: TYPES }))
      try {
        let next = this.#guard(operation, () => cursor.read(chunk))
        while (true) {
          const rows = await next
          if (rows.length === 0) return
          next = this.#guard(operation, () => cursor.read(chunk))
          next.catch(() => undefined)
          yield rows
        }
      } finally {
        const closed = cursor.close().then(
          () => false,
          (error: Error) => error,
        )
        // On a connection that is gone a cursor never says that it is closed.
        broken = await Promise.race([closed, ended.promise])
      }
    } finally {
      client.removeListener('end', end)
      client.release(broken)
    }
  }

  /** Lends a read connection for `work`. */
  async withReader<T>(operation: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.borrow(operation)
    try {
      return await this.#guard(operation, () => work(client))
    } finally {
      giveBack(client)
    }
  }

  /** A read connection until `giveBack`; for readers with rules of their own. */
  async borrow(operation: string): Promise<PoolClient> {
    return this.#connect(this.readers, operation)
  }

  /** A connection that is nobody's but the caller's, for LISTEN; `end()` is the caller's duty. */
  async ownConnection(operation: string): Promise<pg.Client> {
    this.#assertOpen()
    const { connectionString } = this.readers.options
    const client = new pg.Client({ connectionString, keepAlive: true, fallback_application_name: 'defacto' })
    // As for those of the pool: whoever waits for an answer is told, and an unheard error would end the process.
    client.on('error', () => undefined)
    await this.#guard(operation, () => client.connect())
    return client
  }

  async close(): Promise<void> {
    this.#closing ??= this.#queue.then(async () => {
      await Promise.all([this.#writer.end(), this.readers.end()])
    })
    return this.#closing
  }

  async #attempt<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.#connect(this.#writer, 'begin')
    const state: OpenTx = { client, open: true, afterCommit: [] }
    const tx = state as unknown as Tx
    let broken: Error | boolean = false
    try {
      await this.#guard('begin', () => client.query('begin isolation level read committed'))
      const result = await this.#inside.run(tx, () => work(tx))
      state.open = false
      await this.#commit(client)
      for (const sql of state.afterCommit) await client.query(sql).catch(() => undefined)
      return result
    } catch (error) {
      state.open = false
      broken = await rollback(client)
      throw error
    } finally {
      client.release(broken)
    }
  }

  async #commit(client: ClientBase): Promise<void> {
    let command: string
    try {
      command = (await client.query('commit')).command
    } catch (error) {
      const failed = storageError(error, 'commit', this.location)
      // Without an answer of the server nobody knows whether it committed.
      if (failed instanceof StorageError && failed.details['sqlstate'] === null) {
        throw new StorageError(failed.message, {
          details: { ...failed.details, outcome: 'unknown' },
          recoverable: true,
          cause: error,
        })
      }
      throw failed
    }
    if (command === 'COMMIT') return
    throw new StorageError('commit: a statement of this transaction had failed, so the server rolled it back', {
      details: { operation: 'commit', driver: 'pg' },
    })
  }

  async #run(tx: Tx | null | undefined, operation: string, sql: string, params: readonly Param[]) {
    if (tx !== null && tx !== undefined) {
      const client = this.#clientOf(tx, operation)
      return this.#guard(operation, () => run(client, sql, params))
    }
    return this.withReader(operation, (client) => run(client, sql, params))
  }

  #clientOf(tx: Tx, operation: string): PoolClient {
    return this.#stateOf(tx, operation).client
  }

  #stateOf(tx: Tx, operation: string): OpenTx {
    const state = tx as unknown as OpenTx
    if (state.open === true) return state
    throw new StorageError(`${operation}: the unit of work has ended`, { details: { operation } })
  }

  async #connect(pool: pg.Pool, operation: string): Promise<PoolClient> {
    this.#assertOpen()
    return this.#guard(operation, () => pool.connect())
  }

  async #guard<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw storageError(error, operation, this.location)
    }
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task)
    this.#queue = result.catch(() => undefined)
    return result
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new StorageError(`the store ${this.location} is closed`)
  }
}

/** Ends the transaction; true if the connection is of no use any more. */
async function rollback(client: PoolClient): Promise<boolean> {
  try {
    await client.query('rollback')
    return false
  } catch {
    return true
  }
}

/** Returns a borrowed connection; one that broke, or was left inside a transaction, is not used again. */
export function giveBack(client: PoolClient): void {
  client.release(!isIdle(client))
}

/** Whether the session is outside any transaction. */
function isIdle(client: PoolClient): boolean {
  return client.getTransactionStatus() === 'I'
}

/** libpq's meaning of `sslmode` (`require` encrypts without checking the certificate), which `pg` has to be asked for. */
function libpqUrl(url: string): string {
  if (!/[?&]sslmode=/.test(url) || /[?&]uselibpqcompat=/.test(url)) return url
  return `${url}&uselibpqcompat=true`
}

/** The URL without password and parameters. `ConfigError` for text that is no URL. */
export function maskedUrl(url: string): string {
  const match = /^(postgres(?:ql)?:\/\/)(?:([^:@/?]*)(?::[^@/?]*)?@)?([^?#]*)/.exec(url)
  if (match === null) throw new ConfigError('the database URL must look like postgresql://user@host:5432/database')
  const [, scheme, user, place = ''] = match
  // A password with a character that has a meaning in URLs was not taken for one.
  if (place.includes('@') || NO_PORT.test(place)) return `${scheme}***`
  return `${scheme}${user === undefined || user === '' ? '' : `${user}@`}${place}`
}

/** A colon, outside the brackets of an IPv6 address, that no number follows. */
const NO_PORT = /^[^[/]*:(?!\d*(?:[/,]|$))/
