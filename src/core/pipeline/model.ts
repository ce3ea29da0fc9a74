/** Pipelines as runs read them: checked, defaults filled in (spec 10 §3). Durations in milliseconds. */

export interface RetryPolicy {
  /** Consecutive failures without progress; 0: no limit. */
  readonly attempts: number
  readonly backoffMs: number
  readonly factor: number
  readonly maxMs: number
}
export const RETRY: RetryPolicy = { attempts: 5, backoffMs: 10_000, factor: 2, maxMs: 300_000 }

export interface OnError {
  readonly maxRatio: number
  /** Null: no limit. */
  readonly maxCount: number | null
  readonly minRecords: number
  readonly action: 'fail' | 'warn'
  readonly deadLetters: 'table' | 'sink' | 'off'
}

export type InputFormat = 'ndjson' | 'json' | 'csv' | 'parquet'
export interface CsvOptions {
  readonly delimiter: string
  /** Text that means null; null: none. */
  readonly null: string | null
  readonly encoding: string
}
interface InputBase {
  readonly name: string
  readonly source: string
  /** Records per chunk. */
  readonly batch: number
  readonly parallel: number
  readonly required: boolean
  readonly onError: OnError
}
export interface FilesInput extends InputBase {
  readonly kind: 'files'
  /** Glob relative to the project. */
  readonly path: string
  /** Null: by suffix. */
  readonly format: InputFormat | null
  readonly records: string | null
  readonly csv: CsvOptions
  readonly settleMs: number
  readonly append: boolean
  readonly after: 'keep' | 'move' | 'delete'
  readonly moveTo: string | null
  /** Name with `{date}`; null: parts belong to no window. */
  readonly window: string | null
}
export interface S3Input extends InputBase {
  readonly kind: 's3'
  readonly url: string
  readonly pattern: string | null
  readonly format: InputFormat | null
  readonly records: string | null
  readonly csv: CsvOptions
  readonly storage: Readonly<Record<string, string>>
  readonly settleMs: number
  readonly after: 'keep' | 'move' | 'delete'
  readonly moveTo: string | null
  readonly window: string | null
}
export interface PostgresInput extends InputBase {
  readonly kind: 'postgres'
  /** May hold `${env:…}` references; resolved when used. */
  readonly database: string
  readonly query: string
  readonly cursor: { readonly column: string; readonly initial: string | number; readonly overlapMs: number } | null
  readonly window: string | null
}
export interface InboxInput extends InputBase {
  readonly kind: 'inbox'
}
export type Input = FilesInput | S3Input | PostgresInput | InboxInput

/** Where a step writes tables. */
export interface TablesExport {
  /** Folder, file or URL; references are put in when it runs. */
  readonly to: string
  readonly format: (typeof EXPORT_FORMATS)[number]
  /** Empty: all. */
  readonly types: readonly string[]
  readonly relationships: boolean
  readonly history: boolean
}
export const EXPORT_FORMATS = ['parquet', 'csv', 'duckdb', 'snapshot', 'neo4j'] as const

interface StepBase {
  readonly id: string
  readonly needs: readonly string[]
  readonly when: 'success' | 'failure' | 'always'
  readonly retry: RetryPolicy
  readonly timeoutMs: number
}
export type Step = StepBase &
  (
    | { readonly kind: 'ingest'; readonly inputs: readonly string[] }
    | { readonly kind: 'build'; readonly version: string | null; readonly full: boolean; readonly fromRaw: boolean }
    | { readonly kind: 'tick'; readonly asOf: string | null }
    | { readonly kind: 'check'; readonly only: readonly string[] }
    | { readonly kind: 'flush'; readonly upTo: number | null }
    /** `before`: a sequence; null: the pipeline's retention. */
    | { readonly kind: 'prune'; readonly before: number | null }
    | { readonly kind: 'maintain'; readonly compact: boolean; readonly vacuum: boolean; readonly verify: boolean }
    | ({ readonly kind: 'export' } & TablesExport)
    | { readonly kind: 'expire' }
    | { readonly kind: 'erase_queue'; readonly max: number; readonly maxWaitMs: number }
  )
export type StepKind = Step['kind']

export interface Schedule {
  /** Exactly one of the two. */
  readonly cron: string | null
  readonly everyMs: number | null
  readonly timezone: string
  readonly start: string | null
  readonly end: string | null
  readonly overlap: 'queue' | 'skip' | 'cancel'
  readonly missed: 'last' | 'all' | 'none'
  readonly windowMs: number
  readonly jitterMs: number
}

interface CheckBase {
  readonly name: string
  readonly asset: string | null
  readonly severity: 'warn' | 'error'
  readonly blocking: boolean
  readonly timeoutMs: number
}
export type CheckDef = CheckBase &
  (
    | { readonly kind: 'history_valid' | 'dangling_edges' }
    | { readonly kind: 'replay_consistent'; readonly sample: number }
    | {
        readonly kind: 'row_count'
        readonly min: number | null
        readonly max: number | null
        readonly maxChange: number | null
      }
    | { readonly kind: 'not_null' | 'unique'; readonly column: string }
    | { readonly kind: 'accepted'; readonly column: string; readonly values: readonly (string | number | boolean)[] }
    | { readonly kind: 'dead_letter_rate' | 'unresolved_rate'; readonly max: number }
    | { readonly kind: 'merge_spike'; readonly factor: number; readonly min: number }
    | { readonly kind: 'pending_events' | 'inputs_held'; readonly max: number }
    | { readonly kind: 'cold_complete' }
    | { readonly kind: 'erasures_closed'; readonly olderThanMs: number }
    | { readonly kind: 'fresh' }
    | {
        readonly kind: 'sql'
        readonly sql: string
        readonly expect: { readonly op: '=' | '!=' | '<' | '<=' | '>' | '>='; readonly value: number | string } | null
      }
  )

export interface FreshnessRule {
  readonly asset: string
  readonly warnMs: number | null
  readonly errorMs: number | null
  readonly of: 'event' | 'arrival' | 'build' | 'tick' | 'flush'
}

export const ALERT_EVENTS = [
  'failure',
  'recovered',
  'threshold',
  'check',
  'freshness',
  'schedule',
  'retrying',
  'erase_deadline',
  'store_pending',
] as const
export type AlertEvent = (typeof ALERT_EVENTS)[number]
export type AlertTarget =
  | {
      readonly kind: 'webhook'
      readonly url: string
      readonly headers: Readonly<Record<string, string>>
      readonly secret: string | null
    }
  | { readonly kind: 'cloudevents'; readonly url: string }
  | { readonly kind: 'file'; readonly path: string }
export interface AlertRule {
  readonly on: readonly AlertEvent[]
  readonly to: AlertTarget
  readonly minSeverity: 'warn' | 'error'
  readonly repeatMs: number
}

export interface Retention {
  readonly hotDays: number | null
  readonly hotRows: number | null
  /** Age of an entity's last event at which all of it expires; null: never. */
  readonly coldMs: number | null
  /** Empty: all. */
  readonly coldTypes: readonly string[]
  readonly onlyStates: readonly string[]
}

export interface Pipeline {
  readonly name: string
  readonly description: string | null
  readonly inputs: readonly Input[]
  readonly steps: readonly Step[]
  readonly schedule: Schedule | null
  /** `scheduled`: the slot's instant, by hand now. */
  readonly asOf: string
  /** Null: the one active at the start. */
  readonly version: string | null
  readonly skipIfIdle: boolean
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  readonly pool: string | null
  readonly parallel: number
  readonly retention: Retention | null
  readonly checks: readonly CheckDef[]
  readonly freshness: readonly FreshnessRule[]
  readonly alerts: readonly AlertRule[]
  readonly tags: Readonly<Record<string, string>>
  /** SHA-256 of the canonical body as written, 64 hex digits. */
  readonly hash: string
}
