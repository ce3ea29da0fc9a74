/** Slots: who may write what, told by epochs (spec 10 §4.4), and how processes wake each other. */
import type { Instant } from '../core/instant.ts'
import type { Tx, Unit } from './store.ts'

/** Who holds a slot. `startedAt` is the process start as the host reports it, so that a reused pid is not mistaken. */
export interface Holder {
  readonly host: string
  readonly pid: number
  readonly startedAt: string
  /** What it is doing, for people: `build`, `tick`, … */
  readonly purpose: string
  /** Tells the calls of one process apart. */
  readonly claim?: string
  /** Into how many shards it divides the entities; left out: it does not. */
  readonly shards?: number
  /** The run it works for, and its attempt: a later attempt of the same run takes its slots over. */
  readonly run?: string
  readonly attempt?: number
}
export interface LockRow {
  readonly slot: string
  readonly epoch: number
  readonly holder: Holder | null
  readonly acquiredAt: string | null
  readonly renewedAt: string | null
  readonly expiresAt: string | null
}
export interface LockPort {
  /** The time by which slots expire: of the database where several machines share it. */
  clock(): Promise<Instant>
  /**
   * Takes the slot (spec 10 §4.4) if it and all slots that exclude it (`slots.ts`) are free, expired, or their
   * holders dead on this machine; those lose their epochs. Epoch grows by one.
   * Otherwise `LockHeld`, whose details name holder and since when.
   */
  acquire(slot: string, holder: Holder, ttlMs: number, now: Instant): Promise<number>
  /** First statement of every chunk transaction: throws `Fenced` if the slot's epoch is another one. */
  fence(tx: Tx, slot: string, epoch: number): Promise<void>
  /** False if the epoch is stale. */
  renew(slot: string, epoch: number, ttlMs: number, now: Instant): Promise<boolean>
  release(slot: string, epoch: number): Promise<void>
  /**
   * Asks the holders of this slot, and of those that exclude it, to hand over at their next chunk (spec 10 §4.4). Soon
   * forgotten: who goes on waiting asks again.
   */
  want(slot: string, purpose: string): Promise<void>
  /** Who wants the slot of this epoch, held or let go already; null: nobody. Ends with the epoch. */
  wanted(tx: Tx, slot: string, epoch: number): Promise<string | null>
  /** What processes hold in memory of the slots below this one (`state` → `state/1`) counts no more: new epochs for them. */
  outdate(unit: Unit, slot: string): Promise<void>
  list(): Promise<LockRow[]>
}

/** Wakes processes that wait for others: LISTEN/NOTIFY where there is one, else they look again after a while. */
export interface SignalPort {
  /** Once the unit commits, every store of the space that waits is woken. */
  send(unit: Unit): Promise<void>
  /** Resolves at the next signal, or after `ms` milliseconds. Signals may be missed: look before and after. */
  wait(ms: number): Promise<void>
}
