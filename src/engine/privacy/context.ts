/** What erasures and redactions work with, beside the engine (spec 05 §4–5, 10 §10). */
import type { Digests } from '../../core/privacy/digest.ts'
import type { ErasureTarget } from '../../ports/erasure.ts'
import type { Json } from '../../ports/runs.ts'
import type { Edition, Engine } from '../engine.ts'

/** `compliance` of the configuration (spec 10 §7.2), durations in milliseconds. */
export interface CompliancePolicy {
  /** `required`: somebody else than the requester has to approve. */
  readonly approval: 'required' | 'none'
  readonly deadlineMs: number
  /** When people are warned, in milliseconds after the request, ascending. */
  readonly warnAtMs: readonly number[]
  /** Copies nobody can change before they expire: named in every certificate. `expires`: days after the pivot, or an instant. */
  readonly backups: readonly { readonly name: string; readonly expires: string | null }[]
}

/** Signs certificates (spec 10 §10.3); Ed25519. */
export interface Signer {
  readonly keyId: string
  /** Base64 of the signature over these bytes. */
  sign(bytes: Uint8Array): string
}

/** Conditions of holds (spec 06 §5 as JSON) on the current rows of entities; the queries' business. */
export interface HoldFilter {
  /** `QueryError` for a condition that cannot be evaluated. */
  check(entityType: string, filter: Json): Promise<void>
  /** Those of the ids that meet it, and those that have no row to look at. */
  evaluate(
    entityType: string,
    filter: Json,
    ids: readonly string[],
  ): Promise<{ readonly met: ReadonlySet<string>; readonly absent: readonly string[] }>
}

export interface PrivacyContext {
  readonly engine: Engine
  readonly digests: Digests
  readonly policy: CompliancePolicy
  readonly signer: Signer
  /** Version of this package. */
  readonly package: string
  /** What `ingest` and `build` use now. */
  working(): Edition
  /** Every version of the space, compiled. */
  editions(): Promise<readonly Edition[]>
  /** Brings the working version to the head, as `build()` does. */
  interpret(signal?: AbortSignal): Promise<void>
  /** Stores beside the database, in the order in which they are named. */
  readonly targets: readonly ErasureTarget[]
  /** `holdFilter` of `hold-filter.ts`. */
  readonly holdFilter: HoldFilter
  /** Told each certificate that was stored: keeps it outside the database, too. */
  certified(body: string, certificateId: string): Promise<void>
  /** Readers of this process see what was removed. */
  refresh(): Promise<void>
}

/** How a call is stopped and watched. */
export interface PrivacyCall {
  readonly signal?: AbortSignal
  readonly progress?: (stage: string, done: number, total: number) => void
}
