/** What the file system says, in words that tell where and what to do. */
import { StorageError } from '../../errors.ts'

/** Ways out by error code of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'access is denied: give the user of this process rights to the folder',
  EDQUOT: "the user's share of the disk is used up: make room and try again",
  EEXIST: 'a part of the path is a file, not a folder',
  EMFILE: 'too many files are open: raise the limit (ulimit -n)',
  ENAMETOOLONG: 'the name is too long for this file system',
  ENFILE: 'too many files are open on this machine',
  ENOSPC: 'the disk is full: make room and try again',
  EOPNOTSUPP: 'the file system has no hard links, which an atomic write needs: choose a folder on another one',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EPERM: 'the system does not permit it: a read-only file, or a file system without hard links',
  EROFS: 'the file system is read-only: mount it for writing or choose another folder',
}

/** What may go well the next time: disks get room again, network file systems come back. */
const PASSING = new Set(['EDQUOT', 'EMFILE', 'ENFILE', 'ENOSPC', 'ENOENT', 'EAGAIN', 'EBUSY', 'ETIMEDOUT', 'ESTALE'])

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '')

/** No such object: the file, or a folder on the way to it, is not there. */
export const isMissing = (error: unknown): boolean => /^(ENOENT|ENOTDIR|EISDIR)$/.test(codeOf(error))

export function reasonOf(error: unknown): string {
  const code = codeOf(error)
  return ADVICE[code] ?? (code === '' ? String((error as Error).message) : code)
}

export const passes = (error: unknown): boolean => PASSING.has(codeOf(error))

export function folderError(
  error: unknown,
  operation: string,
  root: string,
  object: string,
  details: Readonly<Record<string, unknown>> = {},
): StorageError {
  if (error instanceof StorageError) return error
  return new StorageError(`Cannot ${operation} '${object}' in ${root}: ${reasonOf(error)}.`, {
    details: { operation, object, location: root, driver: codeOf(error), ...details },
    recoverable: passes(error),
    cause: error,
  })
}
