/** Moving a table to another place: a copy that may be interrupted and repeated, and never mixes two tables. */
import { StorageError } from '../../errors.ts'
import type { ArchiveFile, ArchiveSnapshot } from '../../ports/archive.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import { openDeltaArchive } from './archive.ts'
import { damagedFile } from './context.ts'
import { checkpointPath, commitPath, LAST_CHECKPOINT, LOG, objectPath, parseLogName } from './log-names.ts'
import { versionGone } from './log-reader.ts'
import { TemporaryFolder, type Workspace } from './workspace.ts'

export interface CopyOptions {
  /** Bytes of data files that are at the target, of those there are. */
  readonly progress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface Copied {
  /** Version that the target has now. */
  readonly version: number
  /** Data files copied by this call, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** Data files that were there already. */
  readonly present: number
  /** Log entries and checkpoints copied by this call. */
  readonly log: number
}

/** Data files copied, and log entries compared, at the same time. */
const FILES_AT_ONCE = 4
const ENTRIES_AT_ONCE = 8

/**
 * Copies what the target lacks of the newest version: live data files, checkpoints, log entries in ascending order, and
 * the hint to the newest checkpoint last, so that no entry is there before what it names. Replaced files stay behind: they
 * may hold erased rows. After an interruption, or when the source has grown, the same call goes on. The caller verifies
 * the target afterwards; what an earlier, interrupted copy left of versions that are gone, a purge of the target removes.
 * @throws StorageError if the target holds another table, or one whose log differs from this one's or leads
 */
export async function copyTable(from: ObjectStore, to: ObjectStore, options: CopyOptions = {}): Promise<Copied> {
  const workspace = new TemporaryFolder()
  try {
    return await copyAll({ from, to, workspace, signal: options.signal, progress: options.progress ?? (() => {}) })
  } finally {
    await workspace.close()
  }
}

interface Way {
  readonly from: ObjectStore
  readonly to: ObjectStore
  readonly workspace: Workspace
  readonly signal: AbortSignal | undefined
  progress(done: number, total: number): void
}

async function copyAll(way: Way): Promise<Copied> {
  const table = await snapshotIn(way.from)
  if (table === null) throw refused(`there is no table in ${way.from.location}. Give the place it is in.`)
  const [source, target] = [await logOf(way.from, table.version), await logOf(way.to, Number.MAX_SAFE_INTEGER)]
  if (!leadsTo(table.version, source)) throw versionGone()
  await assertSameTable(way, table, source, target)
  const data = await copyFiles(way, table.files)
  const checkpoints = [...source.checkpoints].filter(([path, size]) => isLacking(way, path, size, target.checkpoints))
  for (const [path, size] of checkpoints) await copyObject(way, path, size)
  const entries = [...source.entries].filter((path) => !target.entries.has(path))
  for (const path of entries) await copyEntry(way, path)
  await copyHint(way, source)
  return { version: table.version, ...data, log: checkpoints.length + entries.length }
}

async function snapshotIn(objects: ObjectStore): Promise<ArchiveSnapshot | null> {
  const archive = await openDeltaArchive({ objects })
  try {
    return await archive.snapshot()
  } finally {
    await archive.close()
  }
}

interface Log {
  /** Greatest version of anything in it, -1 if it is empty. */
  readonly last: number
  /** Paths in ascending order. */
  readonly entries: ReadonlySet<string>
  /** Sizes by path. */
  readonly checkpoints: ReadonlyMap<string, number>
}

async function logOf(objects: ObjectStore, upTo: number): Promise<Log> {
  const entries = new Set<string>()
  const checkpoints = new Map<string, number>()
  let last = -1
  for await (const { path, size } of objects.list(LOG)) {
    const name = parseLogName(path)
    if (name === null || name.version > upTo) continue
    last = Math.max(last, name.version)
    if (name.kind === 'commit') entries.add(path)
    else checkpoints.set(path, size)
  }
  return { last, entries, checkpoints }
}

/** Not if it was cleaned between the snapshot and the listing: then a copy of what is left would be a damaged log. */
function leadsTo(version: number, { entries, checkpoints }: Log): boolean {
  for (let at = version; at >= 0; at -= 1) {
    if (checkpoints.has(checkpointPath(at))) return true
    if (!entries.has(commitPath(at))) return false
  }
  return true
}

async function assertSameTable(way: Way, table: ArchiveSnapshot, source: Log, target: Log): Promise<void> {
  const there = await snapshotIn(way.to)
  if (there !== null && there.tableId !== table.tableId) {
    throw refused(`${way.to.location} holds another table than ${way.from.location}. Choose an empty place.`)
  }
  if (target.last > table.version) {
    throw refused(
      `the table in ${way.to.location} has version ${target.last}, the one in ${way.from.location} only ${table.version}: somebody writes to the copy already. Go on with that one, or choose an empty place.`,
    )
  }
  const shared = [...source.entries].filter((path) => target.entries.has(path))
  for (let at = 0; at < shared.length; at += ENTRIES_AT_ONCE) {
    way.signal?.throwIfAborted()
    await Promise.all(shared.slice(at, at + ENTRIES_AT_ONCE).map((path) => assertSameEntry(way, path)))
  }
}

async function assertSameEntry({ from, to }: Way, path: string): Promise<void> {
  const [ours, theirs] = await Promise.all([from.get(path), to.get(path)])
  if (ours === undefined) throw versionGone()
  if (theirs !== undefined && Buffer.compare(ours, theirs) === 0) return
  throw refused(
    `the log entry '${path}' in ${to.location} differs from that in ${from.location}. Choose an empty place.`,
    path,
  )
}

async function copyFiles(
  way: Way,
  files: readonly ArchiveFile[],
): Promise<Pick<Copied, 'files' | 'bytes' | 'present'>> {
  const sizes = new Map<string, number>()
  for await (const { path, size } of way.to.list('')) sizes.set(path, size)
  const named = files.map(({ path, bytes }) => ({ path: objectOf(path), bytes }))
  const lacking = named.filter(({ path, bytes }) => isLacking(way, path, bytes, sizes))
  const [total, bytes] = [bytesOf(named), bytesOf(lacking)]
  let done = total - bytes
  for (let at = 0; at < lacking.length; at += FILES_AT_ONCE) {
    const some = lacking.slice(at, at + FILES_AT_ONCE)
    const outcomes = await Promise.allSettled(some.map((file) => copyObject(way, file.path, file.bytes)))
    const failed = outcomes.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    done += bytesOf(some)
    way.progress(done, total)
  }
  return { files: lacking.length, bytes, present: named.length - lacking.length }
}

const bytesOf = (files: readonly { bytes: number }[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)

function objectOf(path: string): string {
  const object = objectPath(path)
  if (object === null) throw damagedFile(path, 'its address lies outside the table')
  return object
}

/** @throws StorageError if an object of this name is there with another size: names are never used twice */
function isLacking({ to }: Way, path: string, size: number, there: ReadonlyMap<string, number>): boolean {
  const found = there.get(path)
  if (found !== undefined && found !== size) {
    throw refused(`'${path}' in ${to.location} has ${found} bytes instead of ${size}. Remove it and copy again.`, path)
  }
  return found === undefined
}

async function copyObject({ from, to, workspace, signal }: Way, path: string, size: number): Promise<void> {
  signal?.throwIfAborted()
  await using local = await workspace.file('copy.parquet')
  const fetched = await from.download(path, local.path)
  if (fetched === undefined) throw await missing(from, path)
  if (fetched !== size) throw damagedFile(path, `it has ${fetched} bytes instead of ${size}`)
  await to.upload(path, local.path)
  const stored = await to.stat(path)
  if (stored?.size === size) return
  throw refused(`'${path}' in ${to.location} has ${stored?.size ?? 0} bytes after copying instead of ${size}.`, path)
}

/** Gone with its version, or gone although the table needs it. */
async function missing(from: ObjectStore, path: string): Promise<Error> {
  const now = await snapshotIn(from)
  const live = now?.files.some((file) => objectPath(file.path) === path) === true
  return live ? damagedFile(path, 'it is missing') : versionGone()
}

async function copyEntry(way: Way, path: string): Promise<void> {
  way.signal?.throwIfAborted()
  const body = await way.from.get(path)
  if (body === undefined) throw versionGone()
  // Another copy under way may have been quicker with the same entry.
  if (!(await way.to.put(path, body, { ifAbsent: true })).written) await assertSameEntry(way, path)
}

/** The hint may name a checkpoint that was written meanwhile and is not copied. */
async function copyHint({ from, to }: Way, { checkpoints }: Log): Promise<void> {
  const body = await from.get(LAST_CHECKPOINT)
  if (body === undefined) return
  const version = hintedVersion(body)
  if (version !== null && checkpoints.has(checkpointPath(version))) await to.put(LAST_CHECKPOINT, body)
}

function hintedVersion(body: Uint8Array): number | null {
  try {
    const { version } = JSON.parse(Buffer.from(body).toString('utf8')) as { version?: unknown }
    return typeof version === 'number' ? version : null
  } catch {
    return null
  }
}

function refused(problem: string, object: string | null = null): StorageError {
  return new StorageError(`The archive cannot be copied: ${problem}`, {
    details: { operation: 'copy', driver: 'delta', object },
  })
}
