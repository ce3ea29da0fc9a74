/**
 * One ledger over two tiers (spec 07 §4.2). Each sequence is read from exactly one: the archive up to `pruned`, the
 * database above. Rows leave the database together with the rise of `pruned`, so a reader that finds it unchanged
 * afterwards has missed nothing.
 */
import type { NormalizedEvent } from '../../core/event.ts'
import type { ArchiveColumn, ArchiveRow } from '../../ports/archive.ts'
import type {
  AppendGuards,
  AppendResult,
  FullLedgerRow,
  LedgerPort,
  LedgerRow,
  MappedRow,
  Renormalized,
  RenormalizeResult,
  Store,
  TreatedRow,
  Unit,
} from '../../ports/store.ts'
import type { Member, StagedChange, TierState } from '../../ports/tiers.ts'
import { fullLedgerRow, isReplayable, ledgerRow, mappedRow, renormalizedChange } from './changes.ts'
import type { ColdRows } from './cold-rows.ts'
import { FULL_COLUMNS, REPLAY_COLUMNS, SCAN_COLUMNS } from './columns.ts'
import { byEntity, bySequence, byTime, Moved, mergeOrdered, resuming } from './merge.ts'
import { ColdNewest, laterText } from './newest.ts'

type ScanOptions = Parameters<LedgerPort['scan']>[0]
type ReplayOptions = Parameters<LedgerPort['replay']>[0]
type EntityRange = Parameters<LedgerPort['mappedByEntity']>[0]

/** Whole rows, which may be large, that are handed on at once. */
const ROWS = 1000

export class TieredLedger implements LedgerPort {
  readonly #hot: Store
  readonly #cold: ColdRows
  readonly #newest: ColdNewest
  /** Changes staged here since the last settling, and perhaps some that were rolled back. */
  #staged = 0

  constructor(hot: Store, cold: ColdRows) {
    this.#hot = hot
    this.#cold = cold
    this.#newest = new ColdNewest(cold)
  }

  // ── what needs no archived row ─────────────────────────────────────────────────────────────────────────────────

  append(unit: Unit, events: readonly NormalizedEvent[], guards?: AppendGuards): Promise<AppendResult[]> {
    return this.#hot.ledger.append(unit, events, guards)
  }

  guard(unit: Unit, kinds: { readonly suppressing?: true; readonly treating?: true }): Promise<void> {
    return this.#hot.ledger.guard(unit, kinds)
  }

  head(): Promise<number> {
    return this.#hot.ledger.head()
  }

  holdAppends(unit: Unit): Promise<void> {
    return this.#hot.ledger.holdAppends(unit)
  }

  count(options?: { source?: string }): Promise<number> {
    return this.#hot.ledger.count(options)
  }

  oldestAfter(sequence: number): Promise<string | null> {
    return this.#hot.ledger.oldestAfter(sequence)
  }

  countAfter(cursor: number): Promise<number> {
    return this.#hot.ledger.countAfter(cursor)
  }

  countMapped(to: number): Promise<number> {
    return this.#hot.ledger.countMapped(to)
  }

  countUnmapped(after: number, to: number): Promise<number> {
    return this.#hot.ledger.countUnmapped(after, to)
  }

  /** Which rows repeat others, and which are excluded, stays in the database. */
  repeatsOf(unit: Unit | null, sequences: readonly number[]): Promise<number[]> {
    return this.#hot.ledger.repeatsOf(unit, sequences)
  }

  excluded(): AsyncIterable<number[]> {
    return this.#hot.ledger.excluded()
  }

  beginRenormalize(unit: Unit): Promise<void> {
    return this.#hot.ledger.beginRenormalize(unit)
  }

  /** The database stages what ending changes in archived rows by itself. */
  async endRenormalize(unit: Unit): Promise<void> {
    await this.#hot.tiers.lock(unit)
    await this.#hot.ledger.endRenormalize(unit)
  }

  // ── streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  async *scan(options: ScanOptions): AsyncGenerator<FullLedgerRow[]> {
    const { unit, to } = options
    for (let at = options.after; at < to; ) {
      const pruned = await this.#pruned(unit ?? null)
      if (at < pruned) {
        const end = Math.min(pruned, to)
        for await (const rows of this.#archived(options, at, end)) {
          const wanted = rows.filter((row) => isWanted(row, options)).flatMap((row) => fullLedgerRow(row) ?? [])
          if (wanted.length > 0) yield wanted
        }
        at = end
        continue
      }
      for await (const rows of this.#hot.ledger.scan({ ...options, after: at })) {
        if ((await this.#pruned(unit ?? null)) > at) break
        yield rows
        at = rows.at(-1)?.sequence ?? at
      }
      if ((await this.#pruned(unit ?? null)) <= at) return
    }
  }

  replay(options: ReplayOptions): AsyncGenerator<LedgerRow[]> {
    return resuming(() => this.#replayOnce(options), byTime)
  }

  /** An entity may have been cut where the reading is taken up, so it goes on behind the one before. */
  async *mappedByEntity(options: EntityRange): AsyncGenerator<MappedRow[]> {
    let { afterEntity } = options
    let entity: string | null = null
    const chunks = resuming(() => this.#mappedOnce({ ...options, afterEntity }), byEntity)
    for await (const rows of chunks) {
      const last = rows.at(-1)?.entityId ?? null
      const before = rows.findLast((row) => row.entityId !== last)?.entityId ?? (entity === last ? null : entity)
      if (before !== null) afterEntity = before
      entity = last
      yield rows
    }
  }

  // ── entities and single events ─────────────────────────────────────────────────────────────────────────────────

  mappedRange(unit: Unit | null, range: { after: number; to: number }): Promise<MappedRow[]> {
    const { tiers, ledger } = this.#hot
    const { after, to } = range
    return this.#stitch(unit, async (pruned) => {
      if (after >= pruned) return ledger.mappedRange(unit, range)
      const members = await tiers.membersIn(unit, { after, to: Math.min(to, pruned) })
      const hot = to > pruned ? await ledger.mappedRange(unit, { after: pruned, to }) : []
      return this.#withArchived(unit, members, hot)
    })
  }

  mappedFor(unit: Unit | null, entityIds: readonly string[], to: number): Promise<MappedRow[]> {
    const { tiers, ledger } = this.#hot
    return this.#stitch(unit, async (pruned) => {
      const hot = await ledger.mappedFor(unit, entityIds, to)
      if (pruned === 0) return hot
      return this.#withArchived(unit, await tiers.membersOf(unit, entityIds, Math.min(to, pruned)), hot)
    })
  }

  /** Rows that left may be newer than those that came after them. */
  async newestOf(source: string): Promise<string | null> {
    const pruned = (await this.#hot.tiers.state())?.pruned ?? 0
    const hot = await this.#hot.ledger.newestOf(source)
    if (pruned === 0 || (await this.count({ source })) === 0) return hot
    return laterText(hot, await this.#newest.of(source))
  }

  eventsFor(entityId: string): Promise<{ sequence: number; eventId: string; eventType: string; timestamp: string }[]> {
    return this.#stitch(null, async (pruned) => {
      const hot = await this.#hot.ledger.eventsFor(entityId)
      if (pruned === 0) return hot
      const members = await this.#hot.tiers.membersOf(null, [entityId], pruned)
      const cold = await this.#withArchived(null, members, [])
      const events = cold.map(({ sequence, eventId, eventType, timestamp }) => ({
        sequence,
        eventId,
        eventType,
        timestamp,
      }))
      return [...events, ...hot].sort(byTime)
    })
  }

  event(ref: { sequence: number } | { eventId: string }): Promise<FullLedgerRow | undefined> {
    const { ledger, tiers } = this.#hot
    return this.#stitch(null, async (pruned) => {
      if (pruned === 0) return ledger.event(ref)
      if ('sequence' in ref) return this.#eventAt(ref.sequence, pruned)
      for (let before: number | undefined; ; ) {
        const sequence = await tiers.sequenceOf(ref.eventId)
        if (sequence === undefined) return undefined
        const row = await this.#eventAt(sequence, pruned)
        if (row?.eventId === ref.eventId && row.duplicateOf === null && !row.excluded) return row
        // Between the two it may have given its id up, to another row perhaps.
        if (sequence === before) return undefined
        before = sequence
      }
    })
  }

  async #eventAt(sequence: number, pruned: number): Promise<FullLedgerRow | undefined> {
    if (sequence > pruned) return this.#hot.ledger.event({ sequence })
    for await (const row of this.#cold.rows([sequence], FULL_COLUMNS)) return fullLedgerRow(row) ?? undefined
    return undefined
  }

  raws(sequences: readonly number[]): Promise<Map<number, string>> {
    return this.#stitch(null, async (pruned) => {
      const hot = await this.#hot.ledger.raws(sequences.filter((sequence) => sequence > pruned))
      const cold = await this.#cold.raws(sequences.filter((sequence) => sequence <= pruned))
      return new Map([...cold, ...hot])
    })
  }

  async *rows(sequences: readonly number[]): AsyncGenerator<FullLedgerRow[]> {
    const wanted = [...new Set(sequences)].sort((a, b) => a - b)
    for (let at = 0; at < wanted.length; ) {
      const pruned = await this.#pruned(null)
      const left = wanted.slice(at)
      const archived = left.filter((sequence) => sequence <= pruned)
      if (archived.length > 0) {
        yield* this.#archivedRows(archived)
        at += archived.length
        continue
      }
      const part = left.slice(0, ROWS)
      const found: FullLedgerRow[] = []
      for await (const rows of this.#hot.ledger.rows(part)) found.push(...rows)
      // Some have left meanwhile.
      if ((await this.#pruned(null)) > pruned) continue
      if (found.length > 0) yield found
      at += part.length
    }
  }

  // ── changes ────────────────────────────────────────────────────────────────────────────────────────────────────

  async renormalize(unit: Unit, rows: readonly Renormalized[]): Promise<RenormalizeResult> {
    const state = await this.#hot.tiers.lock(unit)
    const result = await this.#hot.ledger.renormalize(unit, rows)
    await this.#stage(unit, state, () =>
      rows.flatMap((row) => renormalizedChange(row, result.duplicateOf.get(row.sequence) ?? null) ?? []),
    )
    return result
  }

  /** The database stages by itself what it empties. */
  async empty(
    unit: Unit,
    rows: readonly { readonly sequence: number; readonly digest: string | null }[],
  ): Promise<number> {
    this.#staged += rows.length
    await this.#cold.changing(
      unit,
      rows.map(({ sequence }) => [sequence, null]),
    )
    return this.#hot.ledger.empty(unit, rows)
  }

  async treat(unit: Unit, rows: readonly TreatedRow[]): Promise<void> {
    const state = await this.#hot.tiers.lock(unit)
    await this.#cold.changing(
      unit,
      rows.map(({ sequence, ...change }) => [sequence, change]),
    )
    await this.#hot.ledger.treat(unit, rows)
    await this.#stage(unit, state, () => rows.map(({ sequence, ...change }) => ({ sequence, change })))
  }

  async updateHints(unit: Unit, rows: readonly { sequence: number; hintsJson: string }[]): Promise<void> {
    const state = await this.#hot.tiers.lock(unit)
    await this.#hot.ledger.updateHints(unit, rows)
    await this.#stage(unit, state, () =>
      rows.map(({ sequence, hintsJson }) => ({ sequence, change: { hints: hintsJson } })),
    )
  }

  async settle({ pending = 0 }: { pending?: number } = {}): Promise<void> {
    if (pending > 0 && this.#staged <= pending) return
    await this.#cold.settle()
    this.#staged = 0
  }

  /** Rows above `claimed` are not archived, and will be read again before they are. */
  async #stage(unit: Unit, state: TierState | null, changes: () => readonly StagedChange[]): Promise<void> {
    if (state === null || state.claimed === 0) return
    const archived = changes().filter(({ sequence }) => sequence <= state.claimed)
    if (archived.length === 0) return
    this.#staged += archived.length
    await this.#hot.tiers.stage(unit, state.job, archived)
  }

  // ── the two tiers ──────────────────────────────────────────────────────────────────────────────────────────────

  async #pruned(unit: Unit | null): Promise<number> {
    return (await this.#hot.tiers.state(unit ?? undefined))?.pruned ?? 0
  }

  /** Reads both tiers, again if rows left the database meanwhile. */
  async #stitch<T>(unit: Unit | null, read: (pruned: number) => Promise<T>): Promise<T> {
    for (;;) {
      const state = await this.#hot.tiers.state(unit ?? undefined)
      const pruned = state?.pruned ?? 0
      const result = await read(pruned)
      if (state === null || (await this.#pruned(unit)) === pruned) return result
    }
  }

  /** Rows of the database; a failure if some of them may have left it before they were read. */
  async *#unpruned<T>(chunks: AsyncIterable<T[]>, pruned: number): AsyncGenerator<T[]> {
    for await (const rows of chunks) {
      await this.#assertPruned(pruned)
      yield rows
    }
    await this.#assertPruned(pruned)
  }

  async #assertPruned(pruned: number): Promise<void> {
    if ((await this.#pruned(null)) !== pruned) throw new Moved()
  }

  async *#replayOnce(options: ReplayOptions): AsyncGenerator<LedgerRow[]> {
    const { from, to = Number.MAX_SAFE_INTEGER } = options
    const pruned = await this.#pruned(null)
    if (from > pruned) return yield* this.#unpruned(this.#hot.ledger.replay(options), pruned)
    const cold = this.#replayArchived(from - 1, Math.min(pruned, to), options)
    if (to <= pruned) return yield* cold
    const hot = this.#unpruned(this.#hot.ledger.replay({ ...options, from: pruned + 1 }), pruned)
    yield* mergeOrdered(cold, hot, byTime)
  }

  async *#mappedOnce(options: EntityRange): AsyncGenerator<MappedRow[]> {
    const { to, after = 0 } = options
    const pruned = await this.#pruned(null)
    if (after >= pruned) return yield* this.#unpruned(this.#hot.ledger.mappedByEntity(options), pruned)
    const cold = this.#mappedArchived(options, Math.min(pruned, to))
    if (to <= pruned) return yield* cold
    const hot = this.#unpruned(this.#hot.ledger.mappedByEntity({ ...options, after: pruned }), pruned)
    yield* mergeOrdered(cold, hot, byEntity)
  }

  async *#archivedRows(sequences: readonly number[]): AsyncGenerator<FullLedgerRow[]> {
    let part: FullLedgerRow[] = []
    for await (const row of this.#cold.rows(sequences, FULL_COLUMNS)) {
      const full = fullLedgerRow(row)
      if (full !== null) part.push(full)
      if (part.length < ROWS) continue
      yield part
      part = []
    }
    if (part.length > 0) yield part
  }

  /** Archived rows of a scan. Inside a unit they come from what was fetched for it. */
  async *#archived({ unit, raw, chunk }: ScanOptions, after: number, to: number): AsyncGenerator<ArchiveRow[]> {
    if (unit !== undefined) {
      const sequences = Array.from({ length: to - after }, (_, index) => after + 1 + index)
      yield [...(await this.#cold.get(unit, sequences)).values()]
      return
    }
    const columns = raw === false ? SCAN_COLUMNS : FULL_COLUMNS
    const open = (last: ArchiveRow | null): AsyncIterable<ArchiveRow[]> =>
      this.#scanArchive(last?.sequence ?? after, to, columns)
    for await (const rows of resuming(open, bySequence)) yield* parts(rows, chunk)
  }

  async *#scanArchive(after: number, to: number, columns: readonly ArchiveColumn[]): AsyncGenerator<ArchiveRow[]> {
    const { archive, snapshot } = await this.#cold.current()
    yield* archive.scan({ after, to, columns, snapshot })
  }

  async *#replayArchived(
    after: number,
    to: number,
    { includeDuplicates, chunk }: ReplayOptions,
  ): AsyncGenerator<LedgerRow[]> {
    const { archive, snapshot } = await this.#cold.current()
    for await (const rows of archive.scan({ after, to, order: 'time', columns: REPLAY_COLUMNS, snapshot })) {
      const wanted = rows.filter((row) =>
        includeDuplicates === true ? row.eventType !== null && row.excluded !== true : isReplayable(row),
      )
      const replayed = wanted.flatMap((row) => ledgerRow(row) ?? [])
      yield* parts(replayed, chunk)
    }
  }

  async *#mappedArchived(options: EntityRange, to: number): AsyncGenerator<MappedRow[]> {
    const { afterEntity, after = 0, chunk } = options
    const { archive, snapshot } = await this.#cold.current()
    const members = above(this.#hot.tiers.members({ to, afterEntity }), after)
    for await (const rows of archive.scanMembers({ members, to, columns: REPLAY_COLUMNS, snapshot })) {
      const mapped = rows.flatMap((member) => mappedRow(member.row, member) ?? [])
      yield* parts(mapped, chunk)
    }
  }

  async #withArchived(unit: Unit | null, members: readonly Member[], hot: readonly MappedRow[]): Promise<MappedRow[]> {
    if (members.length === 0) return [...hot]
    const rows = await this.#cold.get(
      unit,
      members.map(({ sequence }) => sequence),
    )
    const cold = members.flatMap((member) => {
      const row = rows.get(member.sequence)
      return (row && mappedRow(row, member)) ?? []
    })
    return [...cold, ...hot].sort(byEntity)
  }
}

function isWanted(row: ArchiveRow, { all, source }: ScanOptions): boolean {
  if (source !== undefined && row.source !== source) return false
  return all === true || isReplayable(row)
}

async function* above(members: AsyncIterable<Member[]>, after: number): AsyncGenerator<Member[]> {
  for await (const some of members) {
    const wanted = after === 0 ? some : some.filter(({ sequence }) => sequence > after)
    if (wanted.length > 0) yield wanted
  }
}

function* parts<T>(rows: readonly T[], size: number | undefined): Iterable<T[]> {
  const step = size ?? Math.max(1, rows.length)
  for (let at = 0; at < rows.length; at += step) yield rows.slice(at, at + step)
}
