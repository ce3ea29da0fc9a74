/** What a run works with as it was when it started: the pipeline of its input, read again (spec 10 §3.1). */
import type { Json, RunRow } from '../ports/runs.ts'
import { type Pipeline, RETRY, type RetryPolicy, type Step } from './model.ts'
import { readPipeline } from './pipeline/read.ts'

/** For what belongs to no pipeline (spec 10 §4.3). */
export const ALONE: { readonly retry: RetryPolicy; readonly timeoutMs: number } = {
  retry: { attempts: RETRY.attempts, backoffMs: 1_000, factor: 2, maxMs: 60_000 },
  timeoutMs: 12 * 3_600_000,
}

/** Years of windows take their time; each of them has the timeout of its own run. */
const BACKFILL_MS = 20 * 86_400_000
/** Nobody gives up an erasure: it waits for people and for stores as long as it takes. */
const ERASURE: { readonly retry: RetryPolicy; readonly timeoutMs: number } = {
  retry: { attempts: 0, backoffMs: 1_000, factor: 2, maxMs: 3_600_000 },
  timeoutMs: 3_650 * 86_400_000,
}

type InputMap = { readonly [key: string]: Json }

/** A run's input as a map; empty if it has none. */
export function inputOf(run: Pick<RunRow, 'input'>): InputMap {
  return typeof run.input === 'object' && run.input !== null && !Array.isArray(run.input) ? (run.input as InputMap) : {}
}

/** The pipeline pinned in a run; null: it has none. */
export function pipelineOf(run: Pick<RunRow, 'input' | 'pipeline'>): Pipeline | null {
  const body = inputOf(run)['pipeline']
  if (run.pipeline === null || body === undefined || body === null) return null
  return readPipeline(run.pipeline, body)
}

export function stepOf(pipeline: Pipeline | null, id: string | null): Step | null {
  return pipeline?.steps.find((step) => step.id === id) ?? null
}

/** How often and how long: the step's, else the pipeline's, else the one for single operations. */
export function limitsOf(run: Pick<RunRow, 'op' | 'input' | 'pipeline' | 'step'>): {
  readonly pipeline: Pipeline | null
  readonly step: Step | null
  readonly retry: RetryPolicy
  readonly timeoutMs: number
} {
  const pipeline = pipelineOf(run)
  const step = stepOf(pipeline, run.step)
  const alone = run.op === 'erase' || run.op === 'redact' ? ERASURE : ALONE
  const { retry, timeoutMs: longest } = step ?? pipeline ?? alone
  const timeoutMs = run.op === 'backfill' ? BACKFILL_MS : longest
  return { pipeline, step, retry, timeoutMs }
}
