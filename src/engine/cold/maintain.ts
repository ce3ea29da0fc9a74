/** Keeping the archive in order, and looking whether it is (spec 07 §4.3). */
import type { Swept, Verified } from '../../ports/archive.ts'
import type { Engine } from '../engine.ts'
import { reached } from './compare.ts'
import { archiveOf, type ColdCall, withColdSlot } from './slot.ts'

/** Merges small files. Returns how many files became how many. */
export function compactCold(engine: Engine, { signal }: ColdCall = {}): Promise<{ before: number; after: number }> {
  const archive = archiveOf(engine)
  return withColdSlot(engine, 'compact', signal, () => archive.compact())
}

/**
 * Removes files that the table does not name any more, once they are older than `retentionMs` (7 days), and log entries
 * that a checkpoint replaces. What cannot be removed is listed with the reason.
 */
export function vacuumCold(engine: Engine, options: ColdCall & { readonly retentionMs?: number } = {}): Promise<Swept> {
  const archive = archiveOf(engine)
  return withColdSlot(engine, 'vacuum', options.signal, async () => {
    const { retentionMs } = options
    const files = await archive.vacuum(retentionMs === undefined ? {} : { retentionMs })
    const log = await archive.cleanLog()
    return {
      removed: files.removed + log.removed,
      bytes: files.bytes + log.bytes,
      pending: [...files.pending, ...log.pending],
    }
  })
}

/** Reads the whole archive and compares it with what was recorded when it was written, and with what the database says. */
export async function verifyCold(engine: Engine, { signal, progress }: ColdCall = {}): Promise<Verified> {
  const archive = archiveOf(engine)
  await engine.store.ledger.settle()
  const flushed = (await engine.store.tiers.state())?.flushed ?? 0
  const verified = await archive.verify({ signal, progress })
  const { last } = await reached(engine, archive)
  if (last >= flushed) return verified
  const problem = { path: archive.location, problem: `rows ${last + 1} to ${flushed} are missing at its end` }
  return { ...verified, problems: [...verified.problems, problem] }
}

export interface TierStatus {
  /** Where the archive is, secrets masked. */
  readonly location: string
  /** Null before the first flush. */
  readonly tableId: string | null
  /** Newest version of the table; null before the first flush. */
  readonly version: number | null
  /** Last sequence of the ledger, last archived one, and last one that is in the archive only. */
  readonly head: number
  readonly flushed: number
  readonly pruned: number
  readonly hotRows: number
  readonly coldRows: number
  readonly files: number
  readonly bytes: number
  /** Changes of archived rows that are not in the archive yet; the next flush, prune or read of them carries them over. */
  readonly staged: number
  /** While tiering is being switched on: event ids copied so far; else null. */
  readonly filled: number | null
}

export async function coldStatus(engine: Engine): Promise<TierStatus> {
  const archive = archiveOf(engine)
  const { store } = engine
  const { snapshot, last } = await reached(engine, archive)
  const state = await store.tiers.state()
  const head = await store.ledger.head()
  return {
    location: archive.location,
    tableId: snapshot?.tableId ?? null,
    version: snapshot?.version ?? null,
    head,
    flushed: Math.max(state?.flushed ?? 0, Math.min(last, state?.claimed ?? 0)),
    pruned: state?.pruned ?? 0,
    hotRows: head - (state?.pruned ?? 0),
    coldRows: snapshot?.rows ?? 0,
    files: snapshot?.files.length ?? 0,
    bytes: snapshot?.bytes ?? 0,
    staged: await store.tiers.countStaged(),
    filled: state?.filled ?? null,
  }
}
