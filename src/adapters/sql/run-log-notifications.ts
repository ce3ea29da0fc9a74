/** The outbox (spec 10 §3.8): what is sent at least once, leased to one sender at a time. */
import { randomUUID } from 'node:crypto'
import { addDuration, Duration, instantFromText } from '../../core/instant.ts'
import type { NewNotification, Notification, NotificationPort } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import { NOTIFICATION } from './run-log-columns.ts'
import type { LogDatabase } from './run-log-database.ts'

export class LoggedNotifications implements NotificationPort {
  readonly #database: LogDatabase
  readonly #table: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#table = database.table('notifications')
  }

  async enqueue(rows: readonly NewNotification[], at: string): Promise<void> {
    if (rows.length > 0) await this.#database.transaction((tx) => this.enqueueIn(tx, rows, at))
  }

  /** `enqueue` inside a transaction. An id that exists stays as it is. */
  async enqueueIn(tx: Tx, rows: readonly NewNotification[], at: string): Promise<void> {
    const into = { table: this.#table, columns: NOTIFICATION.names, suffix: 'on conflict (id) do nothing' }
    const fresh = { status: 'pending', attempts: 0, createdAt: at, leaseToken: null } as const
    const values = rows.map((row) => NOTIFICATION.values({ ...row, ...fresh }))
    await this.#database.insert(tx, 'notifications.enqueue', into, values)
  }

  async lease(at: string, leaseMs: number, limit: number): Promise<Notification[]> {
    // Until the lease is over it is not due for anybody else.
    const until = later(at, leaseMs)
    const rows = await this.#database.transaction((tx) =>
      this.#database.query(
        tx,
        'notifications.lease',
        `with due as materialized (select id from ${this.#table} where status = 'pending' and available_at <= $1
            order by available_at, id limit $2${this.#database.skipLocked})
          update ${this.#table} set attempts = attempts + 1, lease_token = $3, available_at = $4
            where id in (select id from due) returning ${NOTIFICATION.list}`,
        [at, limit, randomUUID(), until],
      ),
    )
    const leased = rows.map((row) => NOTIFICATION.of(row))
    return leased.sort((a, b) => compare(a.createdAt, b.createdAt) || compare(a.id, b.id))
  }

  async sent(id: string, leaseToken: string): Promise<void> {
    await this.#settle('notifications.sent', `status = 'sent'`, [id, leaseToken])
  }

  async retry(id: string, leaseToken: string, availableAt: string | null): Promise<void> {
    if (availableAt === null) await this.#settle('notifications.retry', `status = 'dead'`, [id, leaseToken])
    else await this.#settle('notifications.retry', 'available_at = $3', [id, leaseToken, availableAt])
  }

  async of(kind: string, subject: string): Promise<Notification[]> {
    const rows = await this.#database.query(
      null,
      'notifications.of',
      `select ${NOTIFICATION.list} from ${this.#table} where kind = $1 and subject = $2
        order by created_at desc, id desc`,
      [kind, subject],
    )
    return rows.map((row) => NOTIFICATION.of(row))
  }

  async count(): Promise<Readonly<Record<Notification['status'], number>>> {
    const sql = `select status, count(*) from ${this.#table} group by status`
    const rows = await this.#database.query(null, 'notifications.count', sql)
    return { pending: 0, sent: 0, dead: 0, ...Object.fromEntries(rows as [Notification['status'], number][]) }
  }

  /** Nothing happens if somebody else has it by now. */
  async #settle(operation: string, sets: string, params: readonly string[]): Promise<void> {
    const sql = `update ${this.#table} set lease_token = null, ${sets}
      where id = $1 and lease_token = $2 and status = 'pending'`
    await this.#database.transaction((tx) => this.#database.execute(tx, operation, sql, params))
  }
}

function later(at: string, ms: number): string {
  const instant = instantFromText(at)
  if (instant === null) throw new RangeError(`not an instant: ${at}`)
  return String(addDuration(instant, new Duration(ms)) ?? instant)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
