/** Failures as RFC 9457 problem documents, with the code of the error (spec 10 §9). */
import { DefactoError } from '../errors.ts'

/** What a client did wrong before anything of ours was asked. */
export class HttpProblem extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly recoverable: boolean
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Cannot be done',
  500: 'Internal error',
  503: 'Try again later',
}

const STATUS_OF_CLASS: Readonly<Record<string, number>> = {
  ConfigError: 400,
  UsageError: 400,
  QueryError: 400,
  NotFoundError: 404,
  ConflictError: 409,
  LockHeld: 409,
  Fenced: 409,
  DefinitionError: 422,
  ValidationError: 422,
  IngestError: 422,
  ThresholdError: 422,
  HoldError: 409,
  ApprovalRequired: 409,
  CheckError: 422,
  UnreachableError: 503,
  ReadTimeoutError: 503,
}
/** Codes of classes that mean several things. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  E_CONFIG_NO_COLD_LEDGER: 422,
  E_CONFIG_NO_SCHEDULES: 422,
  E_QUERY_UNKNOWN_TYPE: 404,
  E_QUERY_UNKNOWN_RELATIONSHIP: 404,
}
/** Seconds after which it is worth asking again. */
const RETRY_AFTER = '5'

export function problemOf(error: unknown): Problem {
  if (error instanceof HttpProblem) return problem(error.status, error.code, error.message, error.status === 503)
  if (error instanceof DefactoError) {
    const status = STATUS_OF_CODE[error.code] ?? STATUS_OF_CLASS[error.name] ?? (error.recoverable ? 503 : 500)
    return problem(status, error.code, error.message, error.recoverable)
  }
  // What a fault of the program says may hold anything; it belongs in the log.
  return problem(500, 'E_INTERNAL', 'a fault of the program; the log has more', false)
}

function problem(status: number, code: string, detail: string, recoverable: boolean): Problem {
  return { type: `urn:defacto:problem:${code}`, title: TITLES[status] ?? 'Error', status, code, detail, recoverable }
}

export function problemResponse(error: unknown): Response {
  const body = problemOf(error)
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  if (body.recoverable) headers.set('retry-after', RETRY_AFTER)
  if (error instanceof HttpProblem) for (const [name, value] of Object.entries(error.headers)) headers.set(name, value)
  return new Response(`${JSON.stringify(body)}\n`, { status: body.status, headers })
}
