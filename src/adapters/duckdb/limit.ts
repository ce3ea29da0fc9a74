/** How long a query on DuckDB may take, and how it is called off. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { ReadOptions } from '../../ports/reading.ts'

/** An interruption is lost on a connection that does not run yet. */
export const INTERRUPT_AGAIN_MS = 20
/** Longer limits are none; timers do not take them. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** The limits of one query; while the engine works it is interrupted when one is reached. */
export class Limit {
  readonly timeoutMs: number | undefined
  readonly connection: DuckDBConnection
  readonly #signal: AbortSignal | undefined
  readonly #deadline: number

  constructor(connection: DuckDBConnection, { timeoutMs, signal }: ReadOptions) {
    this.timeoutMs = timeoutMs
    this.connection = connection
    this.#signal = signal
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
  }

  throwIfAborted(): void {
    this.#signal?.throwIfAborted()
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.throwIfAborted()
    const left = this.#deadline - performance.now()
    if (left <= 0) throw new Error('INTERRUPT Error: too late')
    if (left === Number.POSITIVE_INFINITY && this.#signal === undefined) return work()
    let again: NodeJS.Timeout | undefined
    const interrupt = (): void => {
      this.connection.interrupt()
      again ??= setInterval(() => this.connection.interrupt(), INTERRUPT_AGAIN_MS)
    }
    const timer = left <= MAX_TIMEOUT_MS ? setTimeout(interrupt, left) : undefined
    this.#signal?.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      clearInterval(again)
      this.#signal?.removeEventListener('abort', interrupt)
    }
  }
}
