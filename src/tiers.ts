/** The tiers of the ledger: what is in the database, what in the archive (spec 07 §4.3, 09 §6). */
import { type ColdLedger, type ColdLedgerOptions, checkColdLedger } from './cold-options.ts'
import { type MovedArchive, moveArchive } from './cold-place.ts'
import { flushCold } from './engine/cold/flush.ts'
import { coldStatus, compactCold, type TierStatus, vacuumCold, verifyCold } from './engine/cold/maintain.ts'
import { pruneCold, retentionBound } from './engine/cold/prune.ts'
import { restoreCold } from './engine/cold/restore.ts'
import { archiveOf } from './engine/cold/slot.ts'
import type { Engine } from './engine/engine.ts'
import { ConfigError } from './errors.ts'
import { optionName } from './options.ts'
import type { Swept, Verified } from './ports/archive.ts'
import { loggingStorage } from './storage-log.ts'

export type { TierStatus }

/** Beyond every sequence. */
const ALL = Number.MAX_SAFE_INTEGER

export interface TierCallOptions {
  signal?: AbortSignal
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

/**
 * Calls run beside `ingest` and `build`. One process at a time changes the archive (`LockHeld` for the others). All
 * reject with `ConfigError` (`E_CONFIG_NO_COLD_LEDGER`) in a space that was opened without `coldLedger`.
 */
export class LedgerTiers {
  readonly #engine: Engine
  readonly #cold: ColdLedger | null
  readonly #assertOpen: () => void
  readonly #running = new Set<Promise<unknown>>()

  constructor(engine: Engine, cold: ColdLedger | null, assertOpen: () => void) {
    this.#engine = engine
    this.#cold = cold
    this.#assertOpen = assertOpen
  }

  /** Copies events up to `upTo` (default: all) to the archive. Returns how many were copied. */
  async flush(options: TierCallOptions & { upTo?: number } = {}): Promise<number> {
    const upTo = sequenceOption('upTo', options.upTo)
    return this.#run(async () => (await flushCold(this.#engine, { ...callOf(options), upTo })).rows)
  }

  /**
   * Removes events up to `before` that are archived and interpreted from the database; they stay readable. Without
   * `before`, what the `retention` of the option leaves; without that, everything archived. 0: nothing. Returns how many
   * were removed, with `dryRun` how many would be.
   */
  async prune(options: TierCallOptions & { before?: number; dryRun?: boolean } = {}): Promise<number> {
    const given = sequenceOption('before', options.before)
    return this.#run(async ({ retention }) => {
      const kept = retention === undefined ? ALL : await retentionBound(this.#engine, retention)
      const { dryRun = false } = options
      return (await pruneCold(this.#engine, { ...callOf(options), before: given ?? kept, dryRun })).rows
    })
  }

  /** Merges small files of the archive; returns how many files became how many. */
  async compact(options: { signal?: AbortSignal } = {}): Promise<{ before: number; after: number }> {
    return this.#run(() => compactCold(this.#engine, { signal: options.signal }))
  }

  /** Removes files that no version of the last `retentionMs` (7 days) uses. */
  async vacuum(options: { signal?: AbortSignal; retentionMs?: number } = {}): Promise<Swept> {
    const { signal, retentionMs } = options
    if (retentionMs !== undefined && !(Number.isSafeInteger(retentionMs) && retentionMs >= 0)) {
      throw new ConfigError("option 'retentionMs' must be a whole number of at least 0")
    }
    return this.#run(() => vacuumCold(this.#engine, { signal, retentionMs }))
  }

  /** Reads the whole archive and compares it with what its log and the database say of it. */
  async verify(options: TierCallOptions = {}): Promise<Verified> {
    return this.#run(() => verifyCold(this.#engine, callOf(options)))
  }

  /**
   * Takes over events that only the archive has; a build makes entities of them. For a database that was put back to a
   * backup while this space was open. One that was lost or put back before cannot be opened: `Defacto.restore`.
   */
  async restore(options: TierCallOptions = {}): Promise<{ rows: number; head: number }> {
    return this.#run(() => restoreCold(this.#engine, callOf(options)))
  }

  /**
   * Copies the archive to another, empty place and reads it there. Nothing changes here: open the space with the new
   * place afterwards.
   */
  async move(
    to: string | Pick<ColdLedgerOptions, 'url' | 'storage'>,
    options: TierCallOptions = {},
  ): Promise<MovedArchive> {
    const given = checkColdLedger(to, optionName)
    return this.#run((from) => {
      const target = typeof to === 'string' ? { ...given, storage: from.storage } : given
      return moveArchive(this.#engine, from, target, callOf(options))
    })
  }

  async status(): Promise<TierStatus> {
    return this.#run(() => coldStatus(this.#engine))
  }

  /** Resolves when no call is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  async #run<T>(work: (cold: ColdLedger) => Promise<T>): Promise<T> {
    this.#assertOpen()
    archiveOf(this.#engine)
    const running = loggingStorage(this.#engine.logger, () => work(this.#cold as ColdLedger))
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }
}

function callOf({ signal, onProgress }: TierCallOptions): {
  signal?: AbortSignal
  progress?: (done: number, total: number) => void
} {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { progress: (done: number, total: number) => onProgress({ done, total }) }),
  }
}

function sequenceOption(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value
  throw new ConfigError(`option '${name}' must be a sequence of the ledger: a whole number from 0`)
}
