/** Dead letters as JSON Lines in a file: one line per failure, flushed to disk per send (spec 07 §9). */
import { existsSync } from 'node:fs'
import { readdir, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ConfigError, StorageError } from '../../errors.ts'
import type { DeadLetterSink } from '../../ports/dead-letter.ts'
import type { EventFailure } from '../../results.ts'
import { appendLines, isSegment } from './append.ts'
import { deadLetterLine } from './line.ts'

export interface FileSinkOptions {
  /** A file that would grow beyond this many bytes is set aside as `<path>.<time>-<process>`. Default: never. */
  readonly maxBytes?: number
}

/**
 * A sink that appends to `path`, creating it with its parent folders on the first failure. `send` rejects with a
 * recoverable `StorageError` if the lines are not on disk. Several processes may append to one file.
 */
export class FileDeadLetterSink implements DeadLetterSink {
  readonly path: string
  readonly #maxBytes: number | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(path: string, options: FileSinkOptions = {}) {
    const { maxBytes } = options
    if (typeof path !== 'string' || path.trim() === '') throw new ConfigError('deadLetter: the file sink needs a path')
    if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
      throw new ConfigError('deadLetter: maxBytes must be a whole number of bytes above 0')
    }
    this.path = path
    this.#maxBytes = maxBytes
  }

  async send(failures: readonly EventFailure[]): Promise<void> {
    if (failures.length === 0) return
    const text = failures.map((failure) => `${deadLetterLine(failure)}\n`).join('')
    // Sends queue so that lines of two calls never mix; an earlier failed send does not stop a later one.
    const mine = this.#last.catch(() => {}).then(() => append(this.path, text, this.#maxBytes))
    this.#last = mine
    await mine
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {})
  }
}

async function append(path: string, text: string, maxBytes: number | undefined): Promise<void> {
  try {
    const bytes = Buffer.from(text, 'utf8')
    await appendLines(path, bytes, async () => {
      if (maxBytes !== undefined) await makeRoom(path, bytes.length, maxBytes)
    })
  } catch (error) {
    throw new StorageError(`dead letters cannot be written to ${path}: ${reasonOf(error)}`, {
      details: { operation: 'dead letter append' },
      recoverable: true,
      cause: error,
    })
  }
}

/**
 * Sets the file aside when it would grow beyond the limit. The new name carries time and process, so that two processes
 * never overwrite each other's; one that comes too late finds a fresh file, or none.
 */
async function makeRoom(path: string, more: number, maxBytes: number): Promise<void> {
  try {
    const { size } = await stat(path)
    if (size === 0 || size + more <= maxBytes) return
    let at = Date.now()
    while (existsSync(segmentName(path, at))) at += 1
    await rename(path, segmentName(path, at))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function segmentName(path: string, at: number): string {
  return `${path}.${at}-${process.pid}`
}

/** Every file of the sink, oldest first: the ones set aside, then `path` itself, which need not exist. */
export async function deadLetterFiles(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`
  const names = await readdir(dirname(path)).catch(() => [])
  const aside = names.filter((name) => isSegment(path, name))
  const timeOf = (name: string): number => Number.parseInt(name.slice(prefix.length), 10)
  aside.sort((a, b) => timeOf(a) - timeOf(b))
  return [...aside.map((name) => join(dirname(path), name)), path]
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code ?? (error instanceof Error ? error.message : 'unknown reason')
}
