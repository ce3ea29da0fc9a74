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
