/** The driver's failures as typed errors with a sentence people can act on (spec 07 §1). Texts never contain row values. */
import { DefactoError, QueryError, StorageError } from '../../errors.ts'

interface Explained {
  readonly sentence: string
  readonly recoverable: boolean
  /** Another process holds the file. */
  readonly locked?: true
}

const DRIVER = 'duckdb'

/** `Catalog Error`, `IO Error`, …: what every message of DuckDB begins with. */
function kindOf(text: string): string {
  return /^([A-Z][A-Za-z -]{1,40} (?:Error|exception))/.exec(text)?.[1] ?? 'failure of DuckDB'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Why a file could not be opened. */
export function openError(error: unknown, path: string): Error {
  if (error instanceof DefactoError) return error
  const { sentence, recoverable, locked = false } = explainOpening(messageOf(error), path)
  return new StorageError(`open: ${sentence}`, {
    details: { operation: 'open', driver: DRIVER, locked },
    recoverable,
    cause: error,
  })
}

function explainOpening(text: string, path: string): Explained {
  if (/database does not exist|No such file or directory/i.test(text)) {
    return { sentence: `there is no file ${path}; check the path`, recoverable: false }
  }
  if (/Could not set lock|Conflicting lock|being used by another process/i.test(text)) {
    const [, pid] = /PID (\d+)/.exec(text) ?? []
    const who = pid === undefined ? 'another process' : `another process (${pid})`
    return {
      sentence: `${who} holds ${path}; DuckDB lets either one process write or several read, so try again when it is done`,
      recoverable: true,
      locked: true,
    }
  }
  const [, version] = /version number (\d+)/i.exec(text) ?? []
  if (version !== undefined || /newer version of DuckDB|storage version/i.test(text)) {
    return {
      sentence: `${path} was written by another version of DuckDB, in a format that this one cannot read${version === undefined ? '' : ` (${version})`}; install a newer @duckdb/node-api, or write the file again`,
      recoverable: false,
    }
  }
  if (/not a valid DuckDB|Is a directory|external extensions is disabled|sqlite|magic bytes/i.test(text)) {
    return { sentence: `${path} is not a DuckDB file; choose another one`, recoverable: false }
  }
  if (/Permission denied|Read-only file system/i.test(text)) {
    return {
      sentence: `${path} may not be opened; check the permissions of the file and its folder`,
      recoverable: false,
    }
  }
  return explain(text, path)
}

/** Failures that can come at any time, else that DuckDB refused. */
function explain(text: string, path: string): Explained {
  if (/No space left|max_temp_directory_size|failed to offload/i.test(text)) {
    return { sentence: `no space left for ${path}; free some and try again`, recoverable: true }
  }
  if (/out of memory|failed to allocate|could not allocate|Allocation failure/i.test(text)) {
    return { sentence: `DuckDB ran out of memory while using ${path}; try again when there is more`, recoverable: true }
  }
  if (/corrupt|checksum|Serialization Error|INTERNAL Error/i.test(text)) {
    return { sentence: `${path} is damaged (${kindOf(text)}); write it again`, recoverable: false }
  }
  if (/^IO Error/.test(text)) {
    return { sentence: `the file system failed while using ${path}; check the disk`, recoverable: true }
  }
  return { sentence: `DuckDB refused ${path} (${kindOf(text)})`, recoverable: false }
}

/** A failure while a file was written, `operation` being what was done. */
export function writeError(error: unknown, operation: string, path: string): Error {
  if (error instanceof DefactoError) return error
  if (!(error instanceof Error) || !isDriverError(error)) {
    return error instanceof Error ? error : new Error(String(error))
  }
  const { sentence, recoverable } = explain(error.message, path)
  return new StorageError(`${operation}: ${sentence}`, {
    details: { operation, driver: DRIVER },
    recoverable,
    cause: error,
  })
}

const FILES: Readonly<Record<string, Explained & { readonly what: string }>> = {
  EACCES: {
    what: 'may not be written',
    sentence: 'check the permissions of the file and its folder',
    recoverable: false,
  },
  EPERM: {
    what: 'may not be written',
    sentence: 'check the permissions of the file and its folder',
    recoverable: false,
  },
  EROFS: { what: 'lies in a file system that is read-only', sentence: 'choose another place', recoverable: false },
  ENOTDIR: { what: 'cannot be made', sentence: 'a part of the path is a file and no folder', recoverable: false },
  EEXIST: { what: 'cannot be made', sentence: 'a part of the path is a file and no folder', recoverable: false },
  EISDIR: { what: 'is a folder', sentence: 'name a file', recoverable: false },
  ENAMETOOLONG: { what: 'cannot be made', sentence: 'the name is too long', recoverable: false },
  ENOSPC: { what: 'cannot be written', sentence: 'no space is left; free some and try again', recoverable: true },
  EDQUOT: { what: 'cannot be written', sentence: 'no space is left; free some and try again', recoverable: true },
}

/** What the file system said; other errors as they are. */
export function fileError(error: unknown, operation: string, path: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (error instanceof DefactoError || code === undefined || !/^E[A-Z]+$/.test(code)) return error
  const known = FILES[code]
  const message =
    known === undefined ? `${path} cannot be written (${code})` : `${path} ${known.what}; ${known.sentence}`
  return new StorageError(`${operation}: ${message}`, {
    details: { operation, driver: DRIVER, code },
    recoverable: known?.recoverable ?? true,
    cause: error,
  })
}

/** The driver throws plain errors, which its messages tell. */
export function isDriverError(error: Error): boolean {
  return (
    /^[A-Z][A-Za-z -]{1,40} (?:Error|exception)/.test(error.message) ||
    // Of the appender.
    error.message.startsWith('Failed to ') ||
    error.message === 'INTERRUPT Error: Interrupted!'
  )
}

/** Faults of a query: ours or the caller's, but not the file's. */
const OF_QUERIES =
  /^(Binder|Catalog|Parser|Syntax|Conversion|Out of Range|Invalid Input|Invalid type|Mismatch Type|Not implemented|Parameter Not Allowed|Parameter Not Resolved|Expression|Permission|Invalid Configuration|Divide by Zero) Error/i

/** These quote values of rows. */
const QUOTING = /^(Conversion|Out of Range|Invalid Input|Mismatch Type|Constraint) Error/i

/** A failure while a query ran. */
export function readError(error: unknown, path: string, timeoutMs: number | undefined): Error {
  if (error instanceof DefactoError) return error
  if (!(error instanceof Error)) return new Error(String(error))
  const text = error.message
  if (/^INTERRUPT Error/i.test(text)) {
    return new QueryError(`the query took longer than ${timeoutMs} ms`, { code: 'E_TIMEOUT', cause: error })
  }
  if (OF_QUERIES.test(text)) return refusedQuery(text, error)
  return writeError(error, 'query', path)
}

function refusedQuery(text: string, cause: Error): QueryError {
  const [first = ''] = text.split('\n')
  const message = QUOTING.test(text)
    ? `${kindOf(text)}: a value of a row does not fit what the query does with it`
    : first
  return new QueryError(`DuckDB refused the query: ${message}`, { cause })
}
