/** Files of this machine as parts of an input: found by a pattern, known by size, time and beginning (spec 10 §3.3). */
import { createHash } from 'node:crypto'
import { copyFile, type FileHandle, glob, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { FilesInput } from '../../core/pipeline/model.ts'
import { inputChanged, StorageError } from '../../errors.ts'
import type { InputPart, StoredParts } from '../../ports/inputs.ts'

/** How much of a file's beginning belongs to its fingerprint. */
const BEGINNING = 64 * 1024
const READ_BYTES = 256 * 1024

export type FilesPlace = Pick<FilesInput, 'path' | 'settleMs' | 'append' | 'after' | 'moveTo'>

export class FileParts implements StoredParts {
  readonly #folder: string
  readonly #place: FilesPlace
  /** Where done parts go; null: they stay. */
  readonly #done: string | null

  /** `folder`: where a relative pattern begins. */
  constructor(folder: string, place: FilesPlace) {
    this.#folder = folder
    this.#place = place
    this.#done = place.after === 'move' && place.moveTo !== null ? resolve(folder, place.moveTo) : null
  }

  async list(): Promise<InputPart[]> {
    const parts: InputPart[] = []
    for await (const name of glob(this.#place.path, { cwd: this.#folder })) {
      const path = resolve(this.#folder, name)
      if (this.#done !== null && path.startsWith(this.#done + sep)) continue
      const part = await this.#look(name, path)
      if (part !== null) parts.push(part)
    }
    return parts.sort((a, b) => (a.part < b.part ? -1 : 1))
  }

  async *open({ part, fingerprint }: InputPart, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const file = await this.#guard('open', () => open(this.#pathOf(part)))
    try {
      if (!(await isSame(file, fingerprint, this.#place.append))) throw inputChanged()
      for (let at = from; ; ) {
        signal.throwIfAborted()
        const buffer = Buffer.allocUnsafe(READ_BYTES)
        const { bytesRead } = await this.#guard('read', () => file.read(buffer, 0, READ_BYTES, at))
        if (bytesRead === 0) return
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }

  async local({ part, fingerprint }: InputPart): Promise<{ path: string; release(): Promise<void> }> {
    const path = this.#pathOf(part)
    const file = await this.#guard('open', () => open(path))
    try {
      if (!(await isSame(file, fingerprint, false))) throw inputChanged()
    } finally {
      await file.close()
    }
    return { path, release: async () => {} }
  }

  async isUnchanged({ part, fingerprint }: InputPart): Promise<boolean> {
    // A part that grows is read up to some line end; what came meanwhile is for the next run.
    if (this.#place.append) return true
    const found = await this.#stat(this.#pathOf(part))
    return found !== null && fingerprint.startsWith(stampOf(found))
  }

  async continues({ part }: InputPart, fingerprint: string): Promise<boolean> {
    const file = await this.#guard('open', () => open(this.#pathOf(part)))
    try {
      return await isSame(file, fingerprint, true)
    } finally {
      await file.close()
    }
  }

  async finish({ part, fingerprint }: Pick<InputPart, 'part' | 'fingerprint'>): Promise<void> {
    const path = this.#pathOf(part)
    const found = await this.#stat(path)
    if (found === null || !fingerprint.startsWith(stampOf(found))) return
    if (this.#place.after === 'delete') await this.#guard('delete', () => rm(path, { force: true }))
    else if (this.#done !== null) await this.#move(path, this.#done, part, fingerprint)
  }

  async close(): Promise<void> {}

  /** Null: no file, or gone again. */
  async #look(name: string, path: string): Promise<InputPart | null> {
    const found = await this.#stat(path)
    if (found === null) return null
    let digest: string
    try {
      digest = await beginningOf(path, Number(found.size))
    } catch (error) {
      if (isMissing(error)) return null
      throw fileError(error, 'read')
    }
    // What is half written is not read of a part that grows.
    const settled = this.#place.append || Date.now() - Number(found.mtimeNs / 1_000_000n) >= this.#place.settleMs
    return { part: name.split(sep).join('/'), fingerprint: stampOf(found) + digest, settled }
  }

  #pathOf(part: string): string {
    return resolve(this.#folder, part)
  }

  async #stat(path: string): Promise<Found | null> {
    try {
      const found = await stat(path, { bigint: true })
      return found.isFile() ? found : null
    } catch (error) {
      if (isMissing(error)) return null
      throw fileError(error, 'stat')
    }
  }

  /** Keeps the folders below the fixed beginning of the pattern, and what is there already. */
  async #move(path: string, done: string, part: string, fingerprint: string): Promise<void> {
    const root = resolve(this.#folder, fixedBeginning(this.#place.path))
    const inside = relative(root, path)
    let target = join(done, inside.startsWith('..') || isAbsolute(inside) ? basename(part) : inside)
    if ((await this.#stat(target)) !== null) {
      const end = extname(target)
      target = `${target.slice(0, target.length - end.length)}.${fingerprint.slice(-8)}${end}`
    }
    await this.#guard('move', async () => {
      await mkdir(dirname(target), { recursive: true })
      try {
        await rename(path, target)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
        await copyFile(path, `${target}.part`)
        await rename(`${target}.part`, target)
        await rm(path, { force: true })
      }
    })
  }

  async #guard<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw isMissing(error) ? inputChanged() : fileError(error, operation)
    }
  }
}

interface Found {
  readonly size: bigint
  readonly mtimeNs: bigint
}

/** Size and time; the digest of the beginning follows. */
const stampOf = ({ size, mtimeNs }: Found): string => `${size}:${mtimeNs}:`

/** True if the file is the one of the fingerprint; with `grown`, if it begins like it. */
async function isSame(file: FileHandle, fingerprint: string, grown: boolean): Promise<boolean> {
  const found = await file.stat({ bigint: true })
  if (!grown) return fingerprint.startsWith(stampOf(found))
  const [size = '', , digest] = fingerprint.split(':')
  return found.size >= BigInt(size) && (await digestOf(file, Math.min(BEGINNING, Number(size)))) === digest
}

async function beginningOf(path: string, size: number): Promise<string> {
  const file = await open(path)
  try {
    return await digestOf(file, Math.min(BEGINNING, size))
  } finally {
    await file.close()
  }
}

async function digestOf(file: FileHandle, bytes: number): Promise<string> {
  const buffer = Buffer.alloc(bytes)
  let filled = 0
  while (filled < bytes) {
    const { bytesRead } = await file.read(buffer, filled, bytes - filled, filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return createHash('sha256').update(buffer.subarray(0, filled)).digest('hex')
}

/** Folder of a pattern up to its first wildcard. */
function fixedBeginning(pattern: string): string {
  const steps = pattern.split('/')
  const wild = steps.findIndex((step) => /[*?[\]{}()!+@]/.test(step))
  return steps.slice(0, wild < 0 ? -1 : wild).join('/') || (pattern.startsWith('/') ? '/' : '.')
}

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/** Paths may name people: the message has none. */
function fileError(error: unknown, operation: string): Error {
  const code = (error as NodeJS.ErrnoException | null)?.code
  if (typeof code !== 'string' || error instanceof StorageError) return error as Error
  const passing = ['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY', 'EIO', 'ETIMEDOUT', 'ESTALE', 'ENOSPC'].includes(code)
  return new StorageError(`a file of the input cannot be used (${operation}, ${code}); check it and its permissions`, {
    details: { operation, driver: code },
    recoverable: passing,
  })
}
