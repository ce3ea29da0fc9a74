/** Slots with fencing epochs (spec 10 §4.4). */
import { type Instant, instantFromDate } from '../../core/instant.ts'
import { StorageError } from '../../errors.ts'
import { askedBy, checkEpoch, excludedBy, expiry, inTheWay, lockHeld, wish } from '../../ports/slots.ts'
import type { Holder, LockPort, LockRow, Tx, Unit } from '../../ports/store.ts'
import { LOCK_COLUMNS, lockRow } from '../sql/rows.ts'
import type { Database } from './database.ts'

const SELECT = `select ${LOCK_COLUMNS} from namespace_lock`

export class SqliteLocks implements LockPort {
  readonly #database: Database
  readonly #isDead: (holder: Holder) => boolean

  /** `isDead` says whether a holder on this machine is certainly gone. */
  constructor(database: Database, isDead: (holder: Holder) => boolean) {
    this.#database = database
    this.#isDead = isDead
  }

  async clock(): Promise<Instant> {
    const now = instantFromDate(new Date())
    if (now === null) throw new StorageError('the clock of this machine gives no valid time')
    return now
  }

  async acquire(slot: string, holder: Holder, ttlMs: number, now: Instant): Promise<number> {
    return this.#database.transaction(async (tx) =>
      this.#database.within(tx, 'locks.acquire', (connection) => {
        const rows = connection.all(SELECT).map(lockRow)
        const { held, lapsed } = inTheWay(rows, { slot, holder, now, isDead: this.#isDead })
        if (held !== undefined) throw lockHeld(held)
        for (const row of lapsed) {
          connection.run(
            `update namespace_lock set epoch = epoch + 1, holder = null, acquired_at = null, renewed_at = null,
              expires_at = null, wanted_by = null where slot = ?`,
            row.slot,
          )
        }
        const at = now.toString()
        const epoch = connection.get(
          `insert into namespace_lock (slot, epoch, holder, acquired_at, renewed_at, expires_at)
            values (?, 1, ?, ?, ?, ?) on conflict (slot) do update set epoch = epoch + 1, holder = excluded.holder,
            acquired_at = excluded.acquired_at, renewed_at = excluded.renewed_at, expires_at = excluded.expires_at,
            wanted_by = null returning epoch`,
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
    checkEpoch(slot, epoch, row?.[0] as number | undefined)
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

  async want(slot: string, purpose: string): Promise<void> {
    const wanted = wish(purpose, await this.clock())
    await this.#database.transaction(async (tx) =>
      this.#database.within(tx, 'locks.want', (connection) => {
        connection.run('insert into namespace_lock (slot, epoch) values (?, 0) on conflict do nothing', slot)
        const mark = connection.statement('update namespace_lock set wanted_by = ? where slot = ?')
        for (const name of [slot, ...excludedBy(connection.all(SELECT).map(lockRow), slot)]) mark.run(wanted, name)
      }),
    )
  }

  async wanted(tx: Tx, slot: string, epoch: number): Promise<string | null> {
    const row = this.#database.within(tx, 'locks.wanted', (connection) =>
      connection.get('select wanted_by from namespace_lock where slot = ? and epoch = ?', slot, epoch),
    )
    const text = (row?.[0] ?? null) as string | null
    return text === null ? null : askedBy(text, await this.clock())
  }

  async outdate(unit: Unit, slot: string): Promise<void> {
    this.#database.within(unit.tx, 'locks.outdate', (connection) =>
      connection.run(`update namespace_lock set epoch = epoch + 1 where slot like ?`, `${slot}/%`),
    )
  }

  async list(): Promise<LockRow[]> {
    const rows = await this.#database.read(null, 'locks.list', (connection) =>
      connection.all(`${SELECT} order by slot`),
    )
    return rows.map(lockRow)
  }
}
