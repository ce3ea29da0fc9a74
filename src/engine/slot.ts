/** Exclusive work on a version's state: takes the slot, fences every chunk, renews, releases (spec 10 §4.4). */
import { instantFromDate } from '../core/instant.ts'
import { Fenced } from '../errors.ts'
import type { Unit } from '../ports/store.ts'
import type { Engine } from './engine.ts'

const TTL_MS = 90_000
const RENEW_AFTER_MS = 20_000
const STATE_SLOT = 'state'

/** A held slot. Every write of its holder goes through `unit`. */
export class Slot {
  readonly epoch: number
  readonly #engine: Engine
  readonly #name: string
  readonly #signal: AbortSignal | undefined
  #renewedAt: number

  constructor(engine: Engine, name: string, epoch: number, signal: AbortSignal | undefined) {
    this.#engine = engine
    this.#name = name
    this.epoch = epoch
    this.#signal = signal
    this.#renewedAt = Date.now()
  }

  /** One transaction under the fence; throws `Fenced` (and writes nothing) if the slot was taken over. */
  async unit<T>(version: string, work: (unit: Unit) => Promise<T>): Promise<T> {
    await this.#engine.breathe()
    this.#signal?.throwIfAborted()
    const { store } = this.#engine
    const result = await store.transaction(async (tx) => {
      await store.locks.fence(tx, this.#name, this.epoch)
      return work({ tx, epoch: this.epoch, version, now: this.#engine.now() })
    })
    if (Date.now() - this.#renewedAt > RENEW_AFTER_MS) await this.#keep()
    return result
  }

  /** The unit is committed: the caller must learn of it even if the database does not answer just now. */
  async #keep(): Promise<void> {
    try {
      await this.renew()
    } catch (error) {
      if (error instanceof Fenced) throw error
    }
  }

  async renew(): Promise<void> {
    this.#renewedAt = Date.now()
    const kept = await this.#engine.store.locks.renew(this.#name, this.epoch, TTL_MS, wallClock())
    if (!kept) throw new Fenced(`slot '${this.#name}' was taken over by another writer; nothing more is written here`)
  }
}

/** Runs `work` while holding the state slot; `LockHeld` if a live holder has it. */
export async function withStateSlot<T>(
  engine: Engine,
  purpose: string,
  signal: AbortSignal | undefined,
  work: (slot: Slot) => Promise<T>,
): Promise<T> {
  return withSlot(engine, STATE_SLOT, purpose, signal, work)
}

/** Runs `work` while holding the slot of this name; `LockHeld` if a live holder has it. */
export async function withSlot<T>(
  engine: Engine,
  name: string,
  purpose: string,
  signal: AbortSignal | undefined,
  work: (slot: Slot) => Promise<T>,
): Promise<T> {
  const { locks } = engine.store
  const holder = { host: engine.host, pid: process.pid, startedAt: engine.processStart, purpose }
  const epoch = await locks.acquire(name, holder, TTL_MS, wallClock())
  const slot = new Slot(engine, name, epoch, signal)
  const timer = setInterval(() => void slot.renew().catch(() => undefined), 30_000)
  timer.unref()
  try {
    return await work(slot)
  } finally {
    clearInterval(timer)
    await locks.release(name, epoch).catch(() => undefined)
  }
}

/** Lock times are wall time, whatever clock the engine was given. */
function wallClock() {
  const now = instantFromDate(new Date())
  if (now === null) throw new Fenced('the machine clock gives no valid time')
  return now
}
