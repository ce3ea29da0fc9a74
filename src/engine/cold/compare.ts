/** Whether database and archive belong together, and how far each is (spec 07 §5.5). */
import { isDeepStrictEqual } from 'node:util'
import { StorageError } from '../../errors.ts'
import type { Archive, ArchiveSnapshot } from '../../ports/archive.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Engine } from '../engine.ts'
import { forgetAsArchive } from './forgotten.ts'

/** Name under which the archive records the last sequence that was flushed to it. */
export function flushApp(engine: Engine): string {
  return `defacto-flush/${engine.store.namespace}`
}

/** What the archive says: its newest version and the last sequence it holds; null and 0 if there is no table. */
export interface Reached {
  readonly snapshot: ArchiveSnapshot | null
  readonly last: number
}

export async function reached(engine: Engine, archive: Archive): Promise<Reached> {
  const snapshot = await archive.snapshot()
  const last = snapshot === null ? 0 : await archive.boundary(flushApp(engine))
  return { snapshot, last }
}

/**
 * Refuses an archive that is not this database's, lost rows, or knows rows that the database does not.
 * @throws StorageError `E_COLD_FOREIGN`, `E_COLD_BEHIND`, `E_COLD_AHEAD`
 */
function assertTogether(archive: Archive, state: TierState | null, { snapshot, last }: Reached): void {
  const details = { operation: 'cold', driver: 'tiered', place: archive.location }
  const tableId = state?.tableId ?? null
  if (tableId === null) {
    if (last === 0 && (snapshot?.rows ?? 0) === 0) return
    throw new StorageError(
      `'${archive.location}' holds an archive up to sequence ${last}, and this database has never archived anything. If it is the archive of this ledger's lost database, take it over with 'defacto cold restore'; else give 'coldLedger' a place of its own.`,
      { code: 'E_COLD_FOREIGN', details },
    )
  }
  if (snapshot === null || snapshot.tableId !== tableId) {
    throw new StorageError(
      `'${archive.location}' holds ${snapshot === null ? 'no archive' : 'another archive'}, but this database has archived ${state?.flushed} rows. Point 'coldLedger' to where they are; 'defacto cold move' moves them.`,
      { code: 'E_COLD_FOREIGN', details },
    )
  }
  if (last < (state?.flushed ?? 0) || snapshot.version < (state?.tableVersion ?? 0)) {
    throw new StorageError(
      `The archive in '${archive.location}' is at version ${snapshot.version} and ends at sequence ${last}, but this database has seen version ${state?.tableVersion}, with rows up to ${state?.flushed}: it is an older copy. Bring the newer one back, or copy the rest with 'defacto cold move'.`,
      { code: 'E_COLD_BEHIND', details },
    )
  }
  if (last > (state?.claimed ?? 0)) {
    throw new StorageError(
      `The archive in '${archive.location}' goes on to sequence ${last}, but this database has archived only up to ${state?.claimed}: it was restored from an older backup, or another database writes to that place. In the first case 'defacto cold restore' takes over what is missing; in the second give each a place of its own.`,
      { code: 'E_COLD_AHEAD', details },
    )
  }
}

/**
 * What both say at one time. While other processes flush or change rows, the archive may be seen before or after what the
 * database says of it, so both are read until the database says the same before and after.
 * @throws StorageError as `assertTogether`
 */
export async function compared(engine: Engine, archive: Archive): Promise<Reached & { state: TierState | null }> {
  const { tiers } = engine.store
  for (let before = await tiers.state(); ; ) {
    const found = await reached(engine, archive)
    const state = await tiers.state()
    if (isDeepStrictEqual(state, before)) {
      assertTogether(archive, state, found)
      return { ...found, state }
    }
    before = state
  }
}

/** As when opening a space: they belong together, and neither knows what the other has forgotten. Costs one listing of the log. */
export async function reconcileCold(engine: Engine): Promise<void> {
  const { archive } = engine.store
  if (archive !== null) await forgetAsArchive(engine, archive, await compared(engine, archive))
}
