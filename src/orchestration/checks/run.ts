/** One run of checks (spec 10 §3.7): all of them, one after the other; each is a chunk. */
import { historyLayout } from '../../core/program/layout.ts'
import { didYouMean } from '../../core/spelling.ts'
import { CheckError, DefactoError, NotFoundError, QueryError } from '../../errors.ts'
import type { CheckResult, Counters, Json, NewRunEvent } from '../../ports/runs.ts'
import { createQueryRoot, type QueryRoot } from '../../query/root.ts'
import { checkFailed, checkRecovered } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import { isBudget } from '../attempt.ts'
import type { Orchestration, StepCall, StepFunction } from '../contract.ts'
import type { CheckDef, Pipeline } from '../model.ts'
import { inputOf, pipelineOf, stepOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import type { CheckDefinition } from './code.ts'
import { evaluate } from './evaluate.ts'
import { assetName, SAMPLE, type Scope, type Verdict } from './scope.ts'

/** A check to run: how it is called, and how its answer is found. */
interface Planned {
  readonly name: string
  readonly asset: string
  readonly severity: 'warn' | 'error'
  readonly blocking: boolean
  readonly timeoutMs: number
  readonly pipeline: Pipeline | null
  answer(scope: Scope): Promise<Verdict>
}

/** What a timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** Time of a check in code. */
const CODE_TIMEOUT_MS = 600_000

/** Runs the checks of the pinned pipeline, or those in `input.only`; without a pipeline those of the whole project. */
export const runCheck: StepFunction = async (context, call) => {
  const { run } = call
  const planned = wanted(await plannedChecks(context, call), onlyOf(call))
  const { definitions, version } = await context.operations.definitions(run.version ?? undefined)
  const program = { definitions, layout: historyLayout(definitions) }
  const root = createQueryRoot(context.operations.reader, program, version)
  const cursor = cursorOf(run.cursor)
  const failed = [...cursor.failed]
  for (let next = cursor.next; next < planned.length; next++) {
    if (isBudget(call.signal)) return { more: true, stats: {} }
    call.signal.throwIfAborted()
    const check = planned[next] as Planned
    const result = await answered(context, call, check, { definitions, version, root })
    if (!result.passed && result.blocking) failed.push(result.check)
    await store(context, call, check, result, { next: next + 1, failed })
    call.heartbeat({ runId: run.runId, seq: next + 1, rows: 1 })
  }
  if (failed.length > 0) {
    const names = failed.map((name) => `'${name}'`).join(', ')
    throw new CheckError(`${failed.length === 1 ? 'a blocking check' : 'blocking checks'} failed: ${names}`, {
      details: { checks: failed },
    })
  }
  return { more: false, stats: {} }
}

// ── which checks ─────────────────────────────────────────────────────────────────────────────────────────────────

async function plannedChecks(context: Orchestration, { run }: StepCall): Promise<Planned[]> {
  const pinned = pipelineOf(run)
  const pipelines =
    pinned !== null ? [pinned] : [...(await context.project.pipelines()).values()].map(({ pipeline }) => pipeline)
  const declared = pipelines.flatMap((pipeline) => pipeline.checks.map((check) => ofDefinition(pipeline, check)))
  const all = [...declared, ...(context.project.checks ?? []).map((check) => ofCode(pinned, check))]
  // Without a pipeline, checks of several may have one name; results are kept by name.
  const taken = new Set<string>()
  return all.map((check) => {
    const name = taken.has(check.name) ? `${check.pipeline?.name ?? 'project'}/${check.name}` : check.name
    taken.add(check.name)
    // A warning never fails a run, whatever it says of itself.
    return { ...check, name, blocking: check.blocking && check.severity === 'error' }
  })
}

function ofDefinition(pipeline: Pipeline, check: CheckDef): Planned {
  const { name, severity, blocking, timeoutMs } = check
  const answer = (scope: Scope): Promise<Verdict> => evaluate(scope, check)
  return { name, asset: assetName(check), severity, blocking, timeoutMs, pipeline, answer }
}

function ofCode(pipeline: Pipeline | null, check: CheckDefinition): Planned {
  const { name, asset, severity, blocking } = check
  const answer = async ({ root, version, signal, run, context }: Scope): Promise<Verdict> => {
    const given = await check.run({
      asset,
      version,
      asOf: run.asOf ?? context.operations.now().toString(),
      signal,
      table: (type) => root.table(type),
      history: (type) => root.history(type),
      relationship: (type, options) => root.relationship(type, options),
      query: (text, params, options) => root.query(text, params, options),
    })
    const value = typeof given.value === 'number' && Number.isFinite(given.value) ? given.value : null
    return { passed: given.passed === true, value, sampleIds: given.sampleIds ?? [], message: null }
  }
  return { name, asset, severity, blocking, timeoutMs: CODE_TIMEOUT_MS, pipeline, answer }
}

/** Names in `input.only`, else those of the step; empty: all. */
function onlyOf({ run }: StepCall): readonly string[] {
  const { only } = inputOf(run)
  if (Array.isArray(only)) return only.filter((name) => typeof name === 'string')
  const step = stepOf(pipelineOf(run), run.step)
  return step?.kind === 'check' ? step.only : []
}

function wanted(planned: readonly Planned[], only: readonly string[]): readonly Planned[] {
  if (only.length === 0) return planned
  const names = planned.map(({ name }) => name)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown === undefined) return planned.filter(({ name }) => only.includes(name))
  throw new NotFoundError(`unknown check '${unknown}'${didYouMean(unknown, names)}; known: ${names.join(', ')}`)
}

// ── one check ────────────────────────────────────────────────────────────────────────────────────────────────────

async function answered(
  context: Orchestration,
  call: StepCall,
  check: Planned,
  place: Pick<Scope, 'definitions' | 'version'> & { readonly root: QueryRoot },
): Promise<CheckResult> {
  const { run } = call
  const { name, asset, severity, blocking, pipeline } = check
  const timeoutMs = Math.min(check.timeoutMs, LONGEST_TIMER_MS)
  const timeout = AbortSignal.timeout(timeoutMs)
  const cancelled = withoutBudget(call.signal)
  const signal = AbortSignal.any([cancelled, timeout])
  const alive = (): void => call.heartbeat({ runId: run.runId, seq: 0, rows: 0 })
  const scope: Scope = { context, run, pipeline, ...place, signal, timeoutMs, alive }
  const found = await Promise.race([check.answer(scope), rejection(signal)]).catch((error: unknown): Verdict => {
    cancelled.throwIfAborted()
    const reason = timeout.aborted ? `took longer than its timeout of ${timeoutMs / 1000} s` : reasonOf(error)
    if (reason === null) throw error
    return { passed: false, value: null, sampleIds: [], message: `the check could not be answered: ${reason}` }
  })
  const { passed, value, sampleIds, message } = found
  const sample = passed ? [] : sampleIds.slice(0, SAMPLE)
  return {
    runId: run.runId,
    check: name,
    asset,
    severity,
    blocking,
    passed,
    value,
    sampleIds: sample,
    message,
    at: nowText(context),
  }
}

/** The time of one call is over: a check begun is brought to its end, or it would never come to one. */
function withoutBudget(signal: AbortSignal): AbortSignal {
  const own = new AbortController()
  const stop = (): void => {
    if (!isBudget(signal)) own.abort(signal.reason)
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  return own.signal
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/**
 * Why a check could not be answered, without values; null: it is no fault of the check, and the run is tried again. Texts
 * of errors that are not ours may quote anything.
 */
function reasonOf(error: unknown): string | null {
  if (!(error instanceof DefactoError)) return error instanceof Error ? `${error.name} in its code` : 'it threw'
  if (error.recoverable) return null
  return error instanceof QueryError && error.cause !== undefined
    ? `${error.code}, the database refused the query`
    : `${error.code} ${error.message.split('\n')[0] ?? ''}`
}

// ── what stays ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Cursor {
  readonly next: number
  /** Names of blocking checks that failed. */
  readonly failed: readonly string[]
}

function cursorOf(stored: Json): Cursor {
  const cursor = (stored ?? { next: 0, failed: [] }) as unknown as Cursor
  return { next: cursor.next, failed: cursor.failed }
}

async function store(
  context: Orchestration,
  call: StepCall,
  { pipeline }: Planned,
  result: CheckResult,
  cursor: Cursor,
): Promise<void> {
  const { operations } = context
  const { run, fence } = call
  const { check, asset, severity, blocking, passed, value, at } = result
  await operations.log.checks.put([result])
  const signal = passed ? checkRecovered(run, result) : checkFailed(run, result)
  const event: NewRunEvent = {
    kind: 'check',
    step: run.step,
    level: passed ? 'info' : severity,
    code: passed ? null : 'E_CHECK',
    message: passed
      ? `check ${check} passed`
      : `check ${check} failed${result.message === null ? '' : `: ${result.message}`}`,
    data: { check, asset, severity, blocking, passed, value },
  }
  const notifications = await alertsOf(context, pipeline, [signal])
  await operations.log.runs.change(run.runId, {}, { at, epoch: fence.epoch, events: [event], notifications })
  const add: Counters = {
    checks: 1,
    checks_failed: !passed && severity === 'error' ? 1 : 0,
    checks_warned: !passed && severity === 'warn' ? 1 : 0,
  }
  await operations.unit({ fence }, (unit) =>
    operations.log.runs.advance(unit, fence, { at, cursor: cursor as unknown as Json, add }),
  )
}
