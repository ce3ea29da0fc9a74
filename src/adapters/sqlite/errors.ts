/** Driver errors as typed errors with a sentence people can act on (spec 07 §1). Texts never contain row values. */
import { DefactoError, StorageError } from '../../errors.ts'

/** Primary SQLite result codes that name a condition of the machine, not of our SQL. */
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

interface DriverError extends Error {
  code: 'ERR_SQLITE_ERROR'
  errcode: number
  errstr: string
}

export function isDriverError(error: unknown): error is DriverError {
  return error instanceof Error && (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR'
}

export function primaryCode(error: unknown): number {
  return isDriverError(error) ? error.errcode & 0xff : 0
}

/** True if another connection holds the lock: the call may simply be repeated. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === BUSY || code === LOCKED
}

/** True for an INTEGER that does not fit a JavaScript number. */
export function isOutOfRange(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE'
}

/** `error` as a `StorageError` of `operation`; errors thrown on purpose pass unchanged. */
export function storageError(error: unknown, operation: string, location: string): Error {
  if (error instanceof DefactoError) return error
  if (!isDriverError(error)) return error instanceof Error ? error : new Error(String(error))
  const code = primaryCode(error)
  const { sentence, recoverable } = explain(code, location)
  return new StorageError(`${operation}: ${sentence} (${error.message})`, {
    details: { operation, driver: 'node:sqlite', errcode: error.errcode },
    recoverable,
    cause: error,
  })
}

function explain(code: number, location: string): { sentence: string; recoverable: boolean } {
  switch (code) {
    case BUSY:
    case LOCKED:
      return { sentence: `another writer holds the database ${location}; try again when it is done`, recoverable: true }
    case FULL:
      return { sentence: `no space left for the database ${location}; free some and try again`, recoverable: true }
    case IOERR:
      return { sentence: `the file system failed while using ${location}; check the disk`, recoverable: true }
    case READONLY:
      return {
        sentence: `${location} cannot be written; check the permissions of the file and its folder`,
        recoverable: false,
      }
    case CANTOPEN:
      return {
        sentence: `${location} cannot be opened; check the path and the permissions of its folder`,
        recoverable: false,
      }
    case CORRUPT:
      return { sentence: `${location} is damaged; restore it from a backup`, recoverable: false }
    case NOTADB:
      return { sentence: `${location} is not a SQLite database; choose another file`, recoverable: false }
    default:
      return { sentence: `the database ${location} refused the operation`, recoverable: false }
  }
}
