/** Copying ledger rows to the archive (spec 07 §4.3, §5.5). */
import { StorageError } from '../../errors.ts'
import type { Archive, ArchiveRow } from '../../ports/archive.ts'
import { STATE } from '../../ports/slots.ts'
import type { Unit } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Engine } from '../engine.ts'
import { failpoint, unitRows } from '../failpoint.ts'
import { type Slot, withSlot } from '../slot.ts'
import { compared, flushApp } from './compare.ts'
import { archiveOf, asHolder, type ColdCall, withColdSlot } from './slot.ts'

/** Event ids written per unit when tiering is switched on. */
const FILL_ROWS = unitRows(50_000)

export interface FlushResult {
  /** Rows and files that this call archived. */
  readonly rows: number
  readonly files: number
  /** Last archived sequence. */
  readonly flushed: number
}

/**
 * Archives every row up to `upTo` (default: all there are). Interrupted anywhere, the next call goes on; rows are never
 * archived twice. The first call makes the ledger a tiered one, which takes the slot of the state as well.
 * @throws LockHeld, StorageError
 */
export function flushCold(engine: Engine, options: ColdCall & { readonly upTo?: number } = {}): Promise<FlushResult> {
  const archive = archiveOf(engine)
  return withColdSlot(engine, 'flush', options.signal, (slot) =>
    asHolder(slot, () => flushInSlot(engine, archive, slot, options)),
  )
}

async function flushInSlot(
  engine: Engine,
  archive: Archive,
  slot: Slot,
  { upTo, progress }: ColdCall & { readonly upTo?: number },
): Promise<FlushResult> {
  await beginTiers(engine, slot.signal)
  const before = await settledState(engine, archive, slot)
  const to = Math.min(upTo ?? Number.MAX_SAFE_INTEGER, await engine.store.ledger.head())
  if (to <= before.flushed) return { rows: 0, files: 0, flushed: before.flushed }
  await claim(engine, slot, to)
  failpoint('flush.claimed')
  const { rows, files, last } = await archive.append({
    appId: flushApp(engine),
    info: { spaceId: engine.store.spaceId, epoch: slot.epoch },
    rows: (after) => rowsToArchive(engine, slot, { after, to, before: before.flushed }, progress),
  })
  failpoint('flush.archived')
  await recordFlushed(engine, archive, slot, last)
  failpoint('flush.recorded')
  return { rows, files, flushed: last }
}

/** Makes the ledger a tiered one: from then on event ids are kept apart from the rows that may leave. */
export async function beginTiers(engine: Engine, signal: AbortSignal | undefined): Promise<void> {
  const { tiers } = engine.store
  const state = await tiers.state()
  if (state !== null && state.filled === null) return
  // Renormalizing would change ids while they are copied.
  await withSlot(engine, STATE, 'begin cold tier', signal, async (slot) => {
    await slot.unit('', (unit) => tiers.begin(unit), { progress: false })
    while (!(await slot.unit('', (unit) => tiers.fill(unit, FILL_ROWS)))) failpoint('tiers.filled')
  })
}

/**
 * The state of a ledger whose archive is where it should be. A flush that ended between its commit and the record of it
 * is completed; an empty table is made and noted, so that from the first row on it is known which one belongs here.
 */
export async function settledState(engine: Engine, archive: Archive, slot: Slot): Promise<TierState> {
  const { tiers } = engine.store
  const { state, last } = await compared(engine, archive)
  if (state === null) throw new Error('the ledger is not tiered')
  if (state.tableId === null) {
    await archive.append({ appId: flushApp(engine), rows: async function* () {} })
    await recordFlushed(engine, archive, slot, 0)
  } else if (last > state.flushed) await recordFlushed(engine, archive, slot, last)
  return (await tiers.state()) ?? state
}

/** From here on units that change rows up to `to` record the change for the archive too. */
async function claim(engine: Engine, slot: Slot, to: number): Promise<void> {
  const { tiers } = engine.store
  const raise = async (unit: Unit): Promise<void> => {
    const state = await tiers.lock(unit)
    if (state !== null && state.claimed < to) await tiers.put(unit, { claimed: to })
  }
  await slot.unit('', raise, { progress: false })
}

async function* rowsToArchive(
  engine: Engine,
  slot: Slot,
  { after, to, before }: { after: number; to: number; before: number },
  progress: ColdCall['progress'],
): AsyncGenerator<ArchiveRow[]> {
  let last = after
  for await (const rows of engine.store.tiers.rows({ after, to })) {
    slot.signal?.throwIfAborted()
    for (const { sequence } of rows) {
      if (sequence !== last + 1) throw gap(last, sequence)
      last = sequence
    }
    yield rows
    progress?.(last - before, to - before)
  }
  if (last < to) throw gap(last, null)
}

/** Sequences have no gaps: a missing one is a lost row, and must not be taken for archived. */
function gap(last: number, next: number | null): StorageError {
  const found = next === null ? 'the ledger ends there' : `the next one is ${next}`
  return new StorageError(
    `The ledger lacks the row after sequence ${last} (${found}); nothing beyond it was archived. Restore the database from a backup.`,
    { code: 'E_LEDGER_GAP', details: { operation: 'cold.flush', driver: 'tiered', after: last } },
  )
}

async function recordFlushed(engine: Engine, archive: Archive, slot: Slot, last: number): Promise<void> {
  const { tiers } = engine.store
  const snapshot = await archive.snapshot()
  if (snapshot === null) throw goneAgain(archive)
  await slot.unit('', async (unit) => {
    const state = await tiers.lock(unit)
    await tiers.put(unit, {
      flushed: Math.max(last, state?.flushed ?? 0),
      tableId: snapshot.tableId,
      tableVersion: Math.max(snapshot.version, state?.tableVersion ?? 0),
    })
  })
}

/** A store whose listing lags, or somebody removed it. */
function goneAgain(archive: Archive): StorageError {
  return new StorageError(`The table in '${archive.location}' that was just written to is not there; try again.`, {
    recoverable: true,
    details: { operation: 'cold.flush', driver: 'tiered', place: archive.location },
  })
}
