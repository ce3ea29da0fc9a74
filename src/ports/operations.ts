/**
 * The operations of an engine as runs need them (spec 10 §4): every unit that they commit is fenced by the run's attempt
 * and stores its progress in the same transaction. Stopping is by signal, at chunk boundaries; what was committed stays,
 * and the same call goes on there.
 */
import type { DefinitionsObject } from '../core/definition/model.ts'
import type { RawRecord } from '../core/event.ts'
import type { Instant } from '../core/instant.ts'
import type { TablesExport } from '../core/pipeline/model.ts'
import type { BuildMode, BuildProgress, BuildResult, BuildStatus, TickResult } from '../results.ts'
import type { Swept, Verified } from './archive.ts'
import type { Logger } from './logger.ts'
import type { ErasureRequest, PrivacyPort, RequestStatus } from './privacy.ts'
import type { QueryReader } from './reading.ts'
import type { Counters, Json, RunFence, RunLog } from './runs.ts'
import type { Unit } from './store.ts'

/** How a call belongs to a run. */
export interface RunCall {
  readonly fence: RunFence
  readonly signal?: AbortSignal
  /** After every committed chunk, outside its transaction; for heartbeats and progress. */
  readonly onChunk?: (progress: { phase: string; done: number; total: number }) => void
  /** Runs every transaction; for whoever measures. */
  readonly around?: <T>(transaction: () => Promise<T>) => Promise<T>
}

/** Records of one part of an input, read in one go. */
export interface IngestChunk {
  readonly source: string
  readonly version?: string
  /** With their origins; what could not be read has a `problem` and fails normalization with it. */
  readonly records: readonly RawRecord[]
  /** `table`: with the chunk, `sink`: to the engine's sink after it. */
  readonly deadLetters: 'table' | 'sink' | 'off'
}

export interface ChunkCounts {
  readonly read: number
  readonly ingested: number
  readonly duplicates: number
  readonly failed: number
}

export interface ColdStatus {
  readonly head: number
  readonly flushed: number
  readonly pruned: number
  readonly hotRows: number
  readonly coldRows: number
  readonly coldBytes: number
  readonly coldFiles: number
}

export interface ColdGaps {
  /** Sequences at or below this one must be archived exactly once. */
  readonly flushed: number
  readonly missing: number
  readonly twice: number
}

/** Stages of requests, in this order (spec 10 §10.2). */
export const PRIVACY_STAGES = ['freeze', 'local', 'stores', 'verify', 'certify'] as const
export type PrivacyStage = (typeof PRIVACY_STAGES)[number]

/** Where a request is after a stage. */
export interface RequestState {
  readonly requestId: string
  readonly status: RequestStatus
  /** It is closed or refused. */
  readonly done: boolean
  /** When it is worth to look again; null: at once, or when somebody decides. */
  readonly retryAt: string | null
  /** `approval`, `hold:<id>`, `store:<name>`; empty: nothing. */
  readonly waitingFor: readonly string[]
}

/** Which entities are over, and since when (spec 10 §3.6). */
export interface ExpiryRule {
  /** Instant: what was heard of last before it, expires. */
  readonly before: string
  /** Empty: all. */
  readonly types: readonly string[]
  readonly states: readonly string[]
  /** At most so many entities at once. */
  readonly limit: number
}

/** Erasures and redactions as runs drive them (spec 10 §10). Nothing that these give is personal but ids of entities. */
export interface PrivacyOperations {
  /** When people are warned, in milliseconds after a request was made, ascending. */
  readonly warnAtMs: readonly number[]
  /** Tables of requests, holds and certificates. */
  readonly log: PrivacyPort
  /** One stage for all of these at once; one answer per request, in their order. */
  stage(call: RunCall, stage: PrivacyStage, requestIds: readonly string[]): Promise<readonly RequestState[]>
  /** Takes a request back before its pivot, as if it had not been made. False: the pivot is behind it. */
  withdraw(requestId: string): Promise<boolean>
  /**
   * Stores a request for what is over by the rule, or gives the one that this run has not carried out yet; null: nothing is
   * over but what is held.
   */
  expire(call: RunCall, rule: ExpiryRule): Promise<{ readonly request: ErasureRequest | null; readonly held: number }>
  /** Goes on with journals that nobody's run works on. Never rejects: what is open stays so, and is told in the log. */
  resume(signal?: AbortSignal): Promise<void>
}

export interface Operations {
  readonly spaceId: string
  readonly namespace: string
  readonly dialect: 'sqlite' | 'postgres'
  /** Secrets masked; for people. */
  readonly location: string
  /** `<namespace>-<first 8 digits of the space id>`: what ids of workflows and task queues carry. */
  readonly space: string
  /** False: no archive. */
  readonly tiered: boolean
  /** Rows to flush or prune per call, so that one that is stopped loses little. */
  readonly sliceRows: number
  /** Null: all entities. */
  readonly shard: { readonly id: number; readonly total: number } | null
  readonly log: RunLog
  readonly logger: Logger
  readonly reader: QueryReader
  /** Working version and definitions of it (or of another registered one). */
  readonly version: string
  definitions(version?: string): Promise<{ version: string; definitionHash: string; definitions: DefinitionsObject }>
  now(): Instant

  /**
   * One chunk of an input: ledger rows, dead letters, mark (through `commit`, called in the unit with the counts) and
   * counters of the run commit together.
   */
  ingestChunk(
    call: RunCall,
    chunk: IngestChunk,
    commit: (unit: Unit, counts: ChunkCounts) => Promise<void>,
  ): Promise<ChunkCounts>
  /** A unit of a run without engine work. */
  unit<T>(call: RunCall, work: (unit: Unit) => Promise<T>): Promise<T>
  nextBuild(options: {
    version?: string
    full?: boolean
    fromRaw?: boolean
  }): Promise<{ mode: BuildMode; reason: string; pendingEvents: number }>
  build(
    call: RunCall,
    options: {
      version?: string
      full?: boolean
      fromRaw?: boolean
      asOf?: Instant
      onProgress?: (progress: BuildProgress) => void
      /** What the run counts of a build, stored with the unit that finishes it. */
      counters?: (result: BuildResult) => Counters
    },
  ): Promise<BuildResult>
  buildStatus(
    version?: string,
  ): Promise<BuildStatus & { readonly watermark: string | null; readonly tickHorizon: string | null }>
  tick(call: RunCall, options: { version?: string; asOf?: Instant }): Promise<TickResult>
  /** Rows copied. */
  flush(call: RunCall, options: { upTo?: number }): Promise<number>
  /** Rows removed from the database. `before`: none above this sequence; else `retention`; else everything archived. */
  prune(
    call: RunCall,
    options: { before?: number; retention?: { hotDays?: number; hotRows?: number }; asOf?: Instant },
  ): Promise<number>
  /** Tables of one snapshot to files or another database, whole or not at all (spec 06 §7). `to`: absolute, or a URL. */
  exportTables(
    call: RunCall,
    request: TablesExport & { readonly version?: string },
  ): Promise<{ readonly tables: number; readonly rows: number }>
  compact(call: RunCall): Promise<{ before: number; after: number }>
  vacuum(call: RunCall): Promise<Swept>
  verify(call: RunCall): Promise<Verified>
  coldStatus(): Promise<ColdStatus | null>
  /** Greatest sequence of the ledger. */
  head(): Promise<number>
  /** Newest event timestamp of a source in the ledger, and oldest timestamp above the cursor; null: none. */
  newestEvent(source: string): Promise<string | null>
  oldestPending(version?: string): Promise<string | null>
  oldestUnflushed(): Promise<string | null>
  /** Replays entities from all tiers in memory; the ids of those whose rows say something else. */
  replayDiffers(entityIds: readonly string[]): Promise<readonly string[]>
  /**
   * Compares the sequences up to the last archived one with those in the archive's committed version; memory stays flat.
   * Null: no archive.
   */
  coldGaps(signal?: AbortSignal): Promise<ColdGaps | null>
  /** Slots and how often each was taken. */
  locks(): Promise<readonly { readonly slot: string; readonly epoch: number }[]>
  readonly privacy: PrivacyOperations
  close(): Promise<void>
}

/** Cursor of runs whose position is the engine's own. */
export const ENGINE_CURSOR: Json = null
