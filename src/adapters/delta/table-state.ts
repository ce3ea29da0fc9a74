/** The table that a log describes: the latest of every action wins (Delta protocol, Action Reconciliation). Pure. */
import { StorageError } from '../../errors.ts'
import type { ArchiveFile, ArchiveSnapshot } from '../../ports/archive.ts'
import type { Action, Add, Metadata, Protocol, Remove } from './actions.ts'
import { parseStats } from './statistics.ts'

/** Versions of the protocol that this program reads and writes. */
const READER = 1
const WRITER = 2

/** Where the log keeps the digest of a file's rows. */
export const DIGEST_TAG = 'defacto.digest'

export interface TableState {
  readonly version: number
  readonly protocol: Protocol
  readonly metadata: Metadata
  /** Live files by path. */
  readonly files: ReadonlyMap<string, Add>
  /** Replaced files by path. */
  readonly removed: ReadonlyMap<string, Remove>
  readonly txns: ReadonlyMap<string, { readonly version: number; readonly lastUpdated: number | null }>
  /** Newest checkpoint there is, as far as this reader knows; -1 if none. */
  readonly checkpoint: number
}

export interface Commit {
  readonly version: number
  readonly actions: readonly Action[]
}

/**
 * The state after these commits, which follow `before` (null: they begin with all there is: version 0 or a checkpoint).
 * @throws StorageError if a version is missing, or if the table needs abilities this program lacks
 */
export function replay(before: TableState | null, commits: readonly Commit[], checkpoint: number): TableState {
  const files = new Map(before?.files)
  const removed = new Map(before?.removed)
  const txns = new Map(before?.txns)
  let { version = null, protocol = null, metadata = null } = before ?? {}
  for (const commit of commits) {
    if (version !== null && commit.version !== version + 1) {
      throw damaged(`version ${version + 1} is missing, but version ${commit.version} is there`)
    }
    version = commit.version
    // Order inside a commit means nothing: a path that one commit both removes and adds is live.
    for (const action of commit.actions) {
      if (!('remove' in action)) continue
      files.delete(action.remove.path)
      removed.set(action.remove.path, action.remove)
    }
    for (const action of commit.actions) {
      if ('add' in action) {
        files.set(action.add.path, action.add)
        removed.delete(action.add.path)
      } else if ('txn' in action) {
        txns.set(action.txn.appId, { version: action.txn.version, lastUpdated: action.txn.lastUpdated ?? null })
      } else if ('metaData' in action) metadata = action.metaData
      else if ('protocol' in action) protocol = action.protocol
    }
  }
  if (version === null || protocol === null || metadata === null) throw damaged('it lacks protocol or metaData')
  if (protocol.minReaderVersion > READER) throw unsupported('read', protocol)
  return { version, protocol, metadata, files, removed, txns, checkpoint }
}

/** @throws StorageError if the table forbids or needs more than this program can keep to when it writes. */
export function assertWritable(state: TableState): void {
  if (state.protocol.minWriterVersion > WRITER) throw unsupported('written', state.protocol)
  const { partitionColumns, configuration } = state.metadata
  if ((partitionColumns ?? []).length > 0) throw unwritable('it is partitioned')
  if (/"delta\.invariants"/.test(state.metadata.schemaString)) throw unwritable('it has column invariants')
  if (configuration?.['delta.appendOnly'] === 'true') throw unwritable("it is append-only ('delta.appendOnly')")
}

export function snapshotOf(state: TableState): ArchiveSnapshot {
  const files = [...state.files.values()].map(fileOf).sort(bySequence)
  return {
    version: state.version,
    tableId: state.metadata.id,
    files,
    txns: new Map([...state.txns].map(([appId, { version }]) => [appId, version])),
    rows: files.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    last: files.reduce((max, { sequences }) => Math.max(max, sequences?.last ?? 0), 0),
  }
}

/** Recorded version of an application; else what the files hold, for tables of writers that record none. */
export function boundaryOf(state: TableState | null, appId: string): number {
  if (state === null) return 0
  const recorded = state.txns.get(appId)?.version
  if (recorded !== undefined) return recorded
  const { files, last } = snapshotOf(state)
  const unknown = files.find(({ sequences }) => sequences === null)
  if (unknown === undefined) return last
  throw new StorageError(
    `The archive does not say up to where it goes: no '${appId}' is recorded and '${unknown.path}' has no statistics of 'sequence'. Rewrite that file with statistics.`,
    { details: { operation: 'read', driver: 'delta', object: unknown.path } },
  )
}

export function fileOf(add: Add): ArchiveFile {
  return { path: add.path, bytes: add.size, ...parseStats(add.stats), digest: add.tags?.[DIGEST_TAG] ?? null }
}

function bySequence(a: ArchiveFile, b: ArchiveFile): number {
  return (a.sequences?.first ?? -1) - (b.sequences?.first ?? -1) || (a.path < b.path ? -1 : 1)
}

function damaged(problem: string): StorageError {
  return new StorageError(`The archive's log is damaged: ${problem}. Restore '_delta_log' from a backup.`, {
    details: { operation: 'read', driver: 'delta' },
  })
}

function unsupported(verb: string, { minReaderVersion, minWriterVersion }: Protocol): StorageError {
  return new StorageError(
    `The archive cannot be ${verb} by this program: its table needs protocol (${minReaderVersion}, ${minWriterVersion}), supported is (${READER}, ${WRITER}).`,
    { details: { operation: 'open', driver: 'delta' } },
  )
}

function unwritable(why: string): StorageError {
  return new StorageError(`The archive cannot be written: ${why}. Remove that property of the table.`, {
    details: { operation: 'write', driver: 'delta' },
  })
}
