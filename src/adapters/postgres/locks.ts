/** Slots with fencing epochs (spec 10 §4.4). */
import { type Instant, instantFromText } from '../../core/instant.ts'
import { StorageError } from '../../errors.ts'
import { askedBy, checkEpoch, excludedBy, expiry, inTheWay, lockHeld, wish } from '../../ports/slots.ts'
import type { Holder, LockPort, LockRow, Tx, Unit } from '../../ports/store.ts'
import { LOCK_COLUMNS, lockRow } from '../sql/rows.ts'
import { sqlState } from './errors.ts'
import type { Space } from './space.ts'

const LOCK_NOT_AVAILABLE = '55P03'
const FREE = 'holder = null, acquired_at = null, renewed_at = null, expires_at = null'

export class PostgresLocks implements LockPort {
  readonly #space: Space
  readonly #table: string
  readonly #isDead: (holder: Holder) => boolean

  /** `isDead` says whether a holder on this machine is certainly gone. */
  constructor(space: Space, isDead: (holder: Holder) => boolean) {
    this.#space = space
    this.#table = space.names.infra('namespace_lock')
    this.#isDead = isDead
  }

  async clock(): Promise<Instant> {
    const [row] = await this.#space.database.query(null, 'locks.clock', 'select clock_timestamp()')
    const now = instantFromText(String(row?.[0]))
    if (now === null) throw new StorageError('the clock of the database gives no valid time')
    return now
  }

  async acquire(slot: string, holder: Holder, ttlMs: number, now: Instant): Promise<number> {
    const { database, names } = this.#space
    return database.transaction(async (tx) => {
      // Two processes that want slots without a row yet would otherwise not see each other.
      await database.query(tx, 'locks.acquire', 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `defacto/${names.namespace}/slots`,
      ])
      const rows = await database.query(tx, 'locks.acquire', `select ${LOCK_COLUMNS} from ${this.#table} order by slot`)
      const { held, lapsed } = inTheWay(rows.map(lockRow), { slot, holder, now, isDead: this.#isDead })
      if (held !== undefined) throw lockHeld(held)
      // A new epoch waits for the chunk its former holder has open (`fence`), and for nothing else.
      if (lapsed.length > 0) {
        await database.query(
          tx,
          'locks.acquire',
          `update ${this.#table} set epoch = epoch + 1, ${FREE}, wanted_by = null where slot = any($1)`,
          [lapsed.map((row) => row.slot)],
        )
      }
      const [row] = await database.query(
        tx,
        'locks.acquire',
        `insert into ${this.#table} as l (slot, epoch, holder, acquired_at, renewed_at, expires_at)
          values ($1, 1, $2, $3, $3, $4) on conflict (slot) do update set epoch = l.epoch + 1, holder = excluded.holder,
          acquired_at = excluded.acquired_at, renewed_at = excluded.renewed_at, expires_at = excluded.expires_at,
          wanted_by = null returning epoch`,
        [slot, JSON.stringify(holder), now.toString(), expiry(now, ttlMs)],
      )
      return row?.[0] as number
    })
  }

  async fence(tx: Tx, slot: string, epoch: number): Promise<void> {
    const [row] = await this.#space.database.query(
      tx,
      'locks.fence',
      `select epoch from ${this.#table} where slot = $1 for share`,
      [slot],
    )
    checkEpoch(slot, epoch, row?.[0] as number | undefined)
  }

  async renew(slot: string, epoch: number, ttlMs: number, now: Instant): Promise<boolean> {
    const { database } = this.#space
    const renewed = await database.transaction((tx) =>
      database.execute(
        tx,
        'locks.renew',
        `update ${this.#table} set renewed_at = $3, expires_at = $4
          where slot = $1 and epoch = $2 and holder is not null`,
        [slot, epoch, now.toString(), expiry(now, ttlMs)],
      ),
    )
    return renewed === 1
  }

  async release(slot: string, epoch: number): Promise<void> {
    const { database } = this.#space
    await database.transaction((tx) =>
      database.query(tx, 'locks.release', `update ${this.#table} set ${FREE} where slot = $1 and epoch = $2`, [
        slot,
        epoch,
      ]),
    )
  }

  async want(slot: string, purpose: string): Promise<void> {
    const { database } = this.#space
    const wanted = wish(purpose, await this.clock())
    const held = excludedBy(await this.list(), slot)
    // Outside the queue of transactions: a slot's row is shared by the chunk its holder has open, so this may wait for its
    // end, and whatever else this process writes need not. Not for long, either: who goes on waiting asks again.
    await database.withReader('locks.want', async (client) => {
      const first = `insert into ${this.#table} as l (slot, epoch, wanted_by) values ($1, 0, $2)
        on conflict (slot) do update set wanted_by = excluded.wanted_by`
      const other = `update ${this.#table} set wanted_by = $2 where slot = $1`
      for (const name of [slot, ...held]) {
        await client.query(`begin; set local lock_timeout = '1s'`)
        try {
          await client.query(name === slot ? first : other, [name, wanted])
          await client.query('commit')
        } catch (error) {
          await client.query('rollback')
          if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error
        }
      }
    })
  }

  async wanted(tx: Tx, slot: string, epoch: number): Promise<string | null> {
    const [row] = await this.#space.database.query(
      tx,
      'locks.wanted',
      `select wanted_by, clock_timestamp() from ${this.#table} where slot = $1 and epoch = $2`,
      [slot, epoch],
    )
    const [wanted, clock] = (row ?? [null, null]) as [string | null, string | null]
    const now = clock === null ? null : instantFromText(clock)
    return wanted === null || now === null ? null : askedBy(wanted, now)
  }

  async outdate(unit: Unit, slot: string): Promise<void> {
    await this.#space.database.query(
      unit.tx,
      'locks.outdate',
      `update ${this.#table} set epoch = epoch + 1 where starts_with(slot, $1)`,
      [`${slot}/`],
    )
  }

  async list(): Promise<LockRow[]> {
    const rows = await this.#space.database.query(
      null,
      'locks.list',
      `select ${LOCK_COLUMNS} from ${this.#table} order by slot`,
    )
    return rows.map(lockRow)
  }
}
