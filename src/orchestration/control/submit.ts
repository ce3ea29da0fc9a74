/** New runs: what was asked for, pinned as it is now (spec 10 §4.2). */
import { hash } from 'node:crypto'
import { canonicalJson } from '../../core/definition/canonical.ts'
import { closest } from '../../core/spelling.ts'
import { ConfigError, ConflictError, NotFoundError } from '../../errors.ts'
import { type Json, type NewRun, RUN_OPS, type RunOp, type RunRow } from '../../ports/runs.ts'
import { type Window, windowsOf } from '../backfill/windows.ts'
import type { SubmitRequest } from '../contract.ts'
import { newId } from '../ids.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { readPipeline } from '../pipeline/read.ts'
import { instant, nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, isGood, runNamed, stepRefOf } from './common.ts'

/** The same key gives the first run again; with another request it is a `ConflictError` (`E_CONFLICT`). */
export async function submit(
  context: ControlContext,
  request: SubmitRequest,
): Promise<{ readonly run: RunRow; readonly created: boolean }> {
  const body = request.pipeline === undefined ? null : await bodyOf(context, request.pipeline)
  const run = await newRun(context, request, body)
  return context.operations.log.runs.create(run, nowText(context))
}

/** The pipeline's text as it stands in the project; `NotFoundError` with a suggestion. */
async function bodyOf(context: ControlContext, name: string): Promise<Json> {
  const pipelines = await context.project.pipelines()
  const found = pipelines.get(name)
  if (found !== undefined) return found.body as Json
  const guess = closest(name, [...pipelines.keys()])
  throw new NotFoundError(`there is no pipeline '${name}'${guess === null ? '' : `; did you mean '${guess}'?`}`)
}

/** A queued run of this request, with the pipeline's body, version and ledger head pinned. */
export async function newRun(context: ControlContext, request: SubmitRequest, body: Json): Promise<NewRun> {
  const { op, pipeline: name, tags, asOf, trigger = 'manual', scheduledFor } = request
  if (!RUN_OPS.includes(op)) throw new ConfigError(`'${op}' is no operation; known: ${RUN_OPS.join(', ')}`)
  if (op === 'pipeline' && name === undefined) throw new ConfigError('a pipeline run needs the name of its pipeline')
  const given = inputOf({ input: request.input ?? null })
  checkIngest(request, given)
  const pipeline = name === undefined || body === null ? null : readPipeline(name, body)
  checkOnly(op, given, pipeline?.steps.map(({ id }) => id) ?? [])
  const wanted = typeof given['version'] === 'string' ? given['version'] : (pipeline?.version ?? undefined)
  const { version, definitionHash } = await context.operations.definitions(wanted)
  const input: Json = pipeline === null ? given : { ...given, pipeline: body }
  const traceparent = await context.trace('defacto.run', { op }, null, async (parent) => parent)
  const run: NewRun = {
    runId: newId('r', context.clock()),
    op,
    pipeline: name ?? null,
    idempotencyKey: request.key ?? null,
    requestHash: hashOf(request),
    trigger,
    scheduledFor: scheduledFor === undefined ? null : instant(scheduledFor, 'scheduledFor').toString(),
    asOf: asOf === undefined ? null : instant(asOf, 'asOf').toString(),
    version,
    definitionHash,
    package: context.package,
    input,
    headAtRequest: await context.operations.head(),
    tags: { ...pipeline?.tags, ...tags },
    engine: context.engine,
    traceparent,
  }
  return { ...run, workflowId: workflowIdOf(context, run, input) }
}

function hashOf({ op, pipeline, input, asOf, scheduledFor, tags }: SubmitRequest): string {
  return hash('sha256', canonicalJson({ op, pipeline, input: input ?? null, asOf, scheduledFor, tags }))
}

/** What runs it: the id of its workflow, below `defacto/{space}/`, or the mark of the process. */
export function workflowIdOf(
  context: ControlContext,
  run: Pick<NewRun, 'runId' | 'op' | 'pipeline'>,
  input: Json,
): string | null {
  if (context.engine === 'local') return context.process?.own ?? null
  const { runId, op, pipeline = null } = run
  return stepRefOf(context, { runId, op, pipeline, input }).workflowId
}

function checkIngest({ op, pipeline }: SubmitRequest, input: { readonly [key: string]: Json }): void {
  if (op !== 'ingest') return
  const fromInbox = typeof input['inbox'] === 'string' && typeof input['source'] === 'string'
  const fromInput = pipeline !== undefined && typeof input['input'] === 'string'
  if (fromInbox || fromInput) return
  throw new ConfigError("an ingest run needs a pipeline and its 'input', or an 'inbox' batch and its 'source'")
}

function checkOnly(op: RunOp, input: { readonly [key: string]: Json }, steps: readonly string[]): void {
  if (op !== 'pipeline' || input['only'] === undefined) return
  for (const id of stepIds(input['only'])) {
    if (steps.includes(id)) continue
    throw new NotFoundError(`the pipeline has no step '${id}'; its steps: ${steps.join(', ')}`)
  }
}

/** Names of steps as they are stored in a run's input. */
export function stepIds(value: Json | undefined): readonly string[] {
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  return list.map(String)
}

/**
 * A new run of the same request that leaves out the steps that succeeded. What the ended run left `held` it opens, as it
 * is named in `retryOf`.
 */
export async function retry(context: ControlContext, runId: string): Promise<RunRow> {
  const { runs } = context.operations.log
  const old = await runNamed(context, runId)
  if (old.parentRunId !== null) {
    throw new ConflictError(`run '${runId}' is a step of run '${old.parentRunId}'; retry that one`)
  }
  const again = (await runs.list({ status: ACTIVE, op: [old.op], parentRunId: null })).find(
    (run) => run.retryOf === old.runId,
  )
  if (again !== undefined) return again
  if (!hasEnded(old) || isGood(old)) {
    const state = hasEnded(old) ? `ended as '${old.status}'; there is nothing to retry` : 'has not ended yet'
    throw new ConflictError(`run '${runId}' ${state}`, { details: { status: old.status } })
  }
  const children = await runs.children(runId)
  const before = inputOf(old)
  const done = new Set(stepIds(before['succeeded']))
  for (const { id } of pipelineOf(old)?.steps ?? []) {
    const own = children.filter(({ step }) => step === id)
    if (own.length > 0 && own.every(isGood)) done.add(id)
  }
  const input = inputAgain(old, children, [...done])
  const run: NewRun = {
    runId: newId('r', context.clock()),
    op: old.op,
    pipeline: old.pipeline,
    retryOf: old.runId,
    requestHash: old.requestHash,
    trigger: old.trigger,
    scheduledFor: old.scheduledFor,
    asOf: old.asOf,
    windowFrom: old.windowFrom,
    windowTo: old.windowTo,
    version: old.version,
    definitionHash: old.definitionHash,
    package: context.package,
    input,
    headAtRequest: await context.operations.head(),
    tags: old.tags,
    engine: context.engine,
    traceparent: await context.trace('defacto.run', { op: old.op }, null, async (parent) => parent),
  }
  const created = await runs.create({ ...run, workflowId: workflowIdOf(context, run, input) }, nowText(context))
  return created.run
}

/** What is left to do: steps that did not succeed, windows that did not. */
function inputAgain(old: RunRow, children: readonly RunRow[], succeeded: readonly string[]): Json {
  if (old.op === 'pipeline') return { ...inputOf(old), succeeded }
  if (old.op !== 'backfill') return old.input
  const good = (window: Window): boolean => {
    const own = children.filter((child) => child.windowFrom === window.from && child.windowTo === window.to)
    return own.length > 0 && own.every(isGood)
  }
  const windows = windowsOf(old).filter((window) => !good(window))
  return { ...inputOf(old), windows: windows.map(({ from, to }) => [from, to]) }
}
