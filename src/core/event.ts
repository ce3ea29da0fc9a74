/** Events on their way through the engine (spec 03 §1, §7). */
import type { Instant } from './instant.ts'
import type { Value } from './value.ts'

/** `{entity_type: {field: canonical value}}`, without empty parts (spec 03 §6). */
export type Hints = Readonly<Record<string, Readonly<Record<string, string>>>>

/**
 * Notes on fields of `data` whose kind JSON cannot show, so that reading a row gives back the same values
 * (spec 03 §7): `t` DateTime, `d` Duration, `f` Float that looks whole. A nested list or object has a nested note.
 */
export type Kinds = { readonly [field: string]: 't' | 'd' | 'f' | Kinds }

/**
 * The column `kinds`. A list stands for a treated field (spec 05 §5.3): its text tells nothing any more, but whom it named,
 * as a token for each entity type.
 */
export type StoredKinds = { readonly [field: string]: Kinds[string] | TreatedMark }
export type TreatedMark = readonly [Readonly<Record<string, string>>]

/** A raw record as received: the JSON value and, where it came as text, that text (kept as the ledger's `raw`). */
export interface RawRecord {
  readonly value: unknown
  readonly text?: string
  readonly origin?: { part: string; line: number | null; byte: number | null }
  /** Why the record could not even be read (not JSON, invalid UTF-8, …); it then fails normalization with this text. */
  readonly problem?: string
}

/** The result of normalizing one record, ready to append. JSON parts are text already. */
export interface NormalizedEvent {
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: Instant
  readonly source: string
  readonly data: Readonly<Record<string, Value>>
  readonly hints: Hints
  /** JSON texts of the ledger columns `data`, `kinds`, `resolution_hints`, `raw`. */
  readonly dataJson: string
  readonly kindsJson: string | null
  readonly hintsJson: string
  readonly rawJson: string
  /** Column `redaction` (`core/privacy/treat.ts`), of an event that was treated on arrival; left out: it was not. */
  readonly redactionJson?: string
}

/** An event as interpretation sees it. */
export interface LedgerEvent {
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: Instant
  readonly source: string
  readonly data: Readonly<Record<string, Value>>
  /** Treated fields with the tokens of what they identified, by entity type; left out: nothing was treated. */
  readonly treated?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** The columns of a ledger row that make an event; JSON parts as stored text (spec 03 §7). */
export interface StoredEvent {
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string
  readonly source: string
  readonly data: string
  readonly kinds: string | null
}
