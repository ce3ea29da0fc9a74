/** LISTEN/NOTIFY with a look at the clock as the fallback (spec 04 §5.3). */
import { hash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from 'pg'
import type { SignalPort, Unit } from '../../ports/store.ts'
import { quote } from './names.ts'
import type { Space } from './space.ts'

/** Behind a pooler that passes no notifications on, waiting ends after this long. */
const POLL_MS = 250

export class PostgresSignals implements SignalPort {
  readonly #space: Space
  readonly #channel: string
  #listener: Promise<Client | null> | null = null
  #closed = false
  readonly #waiting = new Set<() => void>()

  constructor(space: Space) {
    this.#space = space
    this.#channel = `defacto_${hash('sha256', space.names.namespace, 'hex').slice(0, 16)}`
  }

  async send(unit: Unit): Promise<void> {
    await this.#space.database.query(unit.tx, 'signals.send', 'select pg_notify($1, $2)', [this.#channel, ''])
  }

  async wait(ms: number): Promise<void> {
    this.#listener ??= this.#listen()
    await this.#listener
    const stop = new AbortController()
    let wake = (): void => {}
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    this.#waiting.add(wake)
    const elapsed = pause(Math.min(ms, POLL_MS), undefined, { signal: stop.signal }).catch(() => undefined)
    try {
      await Promise.race([woken, elapsed])
    } finally {
      this.#waiting.delete(wake)
      stop.abort()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const listener = this.#listener
    this.#listener = null
    await (await listener)?.end().catch(() => undefined)
  }

  /** Null if there is no connection to listen on; the next wait tries again. */
  async #listen(): Promise<Client | null> {
    try {
      const client = await this.#space.database.ownConnection('signals.listen')
      client.on('notification', () => {
        for (const wake of this.#waiting) wake()
      })
      client.on('error', () => this.#forget())
      client.on('end', () => this.#forget())
      await client.query(`listen ${quote(this.#channel)}`)
      return client
    } catch {
      this.#forget()
      return null
    }
  }

  #forget(): void {
    if (!this.#closed) this.#listener = null
  }
}
