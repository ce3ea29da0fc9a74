/** From errors to exit codes and messages (spec 10 §4.5). */
import { DefactoError, type ErrorOptions } from '../errors.ts'
import { classify } from '../orchestration/failure.ts'

/** A command line nobody can run: unknown flag, missing argument, value of the wrong kind. */
export class UsageError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_USAGE', options)
  }
}

/** A destructive command without its confirmation (spec 10 §7.2). */
export class ConfirmationError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_CONFIRMATION', options)
  }
}

/** `--timeout` ran out; committed work stays. */
export class TimeoutError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_TIMEOUT', { recoverable: true, ...options })
  }
}

/** Ctrl-C or a request to end; committed work stays. */
export class Interrupted extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_INTERRUPTED', { recoverable: true, ...options })
  }
}

/** Errors of the command line itself; those of runs and of the engine have theirs in `classify`. */
const EXIT_OF_COMMAND = new Map<string, number>([
  ['UsageError', 2],
  ['ConfirmationError', 8],
  ['TimeoutError', 124],
  ['Interrupted', 130],
])

/** Exit code of an error; anything unknown is 1. */
export function exitCodeOf(error: unknown): number {
  const own = error instanceof Error ? EXIT_OF_COMMAND.get(error.name) : undefined
  return own ?? classify(error).exit
}

/** The `error` of a JSON document. */
export interface ErrorReport {
  readonly code: string
  readonly class: string
  readonly message: string
  readonly recoverable: boolean
  readonly details: Readonly<Record<string, unknown>>
}

export function reportOf(error: unknown): ErrorReport {
  if (error instanceof DefactoError) {
    const { code, name, message, recoverable, details } = error
    return { code, class: name, message, recoverable, details }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'E_INTERNAL', class: 'Error', message, recoverable: false, details: {} }
}

/** Begins the error of `check`, which has shown every finding. */
export const CHECKED = 'definitions are not valid: '

/** What to do next, where the message alone does not say it; null if there is nothing to add. */
export function adviceFor(error: unknown): string | null {
  if (!(error instanceof DefactoError))
    return 'This is a fault of the program. Run again with -v to see where it arose.'
  switch (error.name) {
    case 'UsageError':
      return 'Run the command with --help to see its arguments and options.'
    case 'DefinitionError':
      // `check` has just shown them.
      return error.message.startsWith(CHECKED) ? null : 'Run `defacto check` to see every finding with its place.'
    case 'LockHeld':
      return 'Wait for the other process, or see who holds the space with `defacto doctor`.'
    case 'Fenced':
      return 'Another process took over; nothing of this one was written after that. Run again if it is still needed.'
    case 'StorageError':
      // The message says the way out already.
      if (/^E_(COLD|LEDGER)_/.test(error.code)) return null
      if ('folder' in error.details) return 'Make room and run again.'
      if (error.details['operation'] === 'export') return 'No half file was left behind.'
      return error.recoverable
        ? 'Nothing half done was kept. Run again; `defacto doctor` shows the state of the database.'
        : 'See the state of the database with `defacto doctor`.'
    case 'TimeoutError':
    case 'Interrupted':
      return 'What was committed stays; the same command continues there.'
    case 'ConfirmationError':
      return 'Add --yes to confirm.'
    default:
      return null
  }
}
