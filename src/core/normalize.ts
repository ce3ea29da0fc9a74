/** From raw records to normalized events (spec 03 §1–§7). A pure function of records and definitions. */
import type { Hints, LedgerEvent, NormalizedEvent, RawRecord, StoredEvent } from './event.ts'
import type { Instant } from './instant.ts'
import type { CompiledSource, Program } from './program/types.ts'

/** Why one record, or one field of it, did not normalize. Never contains values. */
export interface NormalizeFailure {
  /** Position in the records given. */
  readonly index: number
  readonly error: string
  /** Raw path, mapped field or identity field at fault. */
  readonly field: string | null
  /** Normalized event type and id, as far as they were known. */
  readonly eventType: string | null
  readonly eventId: string | null
  /** The event was ingested all the same (`schemaValidation: 'warn'`). */
  readonly advisory?: true
}

export interface NormalizedBatch {
  readonly events: NormalizedEvent[]
  /** For each event the index of its record. */
  readonly indexes: number[]
  readonly failures: NormalizeFailure[]
}

/** Normalizes records independently of each other, in order. `wall` is used only with `expressionClock: 'wall'`. */
export function normalizeBatch(
  _program: Program,
  _source: CompiledSource,
  _records: readonly RawRecord[],
  _wall: Instant,
): NormalizedBatch {
  throw new Error('not available yet')
}

/** The event of a ledger row with the values it had when it was normalized (spec 03 §7). */
export function decodeEvent(_program: Program, _row: StoredEvent): LedgerEvent {
  throw new Error('not available yet')
}

/** Hints of a stored event under the program's identity blocks, for identity resets (spec 03 §6). */
export function rehint(
  _program: Program,
  _event: LedgerEvent,
  _wall?: Instant,
): { hints: Hints; hintsJson: string } | { error: string; field: string } {
  throw new Error('not available yet')
}
