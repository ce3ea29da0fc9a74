/** Files that commands make where the user says; what does not work is said with its place. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ConfigError, StorageError } from '../errors.ts'
import { makeFolder } from '../make-folder.ts'

/**
 * Writes text files below a folder, making folders on the way. What cannot be written is a `ConfigError`, a full disk a
 * recoverable `StorageError`.
 */
export async function writeFiles(
  folder: string,
  files: Iterable<readonly [path: string, text: string]>,
): Promise<void> {
  try {
    await makeFolder(folder)
    for (const [path, text] of files) {
      const file = join(folder, path)
      await makeFolder(dirname(file))
      await writeFile(file, text)
    }
  } catch (error) {
    throw notWritable(folder, error)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'you have no permission',
  EPERM: 'you have no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left',
  EDQUOT: 'the quota is used up',
  EEXIST: 'a file is in the way',
  ENOTDIR: 'a file is in the way',
  EISDIR: 'a folder is in the way',
  ENOENT: 'folders cannot be made there',
}

/** Worth another try when there is room again. */
const PASSING = new Set(['ENOSPC', 'EDQUOT'])

/** What a failed write means to a user: another place is needed, or more room. */
export function notWritable(folder: string, error: unknown): ConfigError | StorageError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
  const reason = Object.hasOwn(REASONS, code) ? `${REASONS[code]} (${code})` : code
  const message = `cannot write to ${folder}: ${reason}`
  return PASSING.has(code)
    ? new StorageError(message, { recoverable: true, details: { folder }, cause: error })
    : new ConfigError(message, { details: { folder }, cause: error })
}
