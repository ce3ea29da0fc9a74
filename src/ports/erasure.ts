/**
 * The stores that an erasure or redaction reaches beside the database itself (spec 05 §4.2, 10 §10.2): each has one target,
 * and every target works for many requests at once, so that they share what costs most.
 *
 * Contract: `erase` may be interrupted anywhere and repeated; a subject that is done already costs little. It rejects with a
 * recoverable error where the store does not answer: nobody gives up, it is asked again. Targets run after the pivot, so
 * nothing they need is in the database any more but what is frozen.
 */
import type { Erasure, Outstanding, StoreAction, VerifyMethod } from './privacy.ts'

/** What was frozen of one request, with a way to recognize the person in what other stores hold. */
export interface FrozenSubject extends Erasure {
  /** Whether a JSON value anywhere holds one of the person's hints (as text or number), event ids or entity ids. */
  mentions(value: unknown): boolean
  /** Treatment of a redaction: the value as it may stay; the same value if nothing of it is the person's. */
  readonly treat: ((value: unknown) => unknown) | null
}

export interface TargetCall {
  readonly signal?: AbortSignal
  /** Rows or files done of those there are to do. */
  readonly progress?: (done: number, total: number) => void
}

export interface TargetOutcome {
  readonly action: StoreAction
  readonly items: number
  readonly outstanding?: readonly Outstanding[]
}

export interface ErasureTarget {
  /** `cold`, `dead_letter_file`, `exports`, … or the user's own. */
  readonly name: string
  /** How many items it would change; changes nothing. */
  plan(subject: FrozenSubject): Promise<number>
  /** One outcome per subject, in their order. */
  erase(subjects: readonly FrozenSubject[], call: TargetCall): Promise<readonly TargetOutcome[]>
  verify(subject: FrozenSubject): Promise<TargetCheck>
  /** The same for many at once, where they share what costs most; left out: one after the other. */
  verifyAll?(subjects: readonly FrozenSubject[]): Promise<readonly TargetCheck[]>
}

/** What was found of a subject, and how it was looked for. */
export interface TargetCheck {
  readonly remaining: number
  readonly method: VerifyMethod
}
