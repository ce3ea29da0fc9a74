/**
 * Files that appear whole or not at all (spec 06 §7): written under a temporary name beside the target, synced, renamed.
 * Who reads the old file goes on with it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DefactoError, StorageError } from '../../errors.ts'
import { makeFolder } from './make-folder.ts'

/** Tells the writers of temporary files apart. */
export interface FileOwner {
  /** Part of the names of this process' files: letters, digits and `-`. */
  readonly name: string
  /** Whether the process of this name is certainly gone. */
  isGone(name: string): boolean
}

/** Longer names leave no room for what is put around them. */
const MAX_BASE = 100
/** A writer nobody can ask for, such as one on another machine, has ended if its file is older. */
const ABANDONED_MS = 86_400_000

/**
 * `write` gets the temporary name; names that begin with it are its own, and are removed in the end. What a killed process
 * left for the same target is cleared. An existing file keeps its permissions; a symbolic link goes on pointing at the file.
 *
 * @throws StorageError if the folder cannot be made or written to, the path is no file, or the disk is full (recoverable)
 */
export async function writeWhole<T>(
  path: string,
  owner: FileOwner,
  write: (temporary: string) => Promise<T>,
): Promise<{ result: T; bytes: number }> {
  const place = await placeOf(path)
  const stem = stemOf(place.file)
  const folder = dirname(place.file)
  const temporary = join(folder, `.${stem}.${owner.name}.${randomBytes(4).toString('hex')}.part`)
  try {
    await guarded(path, () => clearLitter(folder, stem, owner))
    const result = await write(temporary)
    const bytes = await guarded(path, async () => {
      if (place.mode !== null) await chmod(temporary, place.mode)
      const { size } = await syncFile(temporary)
      await rename(temporary, place.file)
      await syncFolder(folder)
      return size
    })
    return { result, bytes }
  } catch (error) {
    throw fileError(error, path)
  } finally {
    await removeAll(folder, (name) => name.startsWith(basename(temporary)))
  }
}

function stemOf(file: string): string {
  const base = basename(file)
  return base.length <= MAX_BASE ? base : createHash('sha256').update(base).digest('hex').slice(0, 32)
}

/** A failure of the file system as a typed error that names the file; others as they are. */
export function fileError(error: unknown, path: string): Error {
  if (error instanceof DefactoError || !(error instanceof Error)) return error as Error
  const code = (error as NodeJS.ErrnoException).code
  if (code === undefined || (error as NodeJS.ErrnoException).syscall === undefined) return error
  const [reason, recoverable] = REASONS[code] ?? [`the file system refused it (${code})`, false]
  return new StorageError(`${path} could not be written: ${reason}`, {
    details: { operation: 'export', path, reason: code },
    recoverable,
    cause: error,
  })
}

const REASONS: Readonly<Record<string, readonly [reason: string, recoverable: boolean]>> = {
  ENOSPC: ['no space left on the disk; make room and try again', true],
  EDQUOT: ['the disk quota is used up; make room and try again', true],
  EACCES: ['no permission; check the rights of the folder, or choose another one', false],
  EPERM: ['no permission; check the rights of the folder, or choose another one', false],
  EROFS: ['the file system is read-only; choose another folder', false],
  ENOTDIR: ['a part of the path is a file; choose another path', false],
  EEXIST: ['a part of the path is a file; choose another path', false],
  EISDIR: ['it is a folder; name a file in it', false],
  ENAMETOOLONG: ['the name is too long; choose a shorter one', false],
  ELOOP: ['its symbolic links lead in a circle; choose another path', false],
  ENOENT: ['folders cannot be made there; choose another path', false],
  EMFILE: ['too many files are open; try again', true],
}

/** Where the bytes go, with the permissions of the file that is there; folders are made. */
async function placeOf(path: string): Promise<{ file: string; mode: number | null }> {
  return guarded(path, async () => {
    const file = resolve(path)
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (found === null) {
      await makeFolder(dirname(file))
      return { file, mode: null }
    }
    if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR', syscall: 'open' })
    if (!found.isFile()) {
      throw new StorageError(`${path} could not be written: it is no ordinary file; name a file`, {
        details: { operation: 'export', path },
      })
    }
    return { file: await realpath(file), mode: found.mode & 0o777 }
  })
}

async function clearLitter(folder: string, stem: string, owner: FileOwner): Promise<void> {
  const before = `.${stem}.`
  const gone = new Map<string, boolean>()
  await removeAll(folder, async (name) => {
    if (!name.startsWith(before)) return false
    const [, who] = /^([A-Za-z0-9-]+)\.[0-9a-f]{8}\.part/.exec(name.slice(before.length)) ?? []
    if (who === undefined) return false
    if (!gone.has(who)) gone.set(who, owner.isGone(who))
    if (gone.get(who) === true) return true
    if (who === owner.name) return false
    const { mtimeMs } = await stat(join(folder, name))
    return Date.now() - mtimeMs > ABANDONED_MS
  })
}

async function removeAll(folder: string, which: (name: string) => boolean | Promise<boolean>): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    try {
      if (await which(name)) await rm(join(folder, name), { recursive: true, force: true })
    } catch {
      // Another writer clears it at this moment, or it may not be removed: it stands in nobody's way.
    }
  }
}

async function syncFile(file: string): Promise<{ size: number }> {
  await using handle = await open(file, 'r+')
  await handle.sync()
  return handle.stat()
}

async function syncFolder(folder: string): Promise<void> {
  // Folders cannot be opened on every system; there the name is as durable as the system makes it.
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fileError(error, path)
  }
}

/** Removes what killed writers left beside the file; whether others are still writing it. */
export async function clearLeftovers(path: string, owner: FileOwner): Promise<boolean> {
  const stem = stemOf(path)
  const folder = dirname(path)
  await clearLitter(folder, stem, owner)
  return (await readdir(folder).catch(() => [])).some(
    (name) => name.startsWith(`.${stem}.`) && /^[A-Za-z0-9-]+\.[0-9a-f]{8}\.part/.test(name.slice(stem.length + 2)),
  )
}
