/**
 * The dead-letter port (spec 07 §9): where failed units of work go for people to look at and to process again.
 *
 * Contract: `send` resolves once the failures are durable (a file on disk, a broker's acknowledgement) and rejects if
 * they are not; callers log and count a rejection and go on, so a sink never breaks the pipeline. Every failure is sent
 * exactly once; `send([])` does nothing. `close` waits for what is under way and may be repeated.
 */
import type { EventFailure } from '../results.ts'

export interface DeadLetterSink {
  send(failures: readonly EventFailure[]): Promise<void>
  close(): Promise<void>
}

/** Status of a stored failure: waiting for someone, processed again, or given up with a reason. */
export type DeadLetterStatus = 'open' | 'retried' | 'dropped'

/** A stored failure as a reader sees it. */
export interface DeadLetterEntry {
  /** Stable name of the entry: the start of the SHA-256 of its line. */
  readonly id: string
  readonly failure: EventFailure
  readonly status: DeadLetterStatus
  /** Why it was dropped; null otherwise. */
  readonly reason: string | null
}

/** What became of letters. `at`: canonical instant text. */
export interface DeadLetterDecision {
  readonly status: 'retried' | 'dropped'
  readonly reason: string | null
  readonly at: string
}

/** Stored failures of one sink, to be looked at and settled. */
export interface DeadLetterBox {
  /** Where they are, for people. */
  readonly place: string
  /** Oldest first, one at a time. Those that come while they are read may be among them. */
  read(filter?: { status?: DeadLetterStatus; source?: string; stage?: string }): AsyncIterable<DeadLetterEntry>
  settle(ids: readonly string[], decision: DeadLetterDecision): Promise<void>
}
