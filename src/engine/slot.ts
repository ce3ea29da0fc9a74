/** Exclusive work on a version's state: takes the slot, fences every chunk, renews, releases (spec 10 §4.4). */
import { randomUUID } from 'node:crypto'
import { DefactoError, Fenced, LockHeld } from '../errors.ts'
import { STATE } from '../ports/slots.ts'
import type { Holder, Tx, Unit } from '../ports/store.ts'
import type { Engine } from './engine.ts'

/** Parts of the lease after which it is renewed: by a timer, and by a unit that was committed. */
const RENEW_PART = 1 / 3
const RENEW_AFTER_PART = 2 / 9
/** How long a process that waits for others sleeps at most before it looks again. */
const LOOK_AGAIN_MS = 1000

/** Claims of this process that are over, although the database may take them for held: it did not answer. */
const over = new Set<string>()

/** Whether the holder is a call of this process that has ended without being able to say so. */
export function isOver(holder: Holder): boolean {
  return holder.claim !== undefined && over.has(holder.claim)
}

/** Somebody waits for the slot, and its holder can go on later: unwinds to where the slot was taken. Never gets to callers. */
class HandOver extends Error {}

/** A held slot. Every write of its holder goes through `unit`. */
export class Slot {
  readonly epoch: number
  readonly #engine: Engine
  readonly #name: string
  readonly #signal: AbortSignal | undefined
  readonly #yields: boolean
  #renewedAt: number
  #hasProgressed = false
  #isWanted = false

  /** `yields`: the holder begins again where it was stopped, so it may be. */
  constructor(
    engine: Engine,
    name: string,
    epoch: number,
    { signal, yields }: { signal: AbortSignal | undefined; yields: boolean },
  ) {
    this.#engine = engine
    this.#name = name
    this.epoch = epoch
    this.#signal = signal
    this.#yields = yields
    this.#renewedAt = performance.now()
  }

  /** Whether its holder stopped because somebody waits for it. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Stops waiting and working when it aborts. */
  get signal(): AbortSignal | undefined {
    return this.#signal
  }

  /**
   * One transaction under the fence; throws `Fenced` (and writes nothing) if the slot was taken over. `progress`: false
   * for what every attempt does anew, or a function that tells it from the result. Whoever wants the slot gets it once
   * there has been some: between two units nothing is lost.
   */
  async unit<T>(
    version: string,
    work: (unit: Unit) => Promise<T>,
    { progress = true }: { progress?: boolean | ((result: T) => boolean) } = {},
  ): Promise<T> {
    await this.#engine.breathe()
    this.#signal?.throwIfAborted()
    const { store } = this.#engine
    const isProgress = (result: T): boolean => (typeof progress === 'function' ? progress(result) : progress)
    const result = await this.#engine.transaction(async (tx) => {
      await store.locks.fence(tx, this.#name, this.epoch)
      if (this.#yields && this.#hasProgressed) await this.#handOver(tx)
      return this.#engine.inRun({ tx, epoch: this.epoch, version, now: this.#engine.now() }, work, isProgress)
    })
    if (isProgress(result)) {
      this.#hasProgressed = true
      this.#engine.run?.committed()
    }
    if (performance.now() - this.#renewedAt > this.#engine.leaseMs * RENEW_AFTER_PART) await this.#keep()
    return result
  }

  async #handOver(tx: Tx): Promise<void> {
    const by = await this.#engine.store.locks.wanted(tx, this.#name, this.epoch)
    if (by === null) return
    this.#isWanted = true
    throw new HandOver(`'${by}' waits for slot '${this.#name}'`)
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
    this.#renewedAt = performance.now()
    const { store, leaseMs } = this.#engine
    const { locks } = store
    const kept = await locks.renew(this.#name, this.epoch, leaseMs, await locks.clock())
    if (!kept) throw new Fenced(`slot '${this.#name}' was taken over by another writer; nothing more is written here`)
  }
}

/**
 * Runs `work` while holding the slot of the state this process works on: everything, or its shard. `LockHeld` if a live
 * holder has it, or one that it excludes; a shard waits while another shard does something for all of them. `work` runs
 * again from its start after somebody who wanted the slot has had it: it goes on from what is stored.
 */
export async function withStateSlot<T>(
  engine: Engine,
  purpose: string,
  signal: AbortSignal | undefined,
  work: (slot: Slot) => Promise<T>,
): Promise<T> {
  const { shard } = engine.store
  const name = shard === null ? STATE : `${STATE}/${shard.id}`
  let isBack = false
  while (true) {
    try {
      return await withSlot(engine, name, purpose, signal, work, { yields: true })
    } catch (error) {
      if (error instanceof HandOver) {
        isBack = true
        await untilTaken(engine, signal)
        continue
      }
      const waits = isBack ? error instanceof LockHeld : shard !== null && isForAll(error, shard.total)
      if (!waits) throw error
    }
    await waitForOthers(engine, signal)
  }
}

/** Waits until whoever wants the state of all has taken it, or has given up. */
async function untilTaken(engine: Engine, signal: AbortSignal | undefined): Promise<void> {
  const { locks } = engine.store
  while (true) {
    const epoch = (await locks.list()).find(({ slot }) => slot === STATE)?.epoch
    if (epoch === undefined) return
    if ((await engine.transaction((tx) => locks.wanted(tx, STATE, epoch))) === null) return
    await waitForOthers(engine, signal)
  }
}

/** Whether a shard of the same division holds the state of all: a reset, or a change of the active version. */
function isForAll(error: unknown, total: number): boolean {
  if (!(error instanceof LockHeld) || error.details['slot'] !== STATE) return false
  return (error.details['holder'] as Holder | null)?.shards === total
}

/**
 * Runs `work` while holding the state of all shards, for what one of them does for everybody (spec 04 §5.4). Waits while
 * others hold theirs, until `done` says that somebody else has done it; then it returns undefined. `want`: asks them to hand
 * over; `yields`: does so itself, and begins again.
 */
export async function withWholeState<T>(
  engine: Engine,
  purpose: string,
  signal: AbortSignal | undefined,
  done: () => Promise<boolean>,
  work: (slot: Slot) => Promise<T>,
  { want = true, yields = false }: { want?: boolean; yields?: boolean } = {},
): Promise<T | undefined> {
  while (!(await done())) {
    try {
      return await withSlot(engine, STATE, purpose, signal, async (slot) => ((await done()) ? undefined : work(slot)), {
        yields,
      })
    } catch (error) {
      if (error instanceof HandOver) {
        await untilTaken(engine, signal)
        continue
      }
      if (!(error instanceof LockHeld)) throw error
    }
    if (want) await ask(engine, purpose)
    await waitForOthers(engine, signal)
  }
  return undefined
}

/** Who cannot ask just now asks the next time it looks. */
async function ask(engine: Engine, purpose: string): Promise<void> {
  try {
    await engine.store.locks.want(STATE, purpose)
  } catch (error) {
    if (!(error instanceof DefactoError) || !error.recoverable) throw error
  }
}

/** Sleeps until another process of the space has done something, or a little while. */
export async function waitForOthers(engine: Engine, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await engine.store.signals.wait(LOOK_AGAIN_MS)
  signal?.throwIfAborted()
}

/** Runs `work` while holding the slot of this name; `LockHeld` if a live holder has it. */
export async function withSlot<T>(
  engine: Engine,
  name: string,
  purpose: string,
  signal: AbortSignal | undefined,
  work: (slot: Slot) => Promise<T>,
  { yields = false, wakes = false }: { yields?: boolean; wakes?: boolean } = {},
): Promise<T> {
  const { locks, shard } = engine.store
  const shards = shard === null ? {} : { shards: shard.total }
  const claim = randomUUID()
  const run = engine.run === null ? {} : { run: engine.run.runId, attempt: engine.run.attempt }
  const holder = {
    host: engine.host,
    pid: process.pid,
    startedAt: engine.processStart,
    purpose,
    claim,
    ...shards,
    ...run,
  }
  const epoch = await acquire(engine, name, holder)
  const slot = new Slot(engine, name, epoch, { signal, yields })
  const timer = setInterval(() => void slot.renew().catch(() => undefined), engine.leaseMs * RENEW_PART)
  timer.unref()
  try {
    return await work(slot)
  } finally {
    clearInterval(timer)
    // Once more on a new connection; a database that is gone will hear from this process that the claim is over.
    const release = (): Promise<void> => locks.release(name, epoch)
    await release()
      .catch(release)
      .catch(() => over.add(claim))
    // Who waits for slots: other shards, whoever was handed this one, and who handed it over.
    if (shard !== null || wakes || slot.isWanted) await wakeOthers(engine).catch(() => undefined)
  }
}

async function acquire(engine: Engine, name: string, holder: Holder & { claim: string }): Promise<number> {
  const { locks } = engine.store
  const now = await locks.clock()
  try {
    return await locks.acquire(name, holder, engine.leaseMs, now)
  } catch (error) {
    // Where the answer was lost, the slot may be held without anybody knowing its epoch.
    if (!(error instanceof LockHeld)) over.add(holder.claim)
    throw error
  }
}

async function wakeOthers(engine: Engine): Promise<void> {
  await engine.unit('', (unit) => engine.store.signals.send(unit))
}
