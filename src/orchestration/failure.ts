/**
 * What becomes of an error: whether it is retried and when, what a run stores of it, how a command ends (spec 10 §4.5).
 * Messages of our own errors carry names and codes; those of others may carry anything and are not passed on.
 */
import * as errors from '../errors.ts'
import { DefactoError, type ErrorOptions } from '../errors.ts'
import type { RunError } from '../ports/runs.ts'

/** Somebody asked the run to stop; what was committed stays. */
export class RunCancelled extends DefactoError {
  constructor(message = 'the run was cancelled; what was committed stays', options?: ErrorOptions) {
    super(message, 'E_CANCELLED', options)
  }
}

/** The `timeout` of a pipeline or step is over; what was committed stays. */
export class RunTimeout extends DefactoError {
  constructor(message = 'the run took longer than its timeout; what was committed stays', options?: ErrorOptions) {
    super(message, 'E_TIMEOUT', options)
  }
}

/** This worker ends; another one goes on where it was. */
export class WorkerShutdown extends DefactoError {
  constructor(message = 'the worker ends; the run goes on at its last committed chunk', options?: ErrorOptions) {
    super(message, 'E_SHUTDOWN', { recoverable: true, ...options })
  }
}

/** An attempt that was believed dead has begun again after this one; whoever is believed goes on. */
export class Overtaken extends DefactoError {
  constructor(
    message = 'another attempt at this run began; it goes on at its last committed chunk',
    options?: ErrorOptions,
  ) {
    super(message, 'E_FENCED', { recoverable: true, ...options })
  }
}

export interface Failure {
  /** Class name. */
  readonly type: string
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  /** Expected in operation: no alarm, no count against the limit of attempts. */
  readonly benign: boolean
  /** Until the next attempt; null: as the policy says. */
  readonly delayMs: number | null
  readonly exit: number
}

/** Attempts of an error that nobody foresaw. */
export const UNKNOWN_ATTEMPTS = 3
const LOCK_DELAY_MS = 5_000

type Rule = Pick<Failure, 'exit'> & Partial<Pick<Failure, 'retryable' | 'benign' | 'delayMs'>>
const NO_RETRY = { retryable: false, benign: false, delayMs: null } as const

/** By class; classes are looked up with their parents. */
const BY_CLASS: Readonly<Record<string, Rule>> = {
  ConfigError: { exit: 2 },
  QueryError: { exit: 2 },
  DefinitionError: { exit: 3 },
  ValidationError: { exit: 3 },
  ThresholdError: { exit: 4 },
  IngestError: { exit: 4 },
  CheckError: { exit: 5 },
  LockHeld: { exit: 6, retryable: true, benign: true, delayMs: LOCK_DELAY_MS },
  Fenced: { exit: 6 },
  ConflictError: { exit: 6 },
  NotFoundError: { exit: 7 },
  HoldError: { exit: 8 },
  ApprovalRequired: { exit: 8 },
  UnreachableError: { exit: 9, retryable: true },
  ConsumerError: { exit: 9, retryable: true },
  ReadTimeoutError: { exit: 9, retryable: true },
  RunTimeout: { exit: 124 },
  RunCancelled: { exit: 130, benign: true },
  Overtaken: { exit: 6, retryable: true, benign: true, delayMs: 1_000 },
  WorkerShutdown: { exit: 1, retryable: true, benign: true, delayMs: 0 },
  BuildError: { exit: 1 },
  IdentityError: { exit: 1 },
}
const BY_CODE: Readonly<Record<string, Rule>> = {
  E_CONFLICT: { exit: 6 },
  E_PLAN_STALE: { exit: 6 },
  E_PAST_PIVOT: { exit: 8 },
  E_INPUT_MISSING: { exit: 4 },
  E_INPUT_ACCOUNTING: { exit: 1 },
  E_TIMEOUT: { exit: 124 },
  E_CANCELLED: { exit: 130, benign: true },
}

/** What an attempt found out beside the error: that its attempts are used up, or when to try again. */
const marks = new WeakMap<object, Partial<Pick<Failure, 'retryable' | 'delayMs'>>>()

export function mark(error: Error, found: Partial<Pick<Failure, 'retryable' | 'delayMs'>>): Error {
  marks.set(error, { ...marks.get(error), ...found })
  return error
}

/** Never leaks values: what is not our own is described by its class alone. */
export function classify(error: unknown): Failure {
  const known = error instanceof DefactoError ? ofOwn(error) : ofOther(error)
  const found = typeof error === 'object' && error !== null ? marks.get(error) : undefined
  return { ...known, ...found }
}

function ofOwn(error: DefactoError): Failure {
  const { name: type, code, message, details } = error
  const rule = BY_CODE[code] ?? ruleOf(error)
  const after = details['retryAfterMs']
  return {
    type,
    code,
    message,
    ...NO_RETRY,
    ...rule,
    ...(typeof after === 'number' && rule.retryable === true ? { delayMs: after } : {}),
  }
}

function ruleOf(error: DefactoError): Rule {
  if (error instanceof errors.StorageError) return error.recoverable ? { exit: 9, retryable: true } : { exit: 1 }
  for (let type = error.constructor; typeof type === 'function' && type !== Error; type = Object.getPrototypeOf(type)) {
    const rule = BY_CLASS[type.name]
    if (rule !== undefined) return rule
  }
  return { exit: 1 }
}

function ofOther(error: unknown): Failure {
  const type = error instanceof Error && /^[A-Za-z]{1,64}$/.test(error.name) ? error.name : 'Error'
  const message = `an unexpected ${type} in the program or in a library`
  return { type, code: 'E_INTERNAL', message, retryable: true, benign: false, delayMs: null, exit: 1 }
}

/** True for what nobody foresaw: retried a few times only, whatever the policy says. */
export function isUnknown(error: unknown): boolean {
  return !(error instanceof DefactoError)
}

/** Where an error arose, without its message: `name (file:line:column)`, innermost first. */
export function placesOf(error: unknown): readonly string[] {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim().slice(3))
}

/** What a run stores of its failure. */
export function runErrorOf(failure: Pick<Failure, 'code' | 'type' | 'message' | 'retryable'>): RunError {
  const { code, type, message, retryable } = failure
  return { code, class: type, message, recoverable: retryable }
}

/** The error that a run ended with, of the class it had (spec 10 §8). */
export function errorOf(stored: RunError): DefactoError {
  const own: Readonly<Record<string, unknown>> = { ...errors, RunCancelled, RunTimeout, WorkerShutdown }
  const { code, message, recoverable } = stored
  const options = { code, recoverable }
  if (stored.class === 'IngestError') return new errors.IngestError(message, null, options)
  const found = Object.hasOwn(own, stored.class) ? own[stored.class] : undefined
  if (found === DefactoError || typeof found !== 'function') return new DefactoError(message, code, options)
  return new (found as new (message: string, options: ErrorOptions) => DefactoError)(message, options)
}

/** Exit code of a command whose run ended with this error. */
export function exitOf(stored: RunError): number {
  return classify(errorOf(stored)).exit
}
