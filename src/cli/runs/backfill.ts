/** Backfills from the command line: exactly which windows, then one run through them (spec 10 §7.1). */
import { ConfigError, NotFoundError } from '../../errors.ts'
import { backfillWindows } from '../../orchestration/backfill.ts'
import { slotsBetween } from '../../orchestration/cron.ts'
import { instant as instantOf } from '../../orchestration/time.ts'
import type { BackfillSpec } from '../../orchestrator.ts'
import type { RunRow } from '../../ports/runs.ts'
import { runView } from '../../run-view.ts'
import type { Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { duration, flag, instant, text } from '../options.ts'
import type { Result, Row } from '../output.ts'
import { countText } from '../summary.ts'
import { tableText } from '../table.ts'
import { askingOf } from './assets.ts'
import { connect } from './connect.ts'
import { failureOf } from './failure.ts'
import { lookingAtSchedules } from './schedules.ts'
import { listRow } from './show.ts'
import { awaitRun, submitAndWait } from './submit.ts'

export const BACKFILL_OPS = ['ingest', 'build', 'tick'] as const
const INTERVAL = [
  { flags: '--from <time>', description: 'begin of the interval, included' },
  { flags: '--to <time>', description: 'end of the interval, not included' },
  {
    flags: '--only <which>',
    description: 'missing, failed or all (default: all)',
    choices: ['missing', 'failed', 'all'],
  },
  { flags: '--reverse', description: 'the last window first' },
  { flags: '--dry-run', description: 'print the exact windows, start nothing' },
] as const
export const BACKFILL_OPTIONS = [
  ...INTERVAL,
  { flags: '--window <duration>', description: 'length of a window, e.g. 1d (default: the whole interval)' },
  { flags: '--version <name>', description: 'version to build (default: the active one)' },
  { flags: '--pipeline <name>', description: 'pipeline whose inputs are read, for ingest' },
  { flags: '--input <name>', description: 'only this input of it' },
] as const
export const SLOT_OPTIONS = INTERVAL

export async function backfillRun(context: Context, op: string, options: Options): Promise<Result> {
  const known = BACKFILL_OPS.find((each) => each === op)
  if (known === undefined) throw new UsageError(`'${op}' cannot be backfilled; take one of ${BACKFILL_OPS.join(', ')}`)
  duration(options, 'window')
  const spec: BackfillSpec = {
    op: known,
    ...interval(options),
    ...given('window', text(options, 'window')),
    ...given('version', text(options, 'version')),
    ...given('pipeline', text(options, 'pipeline')),
    ...given('input', text(options, 'input')),
    ...given('only', text(options, 'only') as BackfillSpec['only']),
    ...(flag(options, 'reverse') ? { reverse: true } : {}),
  }
  if (!flag(options, 'dryRun'))
    return submitAndWait(context, (orchestrator) =>
      orchestrator.backfill(spec, { key: context.globals.idempotencyKey }),
    )
  const windows = await backfillWindows(await askingOf(context), spec)
  return {
    data: { windows },
    rows: windows.map((window) => ({ ...window })),
    text: (output) => windowsText(output, windows),
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [name in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [name in K]?: V })
}

function interval(options: Options): { from: string; to: string } {
  const from = instant(options, 'from')
  const to = instant(options, 'to')
  if (from === undefined || to === undefined) throw new UsageError('a backfill needs --from and --to')
  return { from, to }
}

function windowsText(output: Parameters<typeof tableText>[0], windows: readonly Row[] | readonly object[]): string {
  const rows = windows as readonly Row[]
  return rows.length === 0 ? 'no window is left to do' : `${tableText(output, rows)}${countText(rows.length, 'window')}`
}

/** Slots of a schedule that are to be run now, one run each, one after the other. */
export async function backfillSlots(context: Context, name: string, options: Options): Promise<Result> {
  const { from, to } = interval(options)
  const { pipelines, log } = await lookingAtSchedules(context)
  const found = pipelines.get(name)
  if (found === undefined) throw new NotFoundError(`there is no pipeline '${name}'`)
  const { schedule } = found.pipeline
  if (schedule === null) throw new ConfigError(`pipeline '${name}' has no schedule; it has no slots to fill`)
  const only = text(options, 'only') ?? 'missing'
  const all = slotsBetween(schedule, instantOf(from, 'from'), instantOf(to, 'to')).map(String)
  const runs = new Map<string, boolean>()
  for (const run of (await log.runs.list({ op: ['pipeline'], pipeline: name })).reverse()) {
    if (run.scheduledFor !== null) runs.set(run.scheduledFor, failureOf(run) === undefined)
  }
  const slots = all.filter((slot) =>
    only === 'all' ? true : only === 'missing' ? !runs.has(slot) : runs.get(slot) === false,
  )
  if (flag(options, 'reverse')) slots.reverse()
  const rows = slots.map((slot) => ({ slot }))
  if (flag(options, 'dryRun') || slots.length === 0)
    return { data: { slots }, rows, text: (output) => windowsText(output, rows) }
  const orchestrator = await connect(context)
  const done: RunRow[] = []
  for (const scheduledFor of slots) {
    const { run } = await orchestrator.control.submit({
      op: 'pipeline',
      pipeline: name,
      trigger: 'backfill',
      scheduledFor,
    })
    await orchestrator.runner.start(orchestrator.control.stepRef(run))
    const ended = await awaitRun(context, orchestrator, await orchestrator.run(run.runId))
    done.push(ended)
    if (failureOf(ended) !== undefined) break
  }
  return {
    data: done.map(runView),
    text: (output) => tableText(output, done.map(listRow)),
    error: done.map(failureOf).find((error) => error !== undefined),
  }
}
