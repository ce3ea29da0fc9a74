/** Driver errors as typed errors with a sentence people can act on (spec 07 §1). Texts never contain row values. */
import { DefactoError, StorageError } from '../../errors.ts'

/** What `pg` throws: a server error has a five-character SQLSTATE, a broken connection a code of Node or none. */
interface DriverError extends Error {
  readonly code?: string
  readonly severity?: string
  readonly schema?: string
  readonly table?: string
  readonly constraint?: string
}

const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'

/** SQLSTATE of a server error, also behind a typed error; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof DefactoError) return sqlState(error.cause)
  const code = error instanceof Error ? (error as DriverError).code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E') ? code : undefined
}

/** True if the whole transaction may simply be repeated: another one was in its way. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error)
  if (state === SERIALIZATION_FAILURE || state === DEADLOCK_DETECTED) return true
  return error instanceof StorageError && isTakenId(error.details['constraint'])
}

/** Event ids are looked up before rows get them, and a renormalization runs beside appends: both may take the same id. */
function isTakenId(constraint: unknown): boolean {
  return constraint === 'ledger_event_id' || constraint === 'event_ids_event_id'
}

/** `error` as a `StorageError` of `operation`; errors thrown on purpose pass unchanged. */
export function storageError(error: unknown, operation: string, location: string): Error {
  if (error instanceof DefactoError) return error
  if (!(error instanceof Error)) return new Error(String(error))
  const driver = error as DriverError
  const state = sqlState(error)
  if (state === undefined && !isConnectionError(driver)) return error
  const { sentence, recoverable } = explain(isTakenId(driver.constraint) ? SERIALIZATION_FAILURE : state, location)
  const place = driver.table === undefined ? {} : { table: driver.table, constraint: driver.constraint ?? null }
  if (state === undefined && /timeout exceeded when trying to connect/.test(driver.message)) {
    const message = `${operation}: no connection to ${location} came free in time; finish streams that are open, raise pool.max, or check the server`
    return new StorageError(message, {
      details: { operation, driver: 'pg', sqlstate: null },
      recoverable: true,
      cause: error,
    })
  }
  return new StorageError(`${operation}: ${sentence} (${reason(driver, state)})`, {
    details: { operation, driver: 'pg', sqlstate: state ?? null, ...place },
    recoverable,
    cause: error,
  })
}

/** The server's own words, unless they quote a value. */
function reason(error: DriverError, state: string | undefined): string {
  if (state === undefined) return error.message === '' ? (error.code ?? 'no connection') : error.message
  // Class 22 (data exceptions) and 23 (constraints) quote values in their messages.
  const quotesValues = state.startsWith('22') || state.startsWith('23')
  return quotesValues ? `SQLSTATE ${state}` : `${error.message}, SQLSTATE ${state}`
}

/** Failures of the way to the server; everything the driver throws by itself belongs here. */
function isConnectionError(error: DriverError): boolean {
  if (typeof error.code === 'string' && /^(E[A-Z]+|ERR_TLS|ERR_SSL|CERT|UNABLE|SELF_SIGNED|DEPTH)/.test(error.code))
    return true
  return /connect|socket|timeout exceeded|terminated|not queryable|SSL|password|SASL|SCRAM/i.test(error.message)
}

function explain(state: string | undefined, location: string): { sentence: string; recoverable: boolean } {
  switch (state) {
    case undefined:
      return {
        sentence: `the connection to ${location} failed; check that the server can be reached`,
        recoverable: true,
      }
    case SERIALIZATION_FAILURE:
    case DEADLOCK_DETECTED:
      return { sentence: 'other writers were in the way each time; try again', recoverable: true }
    case '55P03':
      return { sentence: 'another writer holds what this one needs; try again when it is done', recoverable: true }
    case '57014':
      return { sentence: 'the statement was cancelled or took longer than the statement timeout', recoverable: true }
    case '53100':
      return { sentence: `no space left on the server of ${location}; free some and try again`, recoverable: true }
    case '53300':
      return {
        sentence: `${location} accepts no more connections; close some or raise max_connections`,
        recoverable: true,
      }
    case '28000':
    case '28P01':
      return { sentence: `${location} refuses this user; check name and password`, recoverable: false }
    case '3D000':
      return { sentence: `${location} does not exist; create the database first`, recoverable: false }
    case '42501':
      return { sentence: `this user lacks a privilege in ${location}`, recoverable: false }
    case '25006':
      return { sentence: `${location} accepts no writes (a standby, or a read-only connection)`, recoverable: false }
    default:
      break
  }
  // 08 connection, 53 resources, 57P0x shutdown, 58 system, 40 rolled back, 55006 object in use.
  const recoverable = /^(08|53|57P|58|40)/.test(state ?? '') || state === '55006'
  return recoverable
    ? { sentence: `the server of ${location} cannot answer now; try again`, recoverable }
    : { sentence: `the database ${location} refused the operation`, recoverable }
}
