/**
 * The storage port: one *space* (a namespace of one database), spec 04 and 07 §1–3, §6.
 *
 * Terminology: *unit of work* = one database transaction with everything that belongs to it; *epoch* = fencing number
 * of the slot the writer holds; *live* = the tables readers see; *shadow* = tables of a full build in the making.
 *
 * Contracts that hold for every method:
 * - A method that takes a `Unit` runs inside that unit's transaction and is durable only when it commits.
 * - A method that takes no `Unit` reads committed data and holds no snapshot across awaits (except while the caller
 *   iterates a stream, which sees one consistent snapshot).
 * - A store opened for one shard limits what says "owned" to the entities of that shard; without shards all are owned.
 * - Driver errors surface as `StorageError` with `details.operation`; list arguments may have any length.
 * - Instants are canonical text (spec 04 §1) in rows; `null` means absent.
 */

import type { DefinitionHashes } from '../core/definition/model.ts'
import type { NormalizedEvent } from '../core/event.ts'
import type { Instant } from '../core/instant.ts'
import type { Shard } from '../core/shard.ts'
import type { BuildMode } from '../results.ts'
import type { Archive } from './archive.ts'
import type { ExportLog } from './exports.ts'
import type { HistoryPort } from './history.ts'
import type { IdentityPort, MappingPort } from './identity.ts'
import type { LockPort, SignalPort } from './locks.ts'
import type { PrivacyPort } from './privacy.ts'
import type { QueryReader } from './reading.ts'
import type { RunLog } from './runs.ts'
import type { TierPort } from './tiers.ts'

export type { HistoryPort, OpenEdge } from './history.ts'
export type {
  EntityMapping,
  HintKey,
  HintRow,
  IdentityChange,
  IdentityPort,
  MappingPort,
  MappingState,
} from './identity.ts'
export type { Holder, LockPort, LockRow, SignalPort } from './locks.ts'

/** An open transaction; its type is the adapter's own business. */
export type Tx = { readonly __tx: unique symbol }

/** What every write is told (design §5). */
export interface Unit {
  readonly tx: Tx
  readonly epoch: number
  readonly version: string
  readonly now: Instant
}

export interface Store {
  readonly dialect: 'sqlite' | 'postgres'
  /** Random UUID made with the space. */
  readonly spaceId: string
  readonly namespace: string
  /** Null: this store does everything. */
  readonly shard: Shard | null
  /** Where the database lies, secrets masked; for people. */
  readonly location: string
  readonly ledger: LedgerPort
  readonly tiers: TierPort
  /** Where rows go that leave the database; null: nowhere. */
  readonly archive: Archive | null
  readonly identity: IdentityPort
  readonly mapping: MappingPort
  readonly history: HistoryPort
  readonly checkpoints: CheckpointPort
  readonly builds: BuildStatePort
  readonly versions: VersionPort
  readonly locks: LockPort
  readonly signals: SignalPort
  readonly reader: QueryReader
  /** What was written out of the space (spec 05 §4.5). */
  readonly exports: ExportLog
  /** What ran, what runs and what is due (spec 10 §2). */
  readonly log: RunLog
  /** Erasures, redactions, holds and certificates (spec 10 §10). */
  readonly privacy: PrivacyPort
  /**
   * Runs `work` in one write transaction (SQLite: BEGIN IMMEDIATE). Calls queue in order; a throw rolls back.
   * `work` runs again from the start if the database found it in conflict with another transaction, so it has no effect on
   * memory but its result.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /**
   * Makes the database forget what was removed from it: bytes in its files, logs and statistics (spec 10 §10). Nothing else
   * is written meanwhile, and readers may have to wait. Left out: the database cannot.
   */
  scrub?(options?: { signal?: AbortSignal }): Promise<Scrubbed>
  close(): Promise<void>
}

export interface Scrubbed {
  /** What was done, for people. */
  readonly method: string
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** What still may hold old values, with what an administrator has to do; no values. */
  readonly left: readonly string[]
}

// ── ledger ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Columns of `ledger` that replays need; JSON columns as stored text (spec 04 §2.1). */
export interface LedgerRow {
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string
  readonly source: string
  readonly data: string
  readonly kinds: string | null
}

export interface FullLedgerRow extends LedgerRow {
  readonly hints: string
  readonly raw: string
  readonly duplicateOf: number | null
  readonly excluded: boolean
  /** What was treated or removed of it (`core/redaction.ts`); null: nothing. */
  readonly redaction: string | null
}

/** New content of a row that stays (spec 05 §4.2 no. 4, §5.1). */
export interface TreatedRow {
  readonly sequence: number
  readonly data: string
  readonly raw: string
  readonly hints: string
  readonly kinds: string | null
  readonly redaction: string
}

/** What new events have to pass where something was erased or redacted before. */
export interface AppendGuards {
  /** Keyed digest of an event id, asked for where erased events are refused (spec 05 §4.2 no. 8). */
  digestOf(eventId: string): string
  /** The events as they may be stored, asked for under the head lock where hints were redacted for good (spec 05 §5.3). */
  treated(unit: Unit, events: readonly NormalizedEvent[]): Promise<readonly NormalizedEvent[]>
}

/** A ledger row together with one entity it is mapped to. */
export interface MappedRow extends LedgerRow {
  readonly entityId: string
  readonly entityType: string
}

export interface AppendResult {
  /** Sequence of the stored row, or of the canonical row it duplicates. */
  readonly sequence: number
  readonly inserted: boolean
}

export interface Renormalized {
  readonly sequence: number
  /** Null: `raw` does not normalize any more; the row keeps its data and is marked `excluded`. */
  readonly event: NormalizedEvent | null
  /** The row as it was read, so that an archived one that stays as it is need not be looked at again. */
  readonly before?: FullLedgerRow
}
export interface RenormalizeResult {
  /** Rows of the ledger table that were written. */
  readonly changed: number
  /** Those of the given rows that repeat an earlier one, with its sequence. */
  readonly duplicateOf: ReadonlyMap<number, number>
}

export interface LedgerPort {
  /**
   * Numbers and inserts new events in input order under the head lock; one result per input (spec 04 §2.3, §2.5). An event
   * whose id `guards` recognize as an erased one counts as a repeat of its tombstone. Without guards nothing is refused.
   */
  append(unit: Unit, events: readonly NormalizedEvent[], guards?: AppendGuards): Promise<AppendResult[]>
  /** From the end of the unit on, appends ask their guards. Cannot be taken back. */
  guard(unit: Unit, kinds: { readonly suppressing?: true; readonly treating?: true }): Promise<void>
  /** Greatest sequence ever assigned, 0 if none. The safe head. */
  head(): Promise<number>
  /** No append commits from here to the end of the unit, and those that come later see what the unit wrote. */
  holdAppends(unit: Unit): Promise<void>
  /**
   * Rows with `after < sequence <= to` in sequence order, in chunks. Replayable rows only (no duplicates, excluded rows
   * or tombstones) unless `all`; with `raw: false` the `raw` of the rows is empty and not read. `unit`: the caller is
   * inside this unit; what is read was committed before.
   */
  scan(options: {
    unit?: Unit
    after: number
    to: number
    all?: boolean
    chunk?: number
    source?: string
    raw?: boolean
  }): AsyncIterable<FullLedgerRow[]>
  /** Replayable rows `from <= sequence <= to`, ordered by (timestamp, sequence), in chunks. */
  replay(options: {
    from: number
    to?: number
    includeDuplicates?: boolean
    chunk?: number
  }): AsyncIterable<LedgerRow[]>
  /**
   * Mapped rows of owned entities with `after < sequence <= to` as the transaction sees them (committed data without a unit), ordered by
   * (entityId, timestamp, sequence).
   */
  mappedRange(unit: Unit | null, range: { after: number; to: number }): Promise<MappedRow[]>
  /** All mapped rows of these entities with `sequence <= to`, ordered by (entityId, timestamp, sequence). */
  mappedFor(unit: Unit | null, entityIds: readonly string[], to: number): Promise<MappedRow[]>
  /**
   * Every mapped row with `after < sequence <= to` (`after`: 0) of owned entities with an id above `afterEntity` (null:
   * all), ordered by (entityId, timestamp, sequence), in chunks; the basis of full builds. Memory does not grow with the
   * ledger.
   */
  mappedByEntity(options: {
    afterEntity: string | null
    after?: number
    to: number
    chunk?: number
  }): AsyncIterable<MappedRow[]>
  /** All stored rows including duplicates, without tombstones. */
  count(options?: { source?: string }): Promise<number>
  /** Newest timestamp of the source's rows in the database, and oldest of all rows above a sequence; null: none. */
  newestOf(source: string): Promise<string | null>
  oldestAfter(sequence: number): Promise<string | null>
  /** Replayable rows above `cursor`. */
  countAfter(cursor: number): Promise<number>
  /** Replayable rows with `sequence <= to` that belong to an owned entity. */
  countMapped(to: number): Promise<number>
  /** Replayable rows with `after < sequence <= to` that belong to no entity. */
  countUnmapped(after: number, to: number): Promise<number>
  eventsFor(entityId: string): Promise<{ sequence: number; eventId: string; eventType: string; timestamp: string }[]>
  event(ref: { sequence: number } | { eventId: string }): Promise<FullLedgerRow | undefined>
  /** Rows by sequence, `raw` included, for failure reports. */
  raws(sequences: readonly number[]): Promise<Map<number, string>>
  /**
   * Applies renormalized rows in ascending sequence order within one reset (spec 04 §4.4): new data, id, type,
   * timestamp, hints, kinds; recomputes `duplicate_of` against the ids seen so far in this reset (lowest sequence is
   * canonical, on-disk index). Unchanged rows are not written.
   */
  renormalize(unit: Unit, rows: readonly Renormalized[]): Promise<RenormalizeResult>
  /** Starts (forgets ids seen) a renormalization: until it ends, repeats of what it has not reached are appended, too. */
  beginRenormalize(unit: Unit): Promise<void>
  /**
   * Ends it: of the repeats that were appended meanwhile, those whose original has another id now are events of their own;
   * the others become tombstones, as they would not have been stored at any other time.
   */
  endRenormalize(unit: Unit): Promise<void>
  /** Whole rows by sequence, in ascending order, in chunks, tombstones left out. Outside units. */
  rows(sequences: readonly number[]): AsyncIterable<FullLedgerRow[]>
  /** Sequences of rows that repeat one of these, wherever they are; ascending. */
  repeatsOf(unit: Unit | null, sequences: readonly number[]): Promise<number[]>
  /** Sequences of rows that do not normalize any more (`excluded`), wherever they are, ascending, in chunks. */
  excluded(): AsyncIterable<number[]>
  /**
   * Makes tombstones of rows, wherever they are (spec 05 §4.2 no. 3): the sequence stays, and with `digest` that in place of
   * the event id. Counts by source follow. Returns how many were none before.
   */
  empty(unit: Unit, rows: readonly { readonly sequence: number; readonly digest: string | null }[]): Promise<number>
  /** Replaces the content of rows, wherever they are. Tombstones stay what they are. */
  treat(unit: Unit, rows: readonly TreatedRow[]): Promise<void>
  /** Replaces `resolution_hints` of rows (identity reset). */
  updateHints(unit: Unit, rows: readonly { sequence: number; hintsJson: string }[]): Promise<void>
  /**
   * Carries what units changed in archived rows into the archive, if more than `pending` changes (0) wait. Called outside
   * units; a read of archived rows does it by itself.
   */
  settle(options?: { pending?: number }): Promise<void>
}

// ── checkpoints and build state ──────────────────────────────────────────────────────────────────────────────────

/**
 * Working state of one entity as stored. The engine encodes and decodes `body` (`core/checkpoint.ts`); edges are not in
 * it, they live in the relationship tables.
 */
export interface Checkpoint {
  readonly id: string
  readonly type: string
  readonly body: string
  readonly generation: number
  readonly revision: number
  /** Every mapped event with `sequence <= appliedUpto` has been interpreted into `body`. */
  readonly appliedUpto: number
  /** When the next time rule becomes overdue (it is due strictly after this instant), canonical text; null: none. */
  readonly nextDue: string | null
}

export interface CheckpointPort {
  /** Checkpoints of these ids of `version`; ids without one are missing from the map. */
  load(unit: Unit | null, version: string, ids: readonly string[]): Promise<Map<string, Checkpoint>>
  save(unit: Unit, target: 'live' | 'shadow', checkpoints: readonly Checkpoint[]): Promise<void>
  remove(unit: Unit, ids: readonly string[]): Promise<void>
  /** Owned ids due strictly before `before`, earliest first (indexed; cost follows the result). */
  due(unit: Unit | null, version: string, before: Instant, limit: number): Promise<string[]>
  count(version: string): Promise<{ entityType: string; entities: number }[]>
}

export interface BuildState extends DefinitionHashes {
  readonly version: string
  readonly cursor: number
  readonly watermark: string | null
  readonly dirty: boolean
  readonly lastBuildTime: string | null
  readonly lastBuildMode: BuildMode | null
  readonly totalShards: number
  readonly generation: number
  readonly tickHorizon: string | null
  /** Last `identity_changes.change_seq` applied to this version's state. */
  readonly changeCursor: number
}

/** A full build in the making (spec 04 §4.4 "Replacing state"). */
export interface ShadowBuild extends DefinitionHashes {
  readonly version: string
  readonly mode: BuildMode
  /** Ledger head the build replays up to. */
  readonly upTo: number
  readonly asOf: string
  /** Last entity id completed; null before the first. */
  readonly afterEntity: string | null
  /** Counters so far, as JSON text. */
  readonly stats: string
  /** Newest event timestamp replayed so far. */
  readonly watermark: string | null
  /** Change feed position the shadow starts from. */
  readonly changeCursor: number
  /** Generation of every entity in the shadow: above any in the state being replaced. */
  readonly generation: number
}

/** Rows of `build_state` and of full builds in the making; of this shard, if the store has one. */
export interface BuildStatePort {
  get(version: string, unit?: Unit): Promise<BuildState | undefined>
  /** The rows of all shards of the version, whatever the division. */
  all(version: string, unit?: Unit): Promise<BuildState[]>
  /**
   * Stores the state for every shard of this store's division that has no row, and removes the version's rows of other
   * divisions. `totalShards` 0 belongs to every division: a shard that has built nothing in it yet.
   */
  seed(unit: Unit, state: BuildState): Promise<void>
  put(unit: Unit, state: BuildState): Promise<void>
  /**
   * Raises the generation of all rows of `unit.version`, of whatever shard and division: entities were rebuilt under the next
   * one, and who follows the version looks at everything anew.
   */
  renew(unit: Unit): Promise<void>
  shadow(version: string, unit?: Unit): Promise<ShadowBuild | undefined>
  putShadow(unit: Unit, shadow: ShadowBuild): Promise<void>
  dropShadow(unit: Unit): Promise<void>
  /**
   * Forgets the full builds of all shards if one of them has replayed one of these entities; they begin anew. Returns
   * whether it did.
   */
  dropShadows(unit: Unit, ids: readonly string[]): Promise<boolean>
}

export interface VersionRow extends DefinitionHashes {
  readonly version: string
  /** Canonical JSON of the definitions. */
  readonly definitions: string
  readonly active: boolean
  readonly createdAt: string
}
export interface VersionPort {
  list(): Promise<VersionRow[]>
  get(version: string): Promise<VersionRow | undefined>
  active(): Promise<VersionRow | undefined>
  insert(unit: Unit, row: Omit<VersionRow, 'active'>): Promise<void>
  /** Makes `unit.version` the only active one. */
  activate(unit: Unit): Promise<void>
}
