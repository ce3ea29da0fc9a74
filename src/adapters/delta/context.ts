/** What the operations on a table share. */
import { StorageError } from '../../errors.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import type { ParquetCodec } from './codec.ts'
import type { LocalFiles } from './local-files.ts'
import type { LogReader } from './log-reader.ts'
import type { Workspace } from './workspace.ts'

export interface Context {
  readonly objects: ObjectStore
  readonly codec: ParquetCodec
  readonly log: LogReader
  readonly workspace: Workspace
  /** Copies that readers share. Who checks what is stored fetches it himself. */
  readonly local: LocalFiles
  /** Column bytes after which an append closes a data file. */
  readonly fileBytes: number
  /** Bytes of a file that merging aims at. */
  readonly compactBytes: number
  now(): Date
  newId(): string
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
