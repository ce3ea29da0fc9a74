/** What a query did wrong, told from what the server or the way to it did wrong. Texts never contain row values. */
import { QueryError } from '../../errors.ts'
import { sqlState, storageError } from './errors.ts'

const CANCELLED = '57014'
const UNDEFINED_TABLE = '42P01'
/** SQLSTATE classes (or states) a statement is to blame for. */
const BLAMED = /^(?:0A|21|22|25|2F|34|3F|42|44|54|55000)/

/** Data exceptions quote values in the server's own words. */
const DATA: Readonly<Record<string, string>> = {
  '22003': 'a number is out of range',
  '22007': 'a text is no date or time',
  '22008': 'a date or time is out of range',
  '22012': 'division by zero',
  '22021': 'a text contains a character that Postgres cannot store',
  '22023': 'an argument of a function has no such value',
  '22P02': 'a text is no value of the type it is used as',
}

/** `error` of a query: `QueryError` if the statement was wrong or took too long, else what `storageError` makes of it. */
export function readError(error: unknown, location: string, timeoutMs: number | undefined): Error {
  const state = sqlState(error) ?? ''
  if (state === CANCELLED && timeoutMs !== undefined) {
    return new QueryError(`the query took longer than ${timeoutMs} ms`, { code: 'E_TIMEOUT', cause: error })
  }
  if (!BLAMED.test(state)) return storageError(error, 'query', location)
  return new QueryError(`${sentence(error as Error, state)} (SQLSTATE ${state})`, {
    details: { sqlstate: state },
    cause: error,
  })
}

function sentence(error: Error, state: string): string {
  if (state.startsWith('22')) return DATA[state] ?? 'a value does not fit the operation'
  if (state !== UNDEFINED_TABLE) return error.message
  return `${error.message}: queries may only read history tables and relationships, under their own schema`
}
