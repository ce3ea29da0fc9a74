/** Assets: names of what can be read, derived from definitions, never declared (spec 10 §1). */
import type { CheckResult } from '../../ports/runs.ts'

export type AssetKind =
  | 'source'
  | 'ledger'
  | 'identity'
  | 'history'
  | 'entity'
  | 'relationship'
  | 'cold'
  | 'dead_letters'
  | 'export'

export interface Asset {
  /** `source/kiosk`, `ledger`, `entity/member/history`, … */
  readonly name: string
  readonly kind: AssetKind
  /** Source, entity type, relationship type, or pipeline and step of an export; null where there is one of the kind. */
  readonly subject: string | null
  /** Assets that it is made from. */
  readonly upstream: readonly { readonly name: string; readonly label: string }[]
  /** Pipelines that write it, by name. */
  readonly pipelines: readonly string[]
}

export type FreshnessState = 'ok' | 'warn' | 'error' | 'unknown'
export interface AssetFreshness {
  readonly asset: string
  readonly pipeline: string
  readonly of: 'event' | 'arrival' | 'build' | 'tick' | 'flush'
  readonly state: FreshnessState
  /** Null: unknown. */
  readonly lagMs: number | null
  readonly warnMs: number | null
  readonly errorMs: number | null
  /** The instant the lag counts from; null: nothing waits, or unknown. */
  readonly since: string | null
  readonly at: string
}

export interface AssetInfo extends Asset {
  /** `<first 8 of definition_hash>:<cursor>`; null before the first build. */
  readonly dataVersion: string | null
  /** The last run that wrote it; null: none that is still on record. */
  readonly materialized: { readonly runId: string; readonly op: string; readonly at: string } | null
  readonly freshness: readonly AssetFreshness[]
  readonly checks: readonly CheckResult[]
}
