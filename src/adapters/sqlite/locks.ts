/** Slots with fencing epochs (spec 10 §4.4). */
import { addDuration, Duration, type Instant } from '../../core/instant.ts'
import { Fenced, LockHeld } from '../../errors.ts'
import type { Holder, LockPort, LockRow, Tx } from '../../ports/store.ts'
import type { Row } from './connection.ts'
import type { Database } from './database.ts'

const SELECT = 'select slot, epoch, holder, acquired_at, renewed_at, expires_at from namespace_lock'

export class SqliteLocks implements LockPort {
  readonly #database: Database
  readonly #isDead: (holder: Holder) => boolean

  /** `isDead` says whether a holder on this machine is certainly gone. */
  constructor(database: Database, isDead: (holder: Holder) => boolean) {
    this.#database = database
    this.#isDead = isDead
  }

  async acquire(slot: string, holder: Holder, ttlMs: number, now: Instant): Promise<number> {
    return this.#database.transaction(async (tx) =>
      this.#database.within(tx, 'locks.acquire', (connection) => {
        const row = connection.get(`${SELECT} where slot = ?`, slot)
        const held = row === undefined ? undefined : lockRow(row)
        if (held?.holder && !isExpired(held, now) && !this.#isDead(held.holder)) throw lockHeld(held, held.holder)
        const at = now.toString()
        const epoch = connection.get(
          `insert into namespace_lock (slot, epoch, holder, acquired_at, renewed_at, expires_at)
            values (?, 1, ?, ?, ?, ?) on conflict (slot) do update set epoch = epoch + 1, holder = excluded.holder,
            acquired_at = excluded.acquired_at, renewed_at = excluded.renewed_at, expires_at = excluded.expires_at
            returning epoch`,
          slot,
          JSON.stringify(holder),
          at,
          at,
          expiry(now, ttlMs),
        )
        return epoch?.[0] as number
      }),
    )
  }

  async fence(tx: Tx, slot: string, epoch: number): Promise<void> {
    const row = this.#database.within(tx, 'locks.fence', (connection) =>
      connection.get('select epoch from namespace_lock where slot = ?', slot),
    )
    const current = row?.[0] as number | undefined
    if (current === epoch) return
    throw new Fenced(
      `slot '${slot}' was taken over (epoch ${current ?? 'none'}, this writer has ${epoch}); nothing was written`,
      {
        details: { slot, epoch, current: current ?? null },
      },
    )
  }

  async renew(slot: string, epoch: number, ttlMs: number, now: Instant): Promise<boolean> {
    return this.#database.transaction(async (tx) =>
      this.#database.within(
        tx,
        'locks.renew',
        (connection) =>
          connection.run(
            `update namespace_lock set renewed_at = ?, expires_at = ?
              where slot = ? and epoch = ? and holder is not null`,
            now.toString(),
            expiry(now, ttlMs),
            slot,
            epoch,
          ) === 1,
      ),
    )
  }

  async release(slot: string, epoch: number): Promise<void> {
    await this.#database.transaction(async (tx) =>
      this.#database.within(tx, 'locks.release', (connection) =>
        connection.run(
          `update namespace_lock set holder = null, acquired_at = null, renewed_at = null, expires_at = null
            where slot = ? and epoch = ?`,
          slot,
          epoch,
        ),
      ),
    )
  }

  async list(): Promise<LockRow[]> {
    const rows = await this.#database.read(null, 'locks.list', (connection) =>
      connection.all(`${SELECT} order by slot`),
    )
    return rows.map(lockRow)
  }
}

function expiry(now: Instant, ttlMs: number): string {
  return (addDuration(now, new Duration(ttlMs)) ?? now).toString()
}

function isExpired(row: LockRow, now: Instant): boolean {
  return row.expiresAt === null || row.expiresAt <= now.toString()
}

function lockHeld(row: LockRow, holder: Holder): LockHeld {
  return new LockHeld(
    `'${row.slot}' is held by process ${holder.pid} on ${holder.host} (${holder.purpose}) since ${row.acquiredAt}; wait for it or stop it`,
    { details: { slot: row.slot, holder, since: row.acquiredAt, expiresAt: row.expiresAt } },
  )
}

function lockRow(row: Row): LockRow {
  return {
    slot: row[0] as string,
    epoch: row[1] as number,
    holder: row[2] === null ? null : (JSON.parse(row[2] as string) as Holder),
    acquiredAt: row[3] as string | null,
    renewedAt: row[4] as string | null,
    expiresAt: row[5] as string | null,
  }
}
