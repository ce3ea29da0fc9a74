/**
 * What a kind of request does in the database: fixing what it concerns, the one transaction that cannot be taken back (spec
 * 05 §4.3), and looking whether something is left. All else of the stages is the same for every kind.
 */
import type { FrozenSubject } from '../../ports/erasure.ts'
import type {
  Erasure,
  ErasureCounts,
  ErasureRequest,
  FrozenEntity,
  StoreAction,
  VerifyMethod,
} from '../../ports/privacy.ts'
import type { Unit } from '../../ports/store.ts'
import type { Slot } from '../slot.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'

/** What a kind is told: the whole `state` slot is held, everything up to `head` is mapped. */
export interface FreezeWork {
  readonly context: PrivacyContext
  readonly slot: Slot
  readonly request: ErasureRequest
  /** The survivor first; empty: there is nobody any more. */
  readonly entities: readonly FrozenEntity[]
  readonly head: number
  readonly call: PrivacyCall
}

/** What goes into the journal. */
export type FrozenRows = Pick<Erasure, 'digests' | 'eventDigests' | 'emptied' | 'treated'>

/** What is fixed of one request: the part that is stored, and what only the pivot after it needs. */
export interface Prepared {
  readonly rows: FrozenRows
  /**
   * The one unit, under the same hold of the slot: changes everything in the database, and ends with `pivoted` of the work it
   * is given, so that journal and request follow in the same transaction. Nothing has changed meanwhile but what was
   * appended: a repeat that came since is `MoreRows`.
   */
  pivot(work: PivotWork): Promise<void>
}

export interface PivotWork extends FreezeWork {
  readonly erasure: Erasure
  /** Checks holds and approval again, in the unit. First call of the unit. */
  readonly recheck: (unit: Unit) => Promise<void>
  /** Writes journal, states of local stores and request. Last call of the unit. */
  readonly pivoted: (
    unit: Unit,
    counts: ErasureCounts,
    stores: Readonly<Record<string, { readonly action: StoreAction; readonly items: number }>>,
  ) => Promise<void>
}

/** Rows that concern the request came after it was frozen; it is frozen again. */
export class MoreRows extends Error {}

export interface LocalCheck {
  readonly remaining: number
  readonly method: VerifyMethod
}

export interface Pivot {
  prepare(work: FreezeWork): Promise<Prepared>
  /** How the person is recognized, and treated, in what other stores hold. */
  subject(context: PrivacyContext, erasure: Erasure): FrozenSubject
  /** What is left in the stores of the database, by their names in the journal. */
  verify(context: PrivacyContext, erasure: Erasure): Promise<Readonly<Record<string, LocalCheck>>>
  /** Takes out what `verify` found; may be repeated. */
  repeat(context: PrivacyContext, erasure: Erasure, call: PrivacyCall): Promise<void>
}
