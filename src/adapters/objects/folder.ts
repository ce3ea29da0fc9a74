/**
 * A folder as object storage. A new object is written beside, synced, and given its name by `link()`, which fails where
 * the name is taken, and the folder is synced after it (spec 07 §5.4). Symbolic links below the root are not followed.
 */
import { randomUUID } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import {
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { StorageError } from '../../errors.ts'
import type { Abandoned, ObjectStore, PutResult, StoredObject } from '../../ports/objects.ts'
import { codeOf, folderError, isMissing, reasonOf } from './folder-errors.ts'
import { listFolder } from './folder-list.ts'
import { type ByteRange, checkPath, checkPrefix, checkRange, STILL_WRITING } from './paths.ts'

/** Objects that are being written. No path can be called so. */
const UNFINISHED = '.unfinished~'

/** The folder comes into being with its first object; until then the store is empty. */
export function openFolder(folder: string): ObjectStore {
  return new Folder(resolve(folder))
}

class Folder implements ObjectStore {
  readonly location: string
  /** Folders whose own entry is known to be on the disk. */
  readonly #synced = new Set<string>()

  constructor(root: string) {
    this.location = root
  }

  async get(path: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    if (range !== undefined) checkRange(range, path)
    return this.#read('get', path, async (file) => {
      await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
      if (range === undefined) return await handle.readFile()
      const { size } = await handle.stat()
      const start = range.start < 0 ? Math.max(0, size + range.start) : Math.min(range.start, size)
      const bytes = Buffer.alloc(Math.min(range.end ?? size, size) - start)
      let filled = 0
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    })
  }

  stat(path: string): Promise<StoredObject | undefined> {
    return this.#read('stat', path, async (file) => {
      const { size, mtime } = await lstat(file)
      return { path, size, modifiedAt: mtime }
    })
  }

  async put(path: string, body: Uint8Array, options: { ifAbsent?: boolean } = {}): Promise<PutResult> {
    const written = await this.#write('put', path, options.ifAbsent === true, (file) =>
      writeFile(file, body, { flag: 'wx', flush: true }),
    )
    return { written }
  }

  async upload(path: string, file: string): Promise<void> {
    const written = await this.#write('upload', path, true, async (unfinished) => {
      const { size } = await stat(file)
      await pipeline(createReadStream(file), createWriteStream(unfinished, { flags: 'wx', flush: true }))
      const stored = (await stat(unfinished)).size
      if (stored !== size) throw this.#refused('upload', path, `${stored} bytes arrived of ${size}`)
    })
    if (!written) throw this.#refused('upload', path, 'there is an object of this name', { outcome: 'exists' })
  }

  download(path: string, file: string): Promise<number | undefined> {
    return this.#read('download', path, async (source) => {
      await copyFile(source, file, constants.COPYFILE_FICLONE)
      return (await stat(file)).size
    })
  }

  async *list(prefix: string, options: { after?: string } = {}): AsyncIterable<StoredObject> {
    checkPrefix(prefix)
    try {
      yield* listFolder(this.location, prefix, options.after ?? '')
    } catch (error) {
      throw folderError(error, 'list', this.location, prefix)
    }
  }

  /** A folder keeps no older versions. */
  async hidden(): Promise<{ paths: string[]; reason: null }> {
    return { paths: [], reason: null }
  }

  async remove(paths: readonly string[]): Promise<{ path: string; reason: string }[]> {
    for (const path of paths) checkPath(path, 'remove')
    const kept: { path: string; reason: string }[] = []
    const changed = new Set<string>()
    for (const path of paths) {
      try {
        const file = await this.#place('remove', path)
        if (file === undefined || (await lstat(file)).isDirectory()) continue
        await unlink(file)
        changed.add(dirname(file))
      } catch (error) {
        if (!isMissing(error))
          kept.push({ path, reason: error instanceof StorageError ? error.message : reasonOf(error) })
      }
    }
    try {
      for (const folder of changed) await syncFolder(folder)
    } catch (error) {
      throw folderError(error, 'remove', this.location, paths[0] ?? '')
    }
    return kept
  }

  /** Which object a file would have become nobody knows. */
  async abandon(ageMs: number): Promise<Abandoned> {
    const waiting = join(this.location, UNFINISHED)
    // Clocks differ: without an age everything is old enough.
    const before = ageMs === 0 ? Number.POSITIVE_INFINITY : Date.now() - ageMs
    const pending: { path: string; reason: string }[] = []
    let removed = 0
    try {
      for (const name of await readdir(waiting)) {
        const found = await lstat(join(waiting, name)).catch(() => null)
        if (found === null) continue
        if (found.mtimeMs > before) {
          pending.push({ path: `${UNFINISHED}/${name}`, reason: STILL_WRITING })
          continue
        }
        await rm(join(waiting, name), { force: true })
        removed += 1
      }
      if (removed > 0) await syncFolder(waiting)
    } catch (error) {
      if (!isMissing(error)) throw folderError(error, 'abandon', this.location, UNFINISHED)
    }
    return { removed, pending }
  }

  async close(): Promise<void> {}

  /** Undefined if there is no such file; folders are none. */
  async #read<T>(operation: string, path: string, work: (file: string) => Promise<T>): Promise<T | undefined> {
    checkPath(path, operation)
    try {
      const file = await this.#place(operation, path)
      if (file === undefined) return undefined
      const found = await lstat(file)
      if (found.isSymbolicLink()) throw this.#refused(operation, path, 'it is a symbolic link')
      return found.isFile() ? await work(file) : undefined
    } catch (error) {
      if (isMissing(error)) return undefined
      throw folderError(error, operation, this.location, path)
    }
  }

  /** False if the name is taken and must not be. */
  async #write(
    operation: string,
    path: string,
    ifAbsent: boolean,
    fill: (unfinished: string) => Promise<void>,
  ): Promise<boolean> {
    checkPath(path, operation)
    const waiting = join(this.location, UNFINISHED)
    const unfinished = join(waiting, randomUUID())
    let named = false
    try {
      const first = await mkdir(waiting, { recursive: true })
      await fill(unfinished)
      const file = join(this.location, path)
      for (let on = path; on !== '.'; on = dirname(on)) if (await this.#place(operation, on)) break
      const made = await mkdir(dirname(file), { recursive: true })
      named = ifAbsent ? await linkTo(unfinished, file) : await rename(unfinished, file).then(() => true)
      if (named) await this.#sync(dirname(file), first ?? made)
      return named
    } catch (error) {
      // Named but perhaps not on the disk: only a crash of the machine would show.
      throw folderError(error, operation, this.location, path, named ? { outcome: 'unknown' } : {})
    } finally {
      await rm(unfinished, { force: true }).catch(() => {})
    }
  }

  /** Where an object lies; undefined if a folder on the way is missing. */
  async #place(operation: string, path: string): Promise<string | undefined> {
    try {
      const root = await realpath(this.location)
      const folder = join(root, dirname(path))
      if ((await realpath(folder)) === folder) return join(root, path)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    throw this.#refused(operation, path, 'a folder on the way is a symbolic link')
  }

  /**
   * Syncs a folder, and those above it where their entries may be new.
   * @param made the uppermost folder that was made for this object
   */
  async #sync(folder: string, made: string | undefined): Promise<void> {
    await syncFolder(folder)
    if (made === undefined && this.#synced.has(folder)) return
    const top = made === undefined || made.length > this.location.length ? this.location : made
    for (let above = folder; above.length >= top.length && above !== dirname(above); above = dirname(above)) {
      await syncFolder(dirname(above))
    }
    this.#synced.add(folder)
  }

  #refused(operation: string, path: string, reason: string, more: Record<string, unknown> = {}): StorageError {
    return new StorageError(`Cannot ${operation} '${path}' in ${this.location}: ${reason}.`, {
      details: { operation, object: path, location: this.location, ...more },
    })
  }
}

/** False if the name is taken. */
async function linkTo(unfinished: string, file: string): Promise<boolean> {
  try {
    await link(unfinished, file)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    // A network file system whose answer was lost carries the call out twice; the second name shows the first success.
    return (await stat(unfinished)).nlink > 1
  }
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY)
  await handle.sync()
}
