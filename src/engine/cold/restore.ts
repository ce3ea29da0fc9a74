/** Taking over what only the archive has: after the loss of the database, or of its newest rows (spec 07 §5.5). */
import { isDeepStrictEqual } from 'node:util'
import { StorageError } from '../../errors.ts'
import type { Archive, ArchiveRow } from '../../ports/archive.ts'
import { STATE } from '../../ports/slots.ts'
import type { EventIdRow, TierState } from '../../ports/tiers.ts'
import type { Engine } from '../engine.ts'
import { failpoint, unitRows } from '../failpoint.ts'
import { MIXED, putMapping } from '../mapping.ts'
import { type Slot, withSlot } from '../slot.ts'
import { reached } from './compare.ts'
import { beginTiers } from './flush.ts'
import { forgetInSlots } from './forgotten.ts'
import { confirmed } from './prune.ts'
import { archiveOf, COLD, type ColdCall, withColdSlot } from './slot.ts'

const ADOPT_ROWS = unitRows(10_000)

export interface RestoreResult {
  /** Rows taken over. */
  readonly rows: number
  /** Last sequence of the ledger now. */
  readonly head: number
}

/**
 * Continues the ledger with the archived rows behind its end: their ids and counts come to the database, their content
 * stays in the archive. Rows that both have must be the same; they leave the database. The next build renormalizes and
 * groups everything anew, because what the lost database knew of definitions and identities is gone. May be interrupted
 * and repeated; nothing may be ingested meanwhile.
 * @throws StorageError `E_COLD_DIVERGED` if the database has other rows than the archive under the same sequences
 */
export function restoreCold(engine: Engine, options: ColdCall = {}): Promise<RestoreResult> {
  const archive = archiveOf(engine)
  return withColdSlot(engine, 'restore', options.signal, async (cold) => {
    await beginTiers(engine, cold.signal)
    return withSlot(engine, STATE, 'restore', cold.signal, (state) =>
      takeOver(engine, archive, { cold, state }, options.progress),
    )
  })
}

async function takeOver(
  engine: Engine,
  archive: Archive,
  slots: { cold: Slot; state: Slot },
  progress: ColdCall['progress'],
): Promise<RestoreResult> {
  const { ledger, tiers } = engine.store
  const { snapshot, last } = await reached(engine, archive)
  const before = await tiers.state()
  const head = await ledger.head()
  if (snapshot === null || before === null) return { rows: 0, head }
  if (before.tableId !== null && before.tableId !== snapshot.tableId) throw otherTable(archive)
  await forgetInSlots(engine, archive, slots)
  const write = (next: Partial<Omit<TierState, 'filled'>>, rows: readonly ArchiveRow[]): Promise<void> =>
    slots.state.unit('', async (unit) => {
      await engine.store.locks.fence(unit.tx, COLD, slots.cold.epoch)
      await tiers.lock(unit)
      if (rows.length > 0) await tiers.adopt(unit, rows.map(eventIdRow))
      const refuses = rows.some(({ source, eventId }) => source === null && eventId !== null)
      if (refuses) await engine.store.ledger.guard(unit, { suppressing: true })
      await tiers.put(unit, { tableId: snapshot.tableId, tableVersion: snapshot.version, ...next })
      if (rows.length > 0 || next.pruned !== undefined) {
        await putMapping(engine, unit, { sourceHash: MIXED, identityHash: MIXED })
      }
      failpoint('restore.written')
    })

  const common = Math.min(head, last)
  await alignCommon(engine, archive, before.pruned, common)
  await write({ flushed: Math.max(common, before.flushed), claimed: Math.max(common, before.claimed) }, [])
  if (head >= last) return { rows: 0, head }
  if (head > before.pruned) await slots.state.unit('', (unit) => tiers.prune(unit, head))
  const columns = ['eventId', 'source', 'duplicateOf', 'excluded'] as const
  for await (const chunk of archive.scan({ after: head, to: last, columns, snapshot })) {
    for (let at = 0; at < chunk.length; at += ADOPT_ROWS) {
      const rows = chunk.slice(at, at + ADOPT_ROWS)
      const end = rows.at(-1)?.sequence ?? head
      await write({ pruned: end, flushed: end, claimed: end }, rows)
      failpoint('restore.committed')
      progress?.(end - head, last - head)
    }
  }
  return { rows: last - head, head: await ledger.head() }
}

/**
 * Rows that both have were received as the same records, or the two do not belong together. Where definitions have changed
 * what they say since the backup, the archive follows the database; the next build makes both new.
 */
async function alignCommon(engine: Engine, archive: Archive, pruned: number, to: number): Promise<void> {
  const { tiers, ledger } = engine.store
  if (to <= pruned) return
  await ledger.settle()
  for await (const rows of tiers.rows({ after: pruned, to })) {
    const [first, last] = [rows[0]?.sequence ?? 0, rows.at(-1)?.sequence ?? 0]
    const archived = new Map<number, ArchiveRow>()
    for await (const some of archive.scan({ after: first - 1, to: last })) {
      for (const row of some) archived.set(row.sequence, row)
    }
    const other = rows.filter((row) => !isDeepStrictEqual(row, archived.get(row.sequence)))
    const foreign = other.find((row) => row.raw !== archived.get(row.sequence)?.raw)
    if (foreign !== undefined) throw diverged(pruned, to, foreign.sequence)
    if (other.length === 0) continue
    await engine.unit('', async (unit) => {
      const state = await tiers.lock(unit)
      const changes = other.map(({ sequence }) => ({ sequence, change: {} }))
      if (state !== null) await tiers.stage(unit, state.job, changes)
    })
  }
  await confirmed(engine, archive, pruned, to)
}

function diverged(pruned: number, to: number, sequence: number): StorageError {
  return new StorageError(
    `Database and archive have different events under the same sequences (between ${pruned + 1} and ${to}, the first is ${sequence}): events were ingested into the restored database before it took over what the archive has. Restore the backup again and run this first; ingest those events afterwards.`,
    { code: 'E_COLD_DIVERGED', details: { operation: 'cold.restore', driver: 'tiered', sequence } },
  )
}

function eventIdRow({ sequence, eventId, source, duplicateOf, excluded }: ArchiveRow): EventIdRow {
  return { sequence, eventId, source, duplicateOf, excluded: excluded ?? false }
}

function otherTable(archive: Archive): StorageError {
  return new StorageError(
    `'${archive.location}' holds the archive of another ledger; point 'coldLedger' to the one of this database.`,
    { code: 'E_COLD_FOREIGN', details: { operation: 'cold.restore', driver: 'tiered', place: archive.location } },
  )
}
