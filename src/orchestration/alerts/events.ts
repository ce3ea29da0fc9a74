/** What alerts are about: one constructor per event of spec 10 §3.8, so that subjects and severities are the same everywhere. */
import type { CheckResult, Json, RunRow } from '../../ports/runs.ts'
import type { AlertEvent } from '../model.ts'

export interface AlertSignal {
  readonly event: AlertEvent
  readonly severity: 'warn' | 'error'
  /** What it is about: `pipeline/nightly`, `check/history`, `asset/cold`, `input/nightly/files`, `schedule/nightly`. */
  readonly subject: string
  readonly at: string
  /** What tells this occurrence from the next: a run id, a slot. The same one gives the same notification id. */
  readonly occurrence: string
  /** Ids, counts and codes only. */
  readonly data: { readonly [key: string]: Json }
}

const ofRun = (run: RunRow): { [key: string]: Json } => ({
  run_id: run.runId,
  op: run.op,
  pipeline: run.pipeline,
  step: run.step,
})
const owner = (run: RunRow): string => (run.pipeline === null ? `run/${run.runId}` : `pipeline/${run.pipeline}`)

/** A run ended as `failed` or `abandoned`; for the outermost run, not for its steps. */
export function failure(
  run: RunRow,
  at: string,
  error: { readonly code: string; readonly class: string },
): AlertSignal {
  const data = { ...ofRun(run), code: error.code, class: error.class }
  return { event: 'failure', severity: 'error', subject: owner(run), at, occurrence: run.runId, data }
}

/** The outermost run succeeded: closes what `failure` and `retrying` opened; sends nothing if nothing was open. */
export function runRecovered(run: RunRow, at: string): AlertSignal {
  return { event: 'recovered', severity: 'warn', subject: owner(run), at, occurrence: run.runId, data: ofRun(run) }
}

/** From the third attempt without progress on. */
export function retrying(run: RunRow, at: string, code: string): AlertSignal {
  const data = { ...ofRun(run), attempt: run.attempt, code }
  return { event: 'retrying', severity: 'warn', subject: owner(run), at, occurrence: run.runId, data }
}

/** Too many failures of an input; `warn`: the run goes on. */
export function threshold(
  run: RunRow,
  at: string,
  input: string,
  counts: { readonly read: number; readonly failed: number },
  severity: 'warn' | 'error',
): AlertSignal {
  const subject = `input/${run.pipeline ?? ''}/${input}`
  return { event: 'threshold', severity, subject, at, occurrence: run.runId, data: { ...ofRun(run), input, ...counts } }
}

/** An input was read without exceeding its limits. */
export function inputRecovered(run: RunRow, at: string, input: string): AlertSignal {
  const subject = `input/${run.pipeline ?? ''}/${input}`
  return { event: 'recovered', severity: 'warn', subject, at, occurrence: run.runId, data: { ...ofRun(run), input } }
}

/** A slot that did not run as planned: missed, skipped or superseded. */
export function slotLost(
  pipeline: string,
  at: string,
  slot: { readonly scheduledFor: string; readonly outcome: string; readonly reason: string | null },
): AlertSignal {
  const data = { pipeline, scheduled_for: slot.scheduledFor, outcome: slot.outcome, reason: slot.reason }
  const severity = slot.outcome === 'missed' ? 'error' : 'warn'
  return { event: 'schedule', severity, subject: `schedule/${pipeline}`, at, occurrence: slot.scheduledFor, data }
}

/** A slot started on time. */
export function slotStarted(pipeline: string, at: string, scheduledFor: string): AlertSignal {
  const data = { pipeline, scheduled_for: scheduledFor }
  const subject = `schedule/${pipeline}`
  return { event: 'recovered', severity: 'warn', subject, at, occurrence: scheduledFor, data }
}

/** A check failed; the event names it, its asset and the number it found. */
export function checkFailed(run: RunRow, result: CheckResult): AlertSignal {
  const { severity, at } = result
  return { event: 'check', severity, subject: subjectOf(result), at, occurrence: run.runId, data: ofCheck(run, result) }
}

export function checkRecovered(run: RunRow, result: CheckResult): AlertSignal {
  const { severity, at } = result
  const data = ofCheck(run, result)
  return { event: 'recovered', severity, subject: subjectOf(result), at, occurrence: run.runId, data }
}

const subjectOf = ({ check }: CheckResult): string => `check/${check}`
const ofCheck = (run: RunRow, { check, asset, value }: CheckResult): { [key: string]: Json } => ({
  ...ofRun(run),
  check,
  asset,
  value,
})
