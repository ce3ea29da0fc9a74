/**
 * The hot side of a tiered ledger (spec 07 §4.1): what the database keeps so that rows can leave it for the archive and
 * every question is still answered. The archive itself is another port; nothing here reaches beyond the database.
 *
 * Terminology: `P` = `pruned`, `B` = `flushed`; always `pruned <= flushed <= claimed <= head`. A row at or below `P` is
 * in the archive only, one above `P` is read from the ledger table. Mappings, identities and event ids never leave the
 * database.
 *
 * Who changes a row at or below `claimed` may change one that is archived or on its way there: the change is *staged* in
 * the same unit and carried into the archive afterwards. Claims and changes exclude each other through `lock`. A
 * renormalization stages by itself what it changes in rows that it was not given.
 */
import type { ArchiveRow } from './archive.ts'
import type { Unit } from './store.ts'

export interface TierState {
  /** Rows at or below were removed from the ledger table. */
  readonly pruned: number
  /** Every row at or below is archived. May lag behind what the archive says, never leads it. */
  readonly flushed: number
  /** Rows above are neither archived nor being archived. */
  readonly claimed: number
  /** Id of the archive's table; null before the first flush. */
  readonly tableId: string | null
  /** Version of the table that a flush or prune saw last; null before the first flush. */
  readonly tableVersion: number | null
  /** Changes staged now carry this number. */
  readonly job: number
  /** Rows at or below are in `event_ids`; null when all are, and every append adds its own. */
  readonly filled: number | null
}

/** New values of some columns of an archived row. */
export interface StagedChange {
  readonly sequence: number
  readonly change: Partial<Omit<ArchiveRow, 'sequence'>>
}

/** That an event concerns an entity. */
export interface Member {
  readonly sequence: number
  readonly entityId: string
  readonly entityType: string
}

/** What stays of a row when its content is archived. Without `source`: a tombstone, `eventId` is null or a digest. */
export interface EventIdRow {
  readonly sequence: number
  readonly eventId: string | null
  readonly source: string | null
  readonly duplicateOf: number | null
  readonly excluded: boolean
}

export interface TierPort {
  /** Null: the ledger has one tier, and no row has ever left the ledger table. */
  state(unit?: Unit): Promise<TierState | null>
  /** As `state`, and no other unit claims or changes archived rows until this one ends. */
  lock(unit: Unit): Promise<TierState | null>
  /** Changes some of the state; the caller holds `lock`. */
  put(unit: Unit, next: Partial<Omit<TierState, 'filled'>>): Promise<void>

  /**
   * Makes the ledger a tiered one, if it is not: from this unit on appends fill `event_ids` beside the ledger. No append
   * commits meanwhile. Idempotent.
   */
  begin(unit: Unit): Promise<void>
  /**
   * Adds the next `limit` rows that were stored before `begin` to `event_ids`. True when all are there; from the unit
   * that says so on, event ids are looked up and counted there.
   */
  fill(unit: Unit, limit: number): Promise<boolean>

  /** Ledger rows with `after < sequence <= to` as the archive keeps them, tombstones included, ascending, in chunks. */
  rows(range: { after: number; to: number; chunk?: number }): AsyncIterable<ArchiveRow[]>
  /**
   * Removes ledger rows at or below `to` and sets `pruned` to it. Mappings and event ids stay. Returns rows removed. The
   * caller knows that they are archived.
   */
  prune(unit: Unit, to: number): Promise<number>
  /**
   * The lowest sequence above `after` of a ledger row with `since <= timestamp <= until` (canonical texts); null if there
   * is none.
   */
  firstSequence(range: { after: number; since: string; until: string }): Promise<number | null>
  /**
   * Takes over rows that only the archive has: event ids and counts by source, and the head becomes the last of them.
   * They ascend without gaps from the head on. No append commits meanwhile.
   */
  adopt(unit: Unit, rows: readonly EventIdRow[]): Promise<void>

  /** Mappings with `sequence <= to` of owned entities with an id above `afterEntity` (null: all), by sequence, in chunks. */
  members(options: { to: number; afterEntity: string | null; chunk?: number }): AsyncIterable<Member[]>
  /** Owned mappings with `after < sequence <= to`, by sequence. */
  membersIn(unit: Unit | null, range: { after: number; to: number }): Promise<Member[]>
  /** Mappings of these entities with `sequence <= to`, in any order. */
  membersOf(unit: Unit | null, entityIds: readonly string[], to: number): Promise<Member[]>
  /** All mappings of these events, whoever owns them, in any order. */
  membersAt(unit: Unit | null, sequences: readonly number[]): Promise<Member[]>
  /** Sequence of the canonical row with this event id. */
  sequenceOf(eventId: string): Promise<number | undefined>

  /** Adds changes under the number that `lock` returned. */
  stage(unit: Unit, job: number, changes: readonly StagedChange[]): Promise<void>
  /** How many staged changes there are. */
  countStaged(unit?: Unit): Promise<number>
  /** Grows with every change that is staged; with `job` it tells whether anything was staged or carried over since. */
  lastStaged(unit?: Unit): Promise<number>
  /** Sequences with changes staged under `job` or an earlier number, ascending. */
  stagedSequences(job: number): Promise<number[]>
  /** Those changes of rows with `from <= sequence <= to`, later ones merged over earlier ones, by sequence. */
  staged(job: number, range: { from: number; to: number }): Promise<StagedChange[]>
  /** Forgets changes staged under `job` or an earlier number. */
  dropStaged(unit: Unit, job: number): Promise<void>
}
