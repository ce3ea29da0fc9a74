/**
 * What the archive has forgotten, the database must not know (spec 05 §4.6): one that was put back to an older copy still
 * has rows as they were before they were erased or redacted. The archive records the number of the changes it has, and how
 * far it goes; only where the database has come to neither are they compared.
 */
import type { DefinitionsObject } from '../../core/definition/model.ts'
import { readNote } from '../../core/privacy/note.ts'
import { compileProgram } from '../../core/program.ts'
import { LockHeld } from '../../errors.ts'
import { type Archive, type ArchiveRow, type ArchiveSnapshot, changesApp } from '../../ports/archive.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import { STATE } from '../../ports/slots.ts'
import type { TreatedRow, Unit } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Engine } from '../engine.ts'
import { failpoint } from '../failpoint.ts'
import { MIXED, putMapping } from '../mapping.ts'
import { type Slot, waitForOthers, withSlot } from '../slot.ts'
import { COLD, withColdSlot } from './slot.ts'

/** What says of an archived row whether something of it was forgotten. */
const SIGNS = ['eventId', 'eventType', 'redaction'] as const

/** What both say, read together. */
interface Found {
  readonly snapshot: ArchiveSnapshot | null
  readonly state: TierState | null
}

/** The rows that have to be compared. */
interface Doubtful {
  readonly snapshot: ArchiveSnapshot
  readonly state: TierState
  readonly after: number
  readonly to: number
}

function recorded({ store }: Engine, snapshot: ArchiveSnapshot): number {
  return snapshot.txns.get(changesApp(store.namespace)) ?? 0
}

/** Whether the archive has changes that this database knows nothing of. A database that settles numbers them first. */
function isAhead(engine: Engine, { snapshot, state }: Doubtful): boolean {
  return recorded(engine, snapshot) >= state.job
}

async function doubtful(engine: Engine, { snapshot, state }: Found): Promise<Doubtful | null> {
  if (snapshot === null || state === null) return null
  // What was forgotten before it was archived went there as it was then; whether the database knows of the flush, or not.
  const after = recorded(engine, snapshot) >= state.job ? 0 : state.flushed
  if (after >= snapshot.last) return null
  const to = Math.min(await engine.store.ledger.head(), snapshot.last)
  return after < to ? { snapshot, state, after, to } : null
}

/** As when opening a space. Costs nothing unless the database is older than the archive; then others are waited for. */
export async function forgetAsArchive(engine: Engine, archive: Archive, found: Found): Promise<void> {
  for (let rows = await doubtful(engine, found); rows !== null; rows = await doubtful(engine, await now())) {
    const ahead = isAhead(engine, rows)
    // As a rule a flush has just not told the database yet.
    if (!ahead && !(await differs(engine, archive, rows))) return
    try {
      return await withColdSlot(engine, 'forget', undefined, (cold) =>
        withSlot(engine, STATE, 'forget', cold.signal, (slot) => forgetInSlots(engine, archive, { cold, state: slot })),
      )
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error
    }
    await waitForOthers(engine, undefined)
  }

  async function now(): Promise<Found> {
    return { snapshot: await archive.snapshot(), state: await engine.store.tiers.state() }
  }
}

async function differs(engine: Engine, archive: Archive, rows: Doubtful): Promise<boolean> {
  for await (const { erased, treated } of forgotten(engine, archive, rows)) {
    if (treated.length > 0) return true
    for await (const known of engine.store.ledger.rows(erased.map(({ sequence }) => sequence))) {
      if (known.length > 0) return true
    }
  }
  return false
}

/**
 * For who holds both slots. Nothing has been carried into the archive since the database was put back; the archive may go
 * further than the database knows.
 */
export async function forgetInSlots(
  engine: Engine,
  archive: Archive,
  slots: { readonly cold: Slot; readonly state: Slot },
): Promise<void> {
  const { tiers, ledger, locks } = engine.store
  const rows = await doubtful(engine, { snapshot: await archive.snapshot(), state: await tiers.state() })
  if (rows === null) return
  const unit = (work: (unit: Unit) => Promise<void>): Promise<void> =>
    slots.state.unit('', async (given) => {
      await locks.fence(given.tx, COLD, slots.cold.epoch)
      await work(given)
    })
  const hidden = new Set<string>()
  for await (const { erased, treated, noted } of forgotten(engine, archive, rows)) {
    const tokenOf = noted.length === 0 ? null : (await engine.digests()).token.bind(await engine.digests())
    await unit(async (given) => {
      await ledger.holdAppends(given)
      const sequences = [...erased, ...noted].map(({ sequence }) => sequence)
      const concerned = await familiesOf(engine, given, sequences, hidden)
      const emptied = await ledger.empty(
        given,
        erased.map(({ sequence, eventId }) => ({ sequence, digest: eventId })),
      )
      await ledger.treat(given, treated)
      if (erased.some(({ eventId }) => eventId !== null)) await ledger.guard(given, { suppressing: true })
      // Identities, mappings and states were made of the rows as they were: all are made anew.
      const redacted = tokenOf === null ? 0 : await redactHints(engine, given, noted, tokenOf)
      const isNews = emptied > 0 || treated.length > 0 || redacted > 0
      if (isNews) {
        await hideStates(engine, given, concerned)
        for (const { id } of concerned) hidden.add(id)
        await putMapping(engine, given, { sourceHash: MIXED, identityHash: MIXED })
      }
      failpoint('forget.written')
    })
    failpoint('forget.committed')
  }
  if (!isAhead(engine, rows)) return
  await unit(async (given) => {
    const state = await tiers.lock(given)
    await tiers.put(given, { job: Math.max(state?.job ?? 0, recorded(engine, rows.snapshot) + 1) })
  })
}

/** Everybody to whom these events belong, with whoever was merged into them; but for those who are hidden already. */
async function familiesOf(
  { store }: Engine,
  unit: Unit,
  sequences: readonly number[],
  hidden: ReadonlySet<string>,
): Promise<FrozenEntity[]> {
  const found = new Map<string, FrozenEntity>()
  for (const { entityId, entityType } of await store.tiers.membersAt(unit, sequences)) {
    if (hidden.has(entityId) || found.has(entityId)) continue
    found.set(entityId, { id: entityId, type: entityType })
    for (const member of await store.identity.family(unit, entityId)) found.set(member.id, member)
  }
  return [...found.values()]
}

/**
 * Nobody sees what was made of the rows as they were, in whatever version, until that builds; a build would carry over the
 * histories of those who were merged away.
 */
async function hideStates({ store }: Engine, given: Unit, concerned: readonly FrozenEntity[]): Promise<void> {
  if (concerned.length === 0) return
  for (const { version, definitions } of await store.versions.list()) {
    const { layout } = compileProgram(JSON.parse(definitions) as DefinitionsObject)
    const unit = { ...given, version }
    for (const target of ['live', 'shadow'] as const) await store.history.remove(unit, layout, concerned, target)
    await store.checkpoints.remove(
      unit,
      concerned.map(({ id }) => id),
    )
  }
}

/**
 * Puts tokens in place of the hints that the archive's notes have tokens of. Later events with their values are treated on
 * arrival, as is usual: how it was asked for, only the newer database knew.
 */
async function redactHints(
  { store }: Engine,
  unit: Unit,
  noted: readonly ArchiveRow[],
  tokenOf: (value: string) => string,
): Promise<number> {
  const { identity, tiers, mapping, ledger } = store
  const tokens = new Set(
    noted.flatMap(({ redaction }) =>
      Object.values(readNote(redaction)?.hints ?? {}).flatMap((all) => Object.values(all)),
    ),
  )
  if (tokens.size === 0) return 0
  await mapping.lock(unit, { wait: true })
  const members = await tiers.membersAt(
    unit,
    noted.map(({ sequence }) => sequence),
  )
  const hints = await identity.hintsOf(unit, [...new Set(members.map(({ entityId }) => entityId))])
  const plain = hints.flatMap(({ redacted, ...hint }) => {
    const token = redacted ? null : tokenOf(hint.value)
    return token !== null && tokens.has(token) ? [{ ...hint, token }] : []
  })
  if (plain.length === 0) return 0
  await ledger.guard(unit, { treating: true })
  return identity.redact(unit, plain, true)
}

/** Rows that the archive has as tombstones or with notes, and those of which the database has more than it, in parts. */
async function* forgotten(
  engine: Engine,
  archive: Archive,
  { snapshot, state, after, to }: Doubtful,
): AsyncGenerator<{
  readonly erased: readonly ArchiveRow[]
  readonly noted: readonly ArchiveRow[]
  readonly treated: readonly TreatedRow[]
}> {
  for await (const rows of archive.scan({ after, to, columns: SIGNS, snapshot })) {
    const erased = rows.filter(({ eventType }) => eventType === null)
    const treated = await treatedRows(engine, archive, snapshot, rows, state.pruned)
    const noted = rows.filter(({ redaction }) => redaction !== null)
    if (erased.length > 0 || noted.length > 0) yield { erased, noted, treated }
  }
}

/** Those of the archived rows that the database still has without what is noted of them, as they are to be. */
async function treatedRows(
  { store }: Engine,
  archive: Archive,
  snapshot: ArchiveSnapshot,
  rows: readonly ArchiveRow[],
  pruned: number,
): Promise<TreatedRow[]> {
  const notes = new Map(
    rows.flatMap(({ sequence, redaction }) =>
      redaction === null || sequence <= pruned ? [] : [[sequence, redaction]],
    ),
  )
  if (notes.size === 0) return []
  const behind: number[] = []
  for await (const stored of store.ledger.rows([...notes.keys()])) {
    for (const { sequence, redaction } of stored) if (redaction !== notes.get(sequence)) behind.push(sequence)
  }
  const treated: TreatedRow[] = []
  if (behind.length === 0) return treated
  for await (const found of archive.scan({ sequences: behind, snapshot })) {
    for (const { sequence, data, raw, hints, kinds, redaction } of found) {
      if (data === null || raw === null || hints === null || redaction === null) continue
      treated.push({ sequence, data, raw, hints, kinds, redaction })
    }
  }
  return treated
}
