/**
 * One database file: the write connection with its queue, and a connection for reads of committed data (spec 07 §1).
 *
 * Waiting for the write lock never blocks the event loop: a second writer in the same process could otherwise not finish
 * what the first one waits for. `:memory:` has one connection only; reads then wait until an open transaction ends.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { StorageError } from '../../errors.ts'
import type { Tx } from '../../ports/store.ts'
import { Connection } from './connection.ts'
import { isBusy, storageError } from './errors.ts'

/** How long a transaction waits for another writer. */
const LOCK_TIMEOUT_MS = 5000
const MAX_PAUSE_MS = 20

export class Database {
  readonly location: string
  readonly inMemory: boolean
  readonly readOnly: boolean
  readonly #path: string
  readonly #immutable: boolean
  readonly #lockTimeoutMs: number
  readonly #inside = new AsyncLocalStorage<Tx>()
  #writer: Connection | null = null
  #reader: Connection | null = null
  #open: Tx | null = null
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  /** `immutable`: nobody writes the file while it is open, and none of its companions may be made. */
  constructor(path: string, options: { readOnly?: boolean; immutable?: boolean; lockTimeoutMs?: number } = {}) {
    this.#immutable = options.immutable ?? false
    this.#path = this.#immutable ? `${pathToFileURL(path).href}?immutable=1` : path
    this.location = path
    this.inMemory = path === ':memory:'
    this.readOnly = options.readOnly ?? false
    this.#lockTimeoutMs = options.lockTimeoutMs ?? LOCK_TIMEOUT_MS
  }

  /** The write connection, opened at first use. */
  get writer(): Connection {
    this.#assertOpen()
    if (this.readOnly) throw new StorageError(`${this.location} was opened for reading only`)
    this.#writer ??= new Connection(this.#path, 'write')
    return this.#writer
  }

  /** The connection for reads of committed data. */
  get reader(): Connection {
    this.#assertOpen()
    if (this.inMemory) return this.writer
    this.#assertStill()
    this.#reader ??= new Connection(this.#path, 'read')
    return this.#reader
  }

  /** A further read connection, for a stream that keeps its snapshot; the caller closes it. Not for `:memory:`. */
  openReader(): Connection {
    this.#assertOpen()
    this.#assertStill()
    return new Connection(this.#path, 'read')
  }

  /** Runs `work` in one transaction, after those asked for earlier. A throw rolls back. */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#inside.getStore() !== undefined) {
      throw new StorageError('a transaction was started inside another one; pass the unit of work on instead')
    }
    return this.#enqueue(async () => {
      const writer = this.writer
      await this.#begin(writer)
      const tx = Object.freeze({}) as Tx
      this.#open = tx
      try {
        const result = await this.#inside.run(tx, () => work(tx))
        this.guard('commit', () => writer.run('commit'))
        return result
      } catch (error) {
        // A failed commit or statement may have rolled back by itself.
        if (writer.db.isOpen && writer.db.isTransaction) writer.run('rollback')
        throw error
      } finally {
        this.#open = null
      }
    })
  }

  /** The write connection outside any transaction, after those asked for earlier: for what no transaction can hold. */
  async alone<T>(operation: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#enqueue(async () => {
      this.#assertOpen()
      try {
        return await work(this.writer)
      } catch (error) {
        throw storageError(error, operation, this.location)
      }
    })
  }

  /** The write connection for work inside `tx`; a transaction that has ended is an error. */
  within<T>(tx: Tx, operation: string, work: (connection: Connection) => T): T {
    if (tx !== this.#open)
      throw new StorageError(`${operation}: the unit of work has ended`, { details: { operation } })
    return this.guard(operation, () => work(this.writer))
  }

  /** Runs a read on committed data, or inside `tx` if one is given. */
  async read<T>(tx: Tx | null | undefined, operation: string, work: (connection: Connection) => T): Promise<T> {
    if (tx !== null && tx !== undefined) return this.within(tx, operation, work)
    if (this.inMemory) await this.#settled()
    return this.guard(operation, () => work(this.reader))
  }

  /** Runs `work` and turns driver errors into typed ones. */
  guard<T>(operation: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw storageError(error, operation, this.location)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.#queue
    this.#closed = true
    this.#reader?.close()
    this.#writer?.close()
  }

  async #begin(writer: Connection): Promise<void> {
    const deadline = performance.now() + this.#lockTimeoutMs
    for (let wait = 1; ; wait = Math.min(wait * 2, MAX_PAUSE_MS)) {
      try {
        writer.run('begin immediate')
        return
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw storageError(error, 'begin', this.location)
      }
      await pause(wait)
    }
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task)
    this.#queue = result.catch(() => undefined)
    return result
  }

  /** Waits until no transaction is open, unless the caller is inside it. */
  async #settled(): Promise<void> {
    while (this.#open !== null && this.#inside.getStore() === undefined) await this.#queue
  }

  /** Somebody who may write has begun to: what is read as it lies there would not be whole. */
  #assertStill(): void {
    if (!this.#immutable || !existsSync(`${this.location}-wal`)) return
    throw new StorageError(`${this.location} is being written now; open it again`, { recoverable: true })
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError(`the store ${this.location} is closed`)
  }
}
