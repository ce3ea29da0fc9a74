/** What a database in memory keeps of one space, and rules about its rows. Every function changes the state it is given. */
import type { NormalizedEvent } from '../../src/core/event.ts'
import { StorageError } from '../../src/errors.ts'
import { type ArchiveRow, emptied, tombstone } from '../../src/ports/archive.ts'
import type {
  AppendResult,
  BuildState,
  FullLedgerRow,
  LockRow,
  MappingState,
  Renormalized,
  RenormalizeResult,
  TreatedRow,
  VersionRow,
} from '../../src/ports/store.ts'
import type { EventIdRow, Member, StagedChange, TierState } from '../../src/ports/tiers.ts'

export interface HotState {
  head: number
  /** Head when the renormalization began; null: none runs. */
  renormalizingFrom: number | null
  suppressing: boolean
  treating: boolean
  /** The ledger table. */
  readonly rows: Map<number, ArchiveRow>
  /** One for each row there ever was. */
  readonly ids: Map<number, EventIdRow>
  tier: TierState | null
  /** Rows at or below were there before the ledger became a tiered one. */
  fillTo: number
  staged: readonly (StagedChange & { readonly job: number; readonly id: number })[]
  /** Number of the change that was staged last. */
  stagedId: number
  /** By sequence. */
  members: readonly Member[]
  readonly locks: Map<string, LockRow>
  mapping: MappingState
  readonly builds: Map<string, BuildState>
  versions: readonly VersionRow[]
}

export function emptyState(): HotState {
  return {
    head: 0,
    renormalizingFrom: null,
    suppressing: false,
    treating: false,
    rows: new Map(),
    ids: new Map(),
    tier: null,
    fillTo: 0,
    staged: [],
    stagedId: 0,
    members: [],
    locks: new Map(),
    mapping: { sourceHash: '', identityHash: '', mappedUpto: 0, buildEpoch: 0, phase: 'idle', phaseCursor: 0 },
    builds: new Map(),
    versions: [],
  }
}

export function copyOf(state: HotState): HotState {
  return {
    ...state,
    rows: new Map(state.rows),
    ids: new Map(state.ids),
    locks: new Map(state.locks),
    builds: new Map(state.builds),
  }
}

export const isReplayable = (row: ArchiveRow): boolean =>
  row.eventType !== null && row.duplicateOf === null && row.excluded !== true

/** As `isReplayable`, of a row that may have left the table. */
export const isCounted = (row: EventIdRow): boolean => row.source !== null && row.duplicateOf === null && !row.excluded

export function fullRow(row: ArchiveRow): FullLedgerRow {
  const { sequence, duplicateOf, kinds } = row
  return {
    sequence,
    eventId: row.eventId!,
    eventType: row.eventType!,
    timestamp: row.timestamp!,
    source: row.source!,
    data: row.data!,
    kinds,
    hints: row.hints!,
    raw: row.raw!,
    duplicateOf,
    excluded: row.excluded === true,
    redaction: row.redaction,
  }
}

export function canonicalOf(state: HotState, eventId: string): number | undefined {
  for (const row of state.ids.values()) {
    if (row.eventId === eventId && row.duplicateOf === null && !row.excluded) return row.sequence
  }
  return undefined
}

/** `digestOf`: of those that were erased none comes back. */
export function append(
  state: HotState,
  events: readonly NormalizedEvent[],
  digestOf?: (eventId: string) => string,
): AppendResult[] {
  const before = state.head
  return events.map((event) => {
    const erased = digestOf === undefined ? undefined : canonicalOf(state, digestOf(event.eventId))
    if (erased !== undefined) return { sequence: erased, inserted: false }
    const canonical = canonicalOf(state, event.eventId) ?? null
    const isKept = state.renormalizingFrom !== null && canonical !== null && canonical <= before
    if (canonical !== null && !isKept) return { sequence: canonical, inserted: false }
    state.head += 1
    const sequence = state.head
    state.rows.set(sequence, { ...columnsOf(event), sequence, duplicateOf: canonical })
    const { eventId, source } = event
    state.ids.set(sequence, { sequence, eventId, source, duplicateOf: canonical, excluded: false })
    return { sequence, inserted: true }
  })
}

export function columnsOf(event: NormalizedEvent): Omit<ArchiveRow, 'sequence'> {
  return {
    eventId: event.eventId,
    eventType: event.eventType,
    timestamp: event.timestamp.toString(),
    source: event.source,
    data: event.dataJson,
    raw: event.rawJson,
    hints: event.hintsJson,
    duplicateOf: null,
    excluded: false,
    kinds: event.kindsJson,
    redaction: event.redactionJson ?? null,
  }
}

export function renormalize(state: HotState, rows: readonly Renormalized[]): RenormalizeResult {
  const duplicates = new Map<number, number>()
  let changed = 0
  for (const { sequence, event } of rows) {
    const id = state.ids.get(sequence)
    if (id === undefined || id.source === null) continue
    const duplicateOf = event === null ? null : claim(state, sequence, event.eventId)
    if (duplicateOf !== null) duplicates.set(sequence, duplicateOf)
    const excluded = event === null
    state.ids.set(sequence, { ...id, eventId: event?.eventId ?? id.eventId, duplicateOf, excluded })
    const stored = state.rows.get(sequence)
    if (stored === undefined) continue
    const columns = event === null ? {} : { ...columnsOf(event), source: stored.source, raw: stored.raw }
    const next = { ...stored, ...columns, duplicateOf, excluded, redaction: event?.redactionJson ?? stored.redaction }
    if (sameRow(stored, next)) continue
    state.rows.set(sequence, next)
    changed += 1
  }
  return { changed, duplicateOf: duplicates }
}

/** Rows that came as repetitions of a row which has another id now get their turn. */
export function endRenormalize(state: HotState): void {
  const strays = [...state.ids.values()]
    .filter(({ eventId, duplicateOf }) => {
      const canonical = duplicateOf === null ? undefined : state.ids.get(duplicateOf)
      return canonical !== undefined && (!isCounted(canonical) || canonical.eventId !== eventId)
    })
    .sort((a, b) => a.sequence - b.sequence)
  for (const { sequence, eventId } of strays) mark(state, sequence, claim(state, sequence, eventId!))
  const from = state.renormalizingFrom ?? state.head
  const repeats = [...state.ids.values()].filter(({ sequence, duplicateOf }) => sequence > from && duplicateOf !== null)
  empty(
    state,
    repeats.map(({ sequence }) => ({ sequence, digest: null })),
  )
  state.renormalizingFrom = null
}

/** Makes the row the canonical one of its id (null), or returns the lower sequence that is. */
function claim(state: HotState, sequence: number, eventId: string): number | null {
  const canonical = canonicalOf(state, eventId)
  if (canonical === undefined || canonical === sequence) return null
  if (canonical < sequence) return canonical
  mark(state, canonical, sequence)
  return null
}

function mark(state: HotState, sequence: number, duplicateOf: number | null): void {
  state.ids.set(sequence, { ...state.ids.get(sequence)!, duplicateOf })
  const stored = state.rows.get(sequence)
  if (stored !== undefined) state.rows.set(sequence, { ...stored, duplicateOf })
  if (state.tier === null || sequence > state.tier.claimed) return
  stage(state, state.tier.job, [{ sequence, change: { duplicateOf } }])
}

export function stage(state: HotState, job: number, changes: readonly StagedChange[]): void {
  for (const change of changes) {
    state.stagedId += 1
    state.staged = [...state.staged, { ...change, job, id: state.stagedId }]
  }
}

export function empty(
  state: HotState,
  rows: readonly { readonly sequence: number; readonly digest: string | null }[],
): number {
  let count = 0
  for (const { sequence, digest } of rows) {
    const id = state.ids.get(sequence)
    if (id === undefined) continue
    const holder = digest === null ? sequence : (canonicalOf(state, digest) ?? sequence)
    const kept = holder === sequence ? digest : null
    if (id.source === null && (kept === null || id.eventId !== null)) continue
    if (id.source !== null) count += 1
    state.ids.set(sequence, { sequence, eventId: kept, source: null, duplicateOf: null, excluded: false })
    if (state.rows.has(sequence)) state.rows.set(sequence, tombstone(sequence, kept))
    if (state.tier === null || sequence > state.tier.claimed) continue
    state.staged = state.staged.filter((one) => one.sequence !== sequence)
    stage(state, state.tier.job, [{ sequence, change: emptied(kept) }])
  }
  return count
}

export function treat(state: HotState, rows: readonly TreatedRow[]): void {
  for (const row of rows) {
    const stored = state.rows.get(row.sequence)
    if (stored !== undefined && stored.eventType !== null) state.rows.set(row.sequence, { ...stored, ...row })
  }
}

export function adopt(state: HotState, rows: readonly EventIdRow[]): void {
  for (const row of rows) {
    if (state.tier === null || state.tier.filled !== null) throw refused('the event ids are not complete')
    if (row.sequence !== state.head + 1) throw refused(`${row.sequence} does not follow ${state.head}`)
    state.head = row.sequence
    state.ids.set(row.sequence, row)
  }
}

export function prune(state: HotState, to: number): number {
  const { tier } = state
  if (tier === null || tier.filled !== null || to > tier.flushed)
    throw refused(`not everything up to ${to} is archived`)
  if (to <= tier.pruned) return 0
  const gone = [...state.rows.keys()].filter((sequence) => sequence <= to)
  for (const sequence of gone) state.rows.delete(sequence)
  state.tier = { ...tier, pruned: to }
  return gone.length
}

export function sameRow(a: ArchiveRow, b: ArchiveRow): boolean {
  return (Object.keys(a) as (keyof ArchiveRow)[]).every((field) => a[field] === b[field])
}

export function refused(why: string): StorageError {
  return new StorageError(why, { details: { operation: 'hot', driver: 'memory' } })
}
