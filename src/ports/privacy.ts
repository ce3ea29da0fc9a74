/**
 * What is stored about erasures, redactions and holds (spec 05 §4.3, 10 §10.1–10.3): tables of the space's database.
 *
 * Contracts that hold for every method:
 * - A method without `Unit` is one transaction of its own. One with a `Unit` is durable when the unit commits.
 * - Instants are canonical text; ids are a letter, `_` and a UUID v7: requests `q_`, erasures `e_`, holds `h_`,
 *   certificates `c_`.
 * - Values of persons are nowhere in these tables: hints and event ids are keyed digests, and gone when the request is closed.
 */
import type { Json } from './runs.ts'
import type { Unit } from './store.ts'

/** Stores of the database, which the pivot changes, by their names in journals and certificates. */
export const LOCAL_STORES: readonly string[] = [
  'ledger',
  'identity',
  'history',
  'checkpoints',
  'dead_letters',
  'inbox',
  'checks',
]
/** Those beside it that are the engine's own; stores of people's have other names. */
export const OUTER_STORES: readonly string[] = [
  'cold',
  'dead_letter_file',
  'dead_letter_sink',
  'exports',
  'memory',
  'database_files',
]

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** `retention`: whole entities whose time is over; one request for all of one run. */
export const REQUEST_KINDS = ['erase', 'redact', 'retention'] as const
export type RequestKind = (typeof REQUEST_KINDS)[number]

/**
 * `requested → approved → frozen → erasing → verifying → closed`; aside `held` (a hold), `refused`, `store_pending` (a store
 * did not answer, and is asked again).
 */
export const REQUEST_STATUSES = [
  'requested',
  'approved',
  'frozen',
  'erasing',
  'verifying',
  'closed',
  'held',
  'refused',
  'store_pending',
] as const
export type RequestStatus = (typeof REQUEST_STATUSES)[number]
/** Neither done nor refused. */
export const REQUEST_OPEN: readonly RequestStatus[] = REQUEST_STATUSES.filter(
  (status) => status !== 'closed' && status !== 'refused',
)
/** The pivot is behind these: nothing but their end is ahead. */
export const PAST_PIVOT: readonly RequestStatus[] = ['erasing', 'verifying', 'store_pending', 'closed']

export interface RequestOptions {
  /** Events of the person that are sent again are refused (spec 05 §4.2 no. 8). */
  readonly suppress: boolean
  /** Exports of the entity's types lose its rows, too (spec 05 §4.5). */
  readonly purgeExports: boolean
  /** Later events of a redacted person are treated on arrival (spec 05 §5.3). */
  readonly sticky: boolean
}

export interface ErasureRequest {
  readonly requestId: string
  readonly kind: RequestKind
  /** As it was asked for; null: of a retention, many. */
  readonly entityId: string | null
  readonly status: RequestStatus
  /** Blank once the request is closed, as are the names. */
  readonly reason: string | null
  readonly requestedBy: string | null
  readonly requestedAt: string
  readonly deadline: string
  /** Who approved, or refused, it. */
  readonly approvedBy: string | null
  readonly approvedAt: string | null
  readonly closedAt: string | null
  readonly options: RequestOptions
  /** What it waits for: `approval`, `hold:<id>`, `store:<name>`, `slot:<name>`; empty: nothing. */
  readonly waitingFor: readonly string[]
  /** When it is worth to look again; null: at once, or when somebody decides. */
  readonly retryAt: string | null
  /** Hours before the deadline, or after it, about which people were warned already: milliseconds after `requestedAt`. */
  readonly warnedMs: number
  readonly holdsCheckedAt: string | null
  /** The random value that proves whose certificate it is; null once it is closed: only the requester has it then. */
  readonly receipt: string | null
  /** The run that works on it; null: none of an orchestrator. */
  readonly runId: string | null
}

export type RequestChange = Partial<
  Pick<
    ErasureRequest,
    | 'status'
    | 'approvedBy'
    | 'approvedAt'
    | 'closedAt'
    | 'waitingFor'
    | 'retryAt'
    | 'warnedMs'
    | 'holdsCheckedAt'
    | 'runId'
    | 'reason'
    | 'requestedBy'
    | 'receipt'
  >
>

export interface RequestFilter {
  readonly status?: readonly RequestStatus[]
  readonly kind?: readonly RequestKind[]
  readonly entityId?: string
  readonly limit?: number
}

// ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Keeps an entity with everything merged into it, or entities of a type (with a filter, some of them), from erasure. */
export interface Hold {
  readonly holdId: string
  /** Of these two one is null. */
  readonly entityId: string | null
  readonly entityType: string | null
  /** Condition in the form of spec 06 §5 as JSON; null: all of the type. */
  readonly filter: Json
  readonly reason: string
  readonly placedBy: string | null
  readonly placedAt: string
  /** It ends by itself then; null: it does not. */
  readonly until: string | null
  readonly releasedAt: string | null
}

// ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface FrozenEntity {
  readonly id: string
  readonly type: string
}

export const STORE_ACTIONS = ['deleted', 'scrubbed', 'rewritten', 'superseded', 'purged', 'declared'] as const
export type StoreAction = (typeof STORE_ACTIONS)[number]
/** How it was made sure that nothing is left: everything was read, an index was asked, the configuration says so, nobody looked. */
export type VerifyMethod = 'scan' | 'index' | 'config' | 'declared'

/** Something that may still hold the person, and is not claimed to be erased. No personal data. */
export interface Outstanding {
  /** `backup:nightly`, `export:x_…`, `database_files`, … */
  readonly store: string
  readonly reason: string
  /** When it goes by itself; null: not known. */
  readonly until: string | null
}

export interface StoreState {
  readonly state: 'pending' | 'done'
  readonly action: StoreAction
  /** Rows, lines, files or messages that were changed. */
  readonly items: number
  /** Code of what went wrong last; null: nothing. */
  readonly error: string | null
  readonly attempts: number
  readonly verified: { readonly method: VerifyMethod; readonly remaining: number } | null
  readonly outstanding: readonly Outstanding[]
  readonly at: string | null
}

/** What one request concerns, fixed before anything changes, and how far its stores are (spec 05 §4.3). */
export interface Erasure {
  readonly erasureId: string
  readonly requestId: string
  readonly kind: RequestKind
  /** The survivor first. */
  readonly entities: readonly FrozenEntity[]
  /** Keyed digests of hint values, and of what the raw records had in their place (`core/redaction.ts`). */
  readonly digests: readonly string[]
  /** Keyed digests of event ids. */
  readonly eventDigests: readonly string[]
  /** Rows that are emptied, and rows that stay without the person's fields, by sequence. */
  readonly emptied: readonly number[]
  readonly treated: readonly number[]
  /** Ids of exports of the entities' types. */
  readonly exports: readonly string[]
  readonly stores: Readonly<Record<string, StoreState>>
  readonly counts: ErasureCounts
  /** Head of the ledger when it was frozen: events above are not the subject of the request. */
  readonly ledgerHead: number
  /** Versions that were told of it. */
  readonly versions: readonly string[]
  readonly startedAt: string
  readonly pivotAt: string | null
  readonly closedAt: string | null
}

export interface ErasureCounts {
  readonly entities: number
  readonly eventsDeleted: number
  readonly eventsScrubbed: number
  readonly mergeLog: number
  readonly fields: number
}

export type ErasureChange = Partial<Omit<Erasure, 'erasureId' | 'requestId' | 'kind' | 'stores' | 'startedAt'>>

// ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface CertificateRow {
  readonly certificateId: string
  readonly requestId: string
  /** Lower-case hex. */
  readonly hash: string
  readonly previous: string
  readonly at: string
  /** The certificate as JSON text, RFC 8785 form. */
  readonly body: string
}

/** Copies of certificates outside the database, which a backup of it does not take back. */
export interface KeptCertificates {
  /** Where, for people. */
  readonly place: string
  keep(certificateId: string, body: string): Promise<void>
  /** Ascending: by time. */
  ids(): Promise<readonly string[]>
  /** Null: there is none. */
  read(certificateId: string): Promise<string | null>
}

export interface PrivacyPort {
  /**
   * Stores a request and returns it. With `unlessOpen` the oldest open one of this kind that names one of these entities,
   * if there is one, is returned instead.
   */
  create(request: ErasureRequest, options?: { readonly unlessOpen?: readonly string[] }): Promise<ErasureRequest>
  request(requestId: string, unit?: Unit): Promise<ErasureRequest | undefined>
  /** Oldest first. */
  requests(filter?: RequestFilter): Promise<ErasureRequest[]>
  /** With `from`, only if its status is one of these. Returns the row, or null if it did not apply. */
  change(
    requestId: string,
    change: RequestChange,
    options?: { readonly from?: readonly RequestStatus[]; readonly unit?: Unit },
  ): Promise<ErasureRequest | null>

  /** In a unit nothing is erased between it and the end of the unit. */
  addHold(hold: Hold, unit?: Unit): Promise<void>
  /** Oldest first. `at`: those in force at this instant only. In a unit nobody adds one until it ends. */
  holds(options?: { readonly at?: string; readonly unit?: Unit }): Promise<Hold[]>
  /** Returns the hold; null if there is none of this id, or it was released before. */
  releaseHold(holdId: string, at: string): Promise<Hold | null>

  /** Opens the journal of a request, or replaces what was frozen before the pivot. */
  freeze(unit: Unit, erasure: Erasure): Promise<void>
  /** Of this request, closed or not. */
  erasure(requestId: string, unit?: Unit): Promise<Erasure | undefined>
  /** Oldest first. */
  openErasures(unit?: Unit): Promise<Erasure[]>
  changeErasure(requestId: string, change: ErasureChange, unit?: Unit): Promise<void>
  setStore(requestId: string, store: string, state: StoreState): Promise<void>
  /**
   * Ends a request in the unit: adds the certificate, closes journal and request, and drops digests, sequences, frozen set,
   * names, reason and receipt.
   */
  close(unit: Unit, requestId: string, certificate: CertificateRow, at: string): Promise<void>
  /**
   * Adds certificates of erasures that the database does not know, since it was restored from a backup older than they are:
   * the chain goes on behind them. Those it knows are left out.
   */
  adopt(unit: Unit, certificates: readonly CertificateRow[]): Promise<void>

  /** Oldest first; `newest`: that many, the last ones. A request that was done again after a restored backup has several. */
  certificates(options?: {
    readonly requestId?: string
    readonly newest?: number
    readonly unit?: Unit
  }): Promise<CertificateRow[]>
  /** Those of the ids that are stored. */
  knownCertificates(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Hash of the newest certificate, no other unit adds one until this one ends; 64 zeros before the first. */
  lastHash(unit: Unit): Promise<string>

  /** A secret of the space under a name: stored the first time (`make`), the same for all processes ever after. */
  secret(name: 'redaction_key', make: () => Uint8Array): Promise<Uint8Array>
  /** Small texts of the space that outlive processes: when its files were scrubbed, which loss somebody accepted. */
  note(name: string): Promise<string | null>
  putNote(name: string, value: string, unit?: Unit): Promise<void>
}
