/** Removing rows from the database that the archive is proven to have (spec 07 §4.3). */
import { addDuration, Duration, type Instant } from '../../core/instant.ts'
import { StorageError } from '../../errors.ts'
import type { Archive } from '../../ports/archive.ts'
import { STATE } from '../../ports/slots.ts'
import type { Engine } from '../engine.ts'
import { failpoint, unitRows } from '../failpoint.ts'
import { type Slot, withSlot } from '../slot.ts'
import { beginTiers, settledState } from './flush.ts'
import { archiveOf, asHolder, COLD, type ColdCall, withColdSlot } from './slot.ts'

const PRUNE_ROWS = unitRows(10_000)
const DAY_MS = 86_400_000

export interface PruneResult {
  /** Rows removed from the database, or that would be. */
  readonly rows: number
  /** Rows at or below are in the archive only. */
  readonly pruned: number
}

export interface Retention {
  /** Rows stay in the database until every event before and among them is older than so many days. */
  readonly hotDays?: number
  /** So many of the last rows stay in the database. */
  readonly hotRows?: number
}

/**
 * Removes rows at or below `before` that are archived and that the active version has interpreted. First an independent
 * reader reads them back from the archive's newest version and compares. `before` 0 or left out: nothing.
 * @throws LockHeld while a build runs, StorageError that names the file in which a row differs
 */
export function pruneCold(
  engine: Engine,
  options: ColdCall & { readonly before?: number; readonly dryRun?: boolean } = {},
): Promise<PruneResult> {
  const archive = archiveOf(engine)
  return withColdSlot(engine, 'prune', options.signal, (slot) =>
    asHolder(slot, () => pruneInSlot(engine, archive, slot, options)),
  )
}

async function pruneInSlot(
  engine: Engine,
  archive: Archive,
  slot: Slot,
  { before = 0, dryRun, progress }: ColdCall & { readonly before?: number; readonly dryRun?: boolean },
): Promise<PruneResult> {
  await beginTiers(engine, slot.signal)
  const { flushed, pruned } = await settledState(engine, archive, slot)
  const to = Math.min(before, flushed, await interpreted(engine))
  if (to <= pruned) return { rows: 0, pruned }
  if (dryRun === true) return { rows: to - pruned, pruned }
  const version = await confirmed(engine, archive, pruned, to)
  failpoint('prune.confirmed')
  const rows = await withSlot(engine, STATE, 'prune', slot.signal, (state) =>
    removeRows(engine, { cold: slot, state }, { pruned, to, version }, progress),
  )
  return { rows, pruned: to }
}

/** How often rows or archive may change while they are compared. */
const CHANGES = 10

/** The version of the archive that holds every row of the range as the database has it. */
export async function confirmed({ store }: Engine, archive: Archive, after: number, to: number): Promise<number> {
  const { tiers, ledger } = store
  for (let attempt = 1; ; attempt += 1) {
    await ledger.settle()
    const job = (await tiers.state())?.job
    try {
      return await archive.confirm({ after, to, rows: tiers.rows({ after, to }) })
    } catch (error) {
      const isGone = error instanceof StorageError && error.code === 'E_ARCHIVE_VERSION'
      const hasChanged = (await tiers.countStaged()) > 0 || (await tiers.state())?.job !== job
      if (!(isGone || hasChanged) || attempt === CHANGES) throw error
    }
  }
}

/** Up to where every shard of the active version has interpreted the ledger; nothing if it was never built. */
async function interpreted({ store }: Engine): Promise<number> {
  const active = await store.versions.active()
  if (active === undefined) return 0
  const states = await store.builds.all(active.version)
  return states.length === 0 ? 0 : Math.min(...states.map(({ cursor }) => cursor))
}

async function removeRows(
  engine: Engine,
  slots: { cold: Slot; state: Slot },
  { pruned, to, version }: { pruned: number; to: number; version: number },
  progress: ColdCall['progress'],
): Promise<number> {
  const { tiers, locks } = engine.store
  let removed = 0
  for (let at = pruned; at < to; ) {
    const end = Math.min(at + PRUNE_ROWS, to)
    removed += await slots.state.unit('', async (unit) => {
      await locks.fence(unit.tx, COLD, slots.cold.epoch)
      const seen = (await tiers.lock(unit))?.tableVersion ?? 0
      const rows = await tiers.prune(unit, end)
      await tiers.put(unit, { tableVersion: Math.max(version, seen) })
      failpoint('prune.written')
      return rows
    })
    failpoint('prune.committed')
    at = end
    progress?.(at - pruned, to - pruned)
  }
  return removed
}

/** The `before` of a prune that keeps to the retention; 0 if it does not say what may go. */
export async function retentionBound(
  engine: Engine,
  { hotDays, hotRows }: Retention,
  asOf: Instant = engine.now(),
): Promise<number> {
  const { store } = engine
  if (hotDays === undefined && hotRows === undefined) return 0
  const head = await store.ledger.head()
  const byRows = hotRows === undefined ? head : Math.max(0, head - hotRows)
  if (hotDays === undefined) return byRows
  const since = addDuration(asOf, new Duration(-hotDays * DAY_MS))
  if (since === null) return 0
  // Events dated later than now do not keep others from going.
  const first = await store.tiers.firstSequence({
    after: (await store.tiers.state())?.pruned ?? 0,
    since: since.toString(),
    until: asOf.toString(),
  })
  return first === null ? byRows : Math.min(byRows, first - 1)
}
