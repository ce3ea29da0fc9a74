/** What the operations on a table share. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StorageError } from '../../errors.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import type { ParquetCodec } from './codec.ts'
import type { LogReader } from './log-reader.ts'

export interface Context {
  readonly objects: ObjectStore
  readonly codec: ParquetCodec
  readonly log: LogReader
  readonly workspace: Workspace
  /** Column bytes after which an append closes a data file. */
  readonly fileBytes: number
  /** Bytes of a file that merging aims at. */
  readonly compactBytes: number
  now(): Date
  newId(): string
}

/** A folder for local copies of data files, made when it is first needed. */
export class Workspace {
  readonly #parent: string
  #folder: Promise<string> | null = null
  #files = 0

  constructor(parent: string = tmpdir()) {
    this.#parent = parent
  }

  /** A name nobody has used, and the removal of what was written under it. */
  async file(name: string): Promise<{ path: string } & AsyncDisposable> {
    this.#files += 1
    const own = `${this.#files}-${name}`
    const path = join(await this.folder(), own)
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        await Promise.all([rm(path, { force: true }), rm(`${path}.jsonl`, { force: true })])
      },
    }
  }

  async folder(): Promise<string> {
    this.#folder ??= mkdtemp(join(this.#parent, 'defacto-archive-'))
    return this.#folder
  }

  async close(): Promise<void> {
    const folder = await this.#folder?.catch(() => null)
    this.#folder = null
    if (folder) await rm(folder, { recursive: true, force: true })
  }
}

/** How often an operation starts again from a new snapshot without getting on before it gives up. */
const ATTEMPTS = 20

/**
 * Runs `attempt` until it answers; null means that another commit came between, and that everything must be planned
 * anew from the table as it is now. Nothing is ever committed again at a later version without that.
 * @param progress grows when an attempt got something done although it was interrupted
 */
export async function untilCommitted<T>(
  operation: string,
  attempt: () => Promise<T | null>,
  progress: () => number = () => 0,
): Promise<T> {
  for (let [left, before] = [ATTEMPTS, progress()]; left > 0; left -= 1) {
    const answer = await attempt()
    if (answer !== null) return answer
    if (progress() > before) [left, before] = [ATTEMPTS, progress()]
  }
  throw new StorageError(
    `The archive changed ${ATTEMPTS} times while '${operation}' prepared its commit; try again when others are done.`,
    { recoverable: true, details: { operation, driver: 'delta' } },
  )
}

/** Content that is not what it must be; waiting does not help. */
export function damagedFile(path: string, problem: string, cause?: unknown): StorageError {
  return new StorageError(`The archive's file '${path}' is damaged: ${problem}. Restore it from a backup.`, {
    details: { operation: 'read', driver: 'delta', object: path, problem },
    cause,
  })
}
