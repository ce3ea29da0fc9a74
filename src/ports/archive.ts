/**
 * The archive: ledger rows that are kept for good in a table of files anybody can read (spec 07 §5). It grows at its end
 * (`append`), changes by replacing whole files (`rewrite`), and every change is one atomic commit with a version.
 *
 * Rows are told apart by `sequence`. Nothing here knows the hot ledger, slots or entities. Several processes may use one
 * archive at once: who meets another's commit reads the table again and starts again from it, so that no row is archived
 * twice and none comes back that was erased. Failures are `StorageError`s; `recoverable` says that the same call may
 * succeed later, and repeating a call that failed half-way is always safe.
 */

import type { Member } from './tiers.ts'

/**
 * A row of the table; JSON columns as stored text. A tombstone has no `eventType`: all its columns are null but the sequence,
 * and `eventId` where that is the keyed digest of an event that must not come back.
 */
export interface ArchiveRow {
  readonly sequence: number
  readonly eventId: string | null
  readonly eventType: string | null
  /** Canonical text. */
  readonly timestamp: string | null
  readonly source: string | null
  readonly data: string | null
  readonly raw: string | null
  readonly hints: string | null
  readonly duplicateOf: number | null
  readonly excluded: boolean | null
  readonly kinds: string | null
  readonly redaction: string | null
}

export type ArchiveColumn = keyof ArchiveRow

export interface ArchiveFile {
  readonly path: string
  readonly bytes: number
  /** Null if its writer did not say. */
  readonly rows: number | null
  /** Bounds, both inclusive; null if the writer did not say. */
  readonly sequences: { readonly first: number; readonly last: number } | null
  /** Bounds as canonical text, rounded outwards to milliseconds; null if unknown, empty texts if no row has a timestamp. */
  readonly timestamps: { readonly first: string; readonly last: string } | null
  /** SHA-256 over its rows, recorded when it was written; null in files of foreign writers, which may not be sorted either. */
  readonly digest: string | null
}

/** One version of the table. */
export interface ArchiveSnapshot {
  readonly version: number
  readonly tableId: string
  /** In order of their first sequences; those without known bounds first. */
  readonly files: readonly ArchiveFile[]
  /** Last version each writing application recorded, by its name. */
  readonly txns: ReadonlyMap<string, number>
  readonly rows: number
  readonly bytes: number
  /** Greatest sequence of any file, 0 if there is none. */
  readonly last: number
}

export interface AppendRequest {
  /** Name under which the last archived sequence is recorded, `defacto-flush/<namespace>`. */
  readonly appId: string
  /**
   * The rows above `after` in ascending sequence order, in chunks; called again after a conflict, because another commit
   * may have moved the boundary or changed rows.
   */
  rows(after: number): AsyncIterable<readonly ArchiveRow[]>
  /** Goes into `commitInfo` of every commit beside `flushFrom` and `flushTo`; informs only. */
  readonly info?: Readonly<Record<string, string | number>>
}

export interface AppendResult {
  /** Rows and files that this call committed. */
  readonly rows: number
  readonly files: number
  /** Highest archived sequence now, whoever archived it: the boundary. */
  readonly last: number
}

export interface ScanRequest {
  /** Rows with `after < sequence <= to`. */
  readonly after?: number
  readonly to?: number
  /** Only these, in any order. */
  readonly sequences?: readonly number[]
  /** `time`: by (timestamp, sequence), rows without a timestamp (tombstones) left out. Default `sequence`. */
  readonly order?: 'sequence' | 'time'
  /** Columns to read; the others are null in the rows. `sequence` is always read. */
  readonly columns?: readonly ArchiveColumn[]
  /** The version to read; default: the newest. */
  readonly snapshot?: ArchiveSnapshot
}

export interface RewriteRequest {
  /**
   * `defacto-redact/<namespace>` and the number of the intent. Numbers are applied in ascending order: one at or below
   * the recorded one counts as done.
   */
  readonly txn: { readonly appId: string; readonly version: number }
  /** Rows to change, in any order; sequences that are not archived are ignored. */
  readonly sequences: readonly number[] | 'all'
  /**
   * The wanted rows of a chunk (ascending) as they shall be, in the same order with the same sequences. Asked again after
   * a conflict: the same rows must give the same answer.
   */
  change(rows: readonly ArchiveRow[]): readonly ArchiveRow[] | Promise<readonly ArchiveRow[]>
}

/** Archived rows for the entities they concern, entity after entity. */
export interface MembersRequest {
  /** Which event concerns which entity, by ascending sequence; an event may concern several. */
  readonly members: AsyncIterable<readonly Member[]>
  /** Rows with `sequence <= to`. */
  readonly to: number
  readonly columns?: readonly ArchiveColumn[]
  readonly snapshot?: ArchiveSnapshot
}

export interface MemberRow {
  readonly entityId: string
  readonly entityType: string
  readonly row: ArchiveRow
}

export interface ConfirmRequest {
  /** The range `after < sequence <= to`. */
  readonly after: number
  readonly to: number
  /** What must be archived: every row of the range, ascending, in chunks. */
  readonly rows: AsyncIterable<readonly ArchiveRow[]>
}

export interface RewriteResult {
  /** False if the txn was recorded before this call; the counts are 0 then. */
  readonly applied: boolean
  readonly rows: number
  readonly files: number
  readonly version: number
}

export interface Pending {
  readonly path: string
  /** Why it is still there. */
  readonly reason: string
}

export interface Swept {
  readonly removed: number
  readonly bytes: number
  readonly pending: readonly Pending[]
}

export interface Verified {
  readonly version: number
  readonly files: number
  readonly rows: number
  /** Files of foreign writers, which record no digest: rows and ranges were compared only. */
  readonly withoutDigest: number
  readonly problems: readonly { readonly path: string; readonly problem: string }[]
}

export interface Archive {
  /** Where it is, secrets masked. */
  readonly location: string
  /** The newest version; null if there is no table yet. Costs one listing when nothing is new. */
  snapshot(): Promise<ArchiveSnapshot | null>
  /** The boundary of an application: its recorded version, else the last sequence of the table, else 0. */
  boundary(appId: string): Promise<number>
  /**
   * Archives what `rows` gives above the boundary, file by file: each is written, uploaded under a fresh name, fetched
   * back and compared (size, counts, range, digest), then committed on its own together with the new boundary. Creates
   * the table. Memory does not grow with the rows.
   */
  append(request: AppendRequest): Promise<AppendResult>
  /** Rows in chunks. Files and row groups that cannot hold wanted rows are not read; memory does not grow with the rows. */
  scan(request?: ScanRequest): AsyncIterable<ArchiveRow[]>
  /**
   * Archived rows with their entities, ordered by (entity id as UTF-8, timestamp, sequence), in chunks; rows without a
   * timestamp and members that are not archived are left out. Sorts on disk: memory does not grow with the rows.
   */
  scanMembers(request: MembersRequest): AsyncIterable<MemberRow[]>
  /**
   * Reads a range of the newest version with a second, independent Parquet reader and compares count, sequences and
   * content with the given rows. Returns the version. `StorageError` that names the file where they differ.
   */
  confirm(request: ConfirmRequest): Promise<number>
  /**
   * Changes rows by replacing the files that hold them, in one commit, made even when no row changes, so that a
   * concurrent append meets it and reads its rows again. Old files stay until `purge` or `vacuum`.
   */
  rewrite(request: RewriteRequest): Promise<RewriteResult>
  /**
   * Removes now, without waiting for readers, what is not part of the newest version: replaced files, uploads that no
   * commit names or that were never finished and that are older than `orphanAgeMs` (longer than any writer takes; 0 if
   * none can be running), and the log up to a new checkpoint. What cannot be removed is said with the reason.
   */
  purge(options?: { orphanAgeMs?: number }): Promise<Swept>
  /** Removes replaced files after `retentionMs` (7 days) and uploads of nobody after `orphanAgeMs` (a day). */
  vacuum(options?: { retentionMs?: number; orphanAgeMs?: number }): Promise<Swept>
  /** Merges neighbouring small files, and writes files of other programs anew; returns how many became how many. */
  compact(): Promise<{ before: number; after: number }>
  /** Writes a checkpoint of the newest version; done by itself every 50 commits. Null if there is no table. */
  checkpoint(): Promise<number | null>
  /** Removes log entries and checkpoints older than `retentionMs` (30 days) that the newest checkpoint replaces. */
  cleanLog(options?: { retentionMs?: number }): Promise<Swept>
  /**
   * Reads every file (or these) and compares rows, ranges, order and digest with what the log says. `progress`: rows read
   * of those the log counts.
   */
  verify(options?: {
    paths?: readonly string[]
    signal?: AbortSignal
    progress?: (done: number, total: number) => void
  }): Promise<Verified>
  close(): Promise<void>
}

/** `digest`: of an event that must not come back (spec 05 §4.2 no. 8). */
export function tombstone(sequence: number, digest: string | null = null): ArchiveRow {
  return {
    sequence,
    eventId: digest,
    eventType: null,
    timestamp: null,
    source: null,
    data: null,
    raw: null,
    hints: null,
    duplicateOf: null,
    excluded: null,
    kinds: null,
    redaction: null,
  }
}

/** Name under which an archive records which changes of its rows it has. */
export function changesApp(namespace: string): string {
  return `defacto-redact/${namespace}`
}

/** The columns of a tombstone, as a change of the row that becomes one. */
export function emptied(digest: string | null): Omit<ArchiveRow, 'sequence'> {
  const { sequence: _, ...columns } = tombstone(0, digest)
  return columns
}
