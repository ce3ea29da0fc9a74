/** The error of a finished run, as the exit code wants it (spec 10 §4.5). */
import * as errors from '../../errors.ts'
import type { RunRow } from '../../ports/runs.ts'
import { Interrupted } from '../errors.ts'
import { nameOf } from './lines.ts'

type Maker = new (message: string, options?: errors.ErrorOptions) => Error

const CLASSES: Readonly<Record<string, Maker>> = {
  ConfigError: errors.ConfigError,
  DefinitionError: errors.DefinitionError,
  ValidationError: errors.ValidationError,
  BuildError: errors.BuildError,
  StorageError: errors.StorageError,
  IdentityError: errors.IdentityError,
  NotFoundError: errors.NotFoundError,
  QueryError: errors.QueryError,
  LockHeld: errors.LockHeld,
  Fenced: errors.Fenced,
  ThresholdError: errors.ThresholdError,
  // Its result stayed with the run; the exit code is that of too many bad records.
  IngestError: errors.ThresholdError,
  CheckError: errors.CheckError,
  ConflictError: errors.ConflictError,
  HoldError: errors.HoldError,
  ApprovalRequired: errors.ApprovalRequired,
  UnreachableError: errors.UnreachableError,
}

/** Undefined for a run that did what it should. */
export function failureOf(run: RunRow): Error | undefined {
  const { status, error, runId } = run
  if (status === 'succeeded' || status === 'skipped' || status === 'coalesced') return undefined
  if (status === 'cancelled') return new Interrupted(`${nameOf(run)} was cancelled (run ${runId})`)
  const message = `${error?.message ?? `${nameOf(run)} ${status}`} (run ${runId})`
  const details = { runId, status }
  const Class = error === null ? undefined : CLASSES[error.class]
  if (Class === undefined) return new errors.BuildError(message, { code: error?.code ?? 'E_BUILD', details })
  return new Class(message, { code: error!.code, recoverable: error!.recoverable, details })
}
