/** The slot of everything that adds to the archive or takes rows out of the database (spec 10 §4.4). */
import { ConfigError, LockHeld, StorageError } from '../../errors.ts'
import type { Archive } from '../../ports/archive.ts'
import type { Engine } from '../engine.ts'
import { type Slot, waitForOthers, withSlot } from '../slot.ts'

export const COLD = 'cold'

export interface ColdCall {
  readonly signal?: AbortSignal
  /** Rows done of those there are to do. */
  readonly progress?: (done: number, total: number) => void
}

/** @throws ConfigError if the space has no cold tier */
export function archiveOf(engine: Engine): Archive {
  const { archive } = engine.store
  if (archive !== null) return archive
  throw new ConfigError("there is no cold tier; give its place with the option 'coldLedger'", {
    code: 'E_CONFIG_NO_COLD_LEDGER',
    details: { option: 'coldLedger' },
  })
}

/** Runs `work` while holding the slot; `LockHeld` if another process does. */
export function withColdSlot<T>(
  engine: Engine,
  purpose: string,
  signal: AbortSignal | undefined,
  work: (slot: Slot) => Promise<T>,
): Promise<T> {
  return withSlot(engine, COLD, purpose, signal, work)
}

/**
 * Runs `work` while nothing is flushed or pruned; waits for those who do. A ledger of one tier has nobody to wait for.
 * Whoever needs the state, too, takes that first, or takes it without waiting: a reset holds it when it comes here.
 */
export async function whileArchiveRests<T>(
  engine: Engine,
  purpose: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if ((await engine.store.tiers.state()) === null) return work()
  while (true) {
    try {
      return await withColdSlot(engine, purpose, signal, work)
    } catch (error) {
      if (!(error instanceof LockHeld) || error.details['slot'] !== COLD) throw error
    }
    await waitForOthers(engine, signal)
  }
}

/**
 * What a process makes of a failure: `Fenced` if it had lost its slot before. Others may have archived and removed rows
 * since, and what looks like damage is only that it knows of neither.
 */
export async function asHolder<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StorageError && !error.recoverable) await slot.unit('', async () => {}, { progress: false })
    throw error
  }
}
