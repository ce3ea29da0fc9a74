/** Backfills: exactly which windows one works through, and its run (spec 10 §7.1). */
import { ConfigError, NotFoundError } from '../errors.ts'
import type { Json, RunRow } from '../ports/runs.ts'
import { allWindows, type BackfillSpec, type Window } from './backfill/windows.ts'
import type { Control, Orchestration } from './contract.ts'
import { isGood } from './control/common.ts'
import { inputOf } from './pinned.ts'
import { instant } from './time.ts'

export type { BackfillSpec, Window } from './backfill/windows.ts'

/** The windows that a backfill of this kind would work through now, in its order; nothing is stored. */
export async function backfillWindows(context: Orchestration, spec: BackfillSpec): Promise<readonly Window[]> {
  await check(context, spec)
  const windows = allWindows(spec)
  const only = spec.only ?? 'all'
  if (only === 'all') return windows
  const last = await lastOutcomes(context, spec)
  return windows.filter(({ from, to }) => {
    const good = last.get(`${from}/${to}`)
    return only === 'missing' ? good !== true : good === false
  })
}

/** Submits the backfill; with the same key it is the first one again. */
export async function submitBackfill(
  context: Orchestration,
  control: Control,
  spec: BackfillSpec,
  options: { readonly key?: string; readonly tags?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly run: RunRow; readonly created: boolean }> {
  const windows = await backfillWindows(context, spec)
  const { op, pipeline, input, window, reverse, only = 'all', version } = spec
  const given: Record<string, Json> = {
    op,
    from: instant(spec.from, 'from').toString(),
    to: instant(spec.to, 'to').toString(),
    only,
    ...(input === undefined ? {} : { input }),
    ...(window === undefined ? {} : { window }),
    ...(reverse === undefined ? {} : { reverse }),
    ...(version === undefined ? {} : { version }),
    ...(only === 'all' ? {} : { windows: windows.map(({ from, to }) => [from, to]) }),
  }
  return control.submit({ op: 'backfill', trigger: 'backfill', pipeline, input: given, ...options })
}

async function check(context: Orchestration, { op, pipeline, input }: BackfillSpec): Promise<void> {
  if (op !== 'ingest') {
    if (op === 'build' || op === 'tick') return
    throw new ConfigError(`'${String(op)}' cannot be backfilled; known: ingest, build, tick`)
  }
  if (pipeline === undefined) throw new ConfigError('a backfill of ingest needs the name of a pipeline')
  const found = (await context.project.pipelines()).get(pipeline)
  if (found === undefined) throw new NotFoundError(`there is no pipeline '${pipeline}'`)
  const { inputs } = found.pipeline
  const chosen = input === undefined ? inputs : inputs.filter(({ name }) => name === input)
  if (input !== undefined && chosen.length === 0) {
    throw new NotFoundError(`pipeline '${pipeline}' has no input '${input}'`)
  }
  if (chosen.some((one) => 'window' in one && one.window !== null)) return
  throw new ConfigError(
    `no input of pipeline '${pipeline}' says which parts belong to a window; give it the key 'window'`,
  )
}

/** Of every window that backfills of this kind have worked on: whether the last time went well. */
async function lastOutcomes(context: Orchestration, spec: BackfillSpec): Promise<ReadonlyMap<string, boolean>> {
  const { runs } = context.operations.log
  const earlier = await runs.list({
    op: ['backfill'],
    parentRunId: null,
    ...(spec.pipeline === undefined ? {} : { pipeline: spec.pipeline }),
  })
  const outcomes = new Map<string, boolean>()
  for (const run of earlier.reverse()) {
    const { op, input } = inputOf(run)
    if (op !== spec.op || (input ?? undefined) !== spec.input) continue
    const own = new Map<string, boolean>()
    for (const child of await runs.children(run.runId)) {
      const key = `${child.windowFrom}/${child.windowTo}`
      own.set(key, (own.get(key) ?? true) && isGood(child))
    }
    for (const [key, good] of own) outcomes.set(key, good)
  }
  return outcomes
}
