import { didYouMean } from '../../core/spelling.ts'
import { ConfigError, NotFoundError } from '../../errors.ts'
import { nextSlots } from '../../orchestration/cron.ts'
import { type ScheduleState, scheduleStates, scheduleView, tickView, whenText } from '../../schedule-view.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { count, flag, instant, text } from '../options.ts'
import type { Row } from '../output.ts'
import { backfillSlots, SLOT_OPTIONS } from '../runs/backfill.ts'
import { connect } from '../runs/connect.ts'
import { changesText, lookingAtSchedules, pipelinesNow, type Schedules } from '../runs/schedules.ts'
import { submitAndWait } from '../runs/submit.ts'
import { countText, summary } from '../summary.ts'
import { tableText } from '../table.ts'

const NAME = ['<name>', 'name of a pipeline with a schedule'] as const
/** Slots that `show` lists. */
const SLOTS = 10

const apply: CommandSpec = {
  name: 'apply',
  summary: 'make the schedules of the definitions those of the server; shows the difference first',
  options: [
    { flags: '--prune', description: 'also remove schedules that the definitions no longer have' },
    { flags: '--dry-run', description: 'only show the difference' },
  ],
  examples: ['defacto schedule apply --dry-run', 'defacto schedule apply --prune --yes'],
  async run(context, _args, options) {
    const prune = flag(options, 'prune')
    const orchestrator = await connect(context)
    // Where there are no schedules, that is what is wrong, whatever would change.
    if (orchestrator.engine === 'local' && !flag(options, 'dryRun')) await orchestrator.schedules.apply({ prune })
    const planned = await orchestrator.schedules.apply({ prune, dryRun: true })
    const { output } = context
    const changes = planned.added.length + planned.changed.length + (prune ? planned.removed.length : 0)
    if (changes === 0 || flag(options, 'dryRun')) {
      return { data: { ...planned, applied: false }, text: changesText(planned, prune, output.paint) }
    }
    output.note(changesText(planned, prune, output.paintErr))
    await context.confirm(`Apply ${countText(changes, 'change')}?`)
    const done = await orchestrator.schedules.apply({ prune })
    return { data: { ...done, applied: true }, receipt: true, text: `applied ${countText(changes, 'change')}` }
  },
}

const listing: CommandSpec = {
  name: 'list',
  summary: 'schedules: when they run next, what became of the last slot',
  examples: ['defacto schedule list', 'defacto schedule list -o json'],
  async run(context) {
    const states = await statesOf(await lookingAtSchedules(context))
    return {
      data: states.map(scheduleView),
      text: (output) =>
        states.length === 0
          ? 'nothing is applied; do it with: defacto schedule apply'
          : tableText(output, states.map(listRow)),
    }
  },
}

function statesOf({ log, pipelines, operations }: Schedules, next = 1): Promise<ScheduleState[]> {
  return scheduleStates(log, pipelines, operations.now(), next)
}

function listRow({ pipeline, when, next, pausedReason, last, state }: ScheduleState): Row {
  return {
    pipeline,
    schedule: when,
    next: next[0] ?? null,
    state: pausedReason !== null ? 'paused' : state === 'current' ? 'active' : `active, ${state} in the definitions`,
    last: last?.scheduledFor ?? null,
    outcome: last?.outcome ?? null,
  }
}

const show: CommandSpec = {
  name: 'show',
  summary: 'one schedule with its latest slots and their reasons',
  arguments: [NAME],
  examples: ['defacto schedule show nightly'],
  async run(context, [name = '']) {
    const looked = await lookingAtSchedules(context)
    const state = await theSchedule(looked, name)
    const ticks = await looked.log.schedules.ticks(name, { limit: SLOTS })
    return {
      data: { ...scheduleView(state), slots: ticks.map(tickView) },
      rows: ticks.map(tickView),
      text: (output) =>
        [
          summary(output.paint, `${name}: ${state.when}`, {
            state: state.pausedReason === null ? 'active' : `paused: ${state.pausedReason}`,
            next: state.next[0] ?? null,
            overlap: state.schedule?.overlap ?? null,
            missed: state.schedule?.missed ?? null,
            definitions: state.state,
          }),
          ...(ticks.length === 0 ? ['  no slot yet'] : ['', tableText(output, ticks.map(slotRow)).trimEnd()]),
        ].join('\n'),
    }
  },
}

function slotRow(tick: Parameters<typeof tickView>[0]): Row {
  return { slot: tick.scheduledFor, outcome: tick.outcome, reason: tick.reason, run: tick.runId }
}

async function theSchedule(looked: Schedules, name: string): Promise<ScheduleState> {
  const states = await statesOf(looked)
  const found = states.find(({ pipeline }) => pipeline === name)
  if (found !== undefined) return found
  if (looked.pipelines.has(name))
    throw new NotFoundError(`the schedule of '${name}' is not applied; do it with: defacto schedule apply`)
  const known = [...looked.pipelines.keys()]
  throw new NotFoundError(
    `unknown schedule '${name}'${didYouMean(name, known)}; ${known.length === 0 ? 'there are no pipelines' : `known: ${known.join(', ')}`}`,
  )
}

const ALL = { flags: '--all', description: 'every schedule' }

const pause: CommandSpec = {
  name: 'pause',
  summary: 'let slots pass; each leaves a row with the reason',
  arguments: [['[name]', NAME[1]]],
  options: [ALL, { flags: '--reason <text>', description: 'why; shown wherever the pause is' }],
  examples: [
    'defacto schedule pause nightly --reason "moving the database"',
    'defacto schedule pause --all --reason incident',
  ],
  async run(context, [name], options) {
    const reason = text(options, 'reason')?.trim()
    if (!reason) throw new UsageError('schedule pause needs --reason')
    const wanted = await nameOrAll(context, name, options)
    await (await connect(context)).schedules.pause(wanted, reason)
    return {
      data: { paused: wanted, reason },
      receipt: true,
      text: `paused ${wanted === '*' ? 'all schedules' : wanted}: ${reason}`,
    }
  },
}

const resume: CommandSpec = {
  name: 'resume',
  summary: 'go on with the next slot',
  arguments: [['[name]', NAME[1]]],
  options: [ALL],
  examples: ['defacto schedule resume nightly', 'defacto schedule resume --all'],
  async run(context, [name], options) {
    const wanted = await nameOrAll(context, name, options)
    await (await connect(context)).schedules.resume(wanted)
    return { data: { resumed: wanted }, receipt: true, text: `resumed ${wanted === '*' ? 'all schedules' : wanted}` }
  },
}

async function nameOrAll(context: Context, name: string | undefined, options: Options): Promise<string> {
  if (flag(options, 'all')) {
    if (name !== undefined) throw new UsageError('a name and --all exclude each other')
    return '*'
  }
  if (name === undefined) throw new UsageError('name a schedule, or give --all')
  return (await theSchedule(await lookingAtSchedules(context), name)).pipeline
}

const trigger: CommandSpec = {
  name: 'trigger',
  summary: 'run it now, as its schedule would',
  arguments: [NAME],
  options: [{ flags: '--as-of <time>', description: 'processing time of time rules and retention (default: now)' }],
  examples: ['defacto schedule trigger nightly'],
  async run(context, [name = ''], options) {
    const asOf = instant(options, 'asOf')
    await theSchedule(await lookingAtSchedules(context), name)
    return submitAndWait(context, (orchestrator) => orchestrator.schedules.trigger(name, { asOf }))
  },
}

const next: CommandSpec = {
  name: 'next',
  summary: 'the next instants, by the definitions; nothing needs to be applied',
  arguments: [['[name]', 'name of a pipeline (default: all with a schedule)']],
  options: [{ flags: '-k, --count <n>', description: 'so many of each (default: 5)' }],
  examples: ['defacto schedule next', 'defacto schedule next nightly -k 10'],
  async run(context, [name], options) {
    const k = count(options, 'count', 1) ?? 5
    const { pipelines, now } = await pipelinesNow(context)
    const known = [...pipelines.keys()]
    if (name !== undefined && !pipelines.has(name))
      throw new NotFoundError(`unknown pipeline '${name}'${didYouMean(name, known)}; known: ${known.join(', ')}`)
    const rows: Row[] = []
    for (const [pipeline, { pipeline: body }] of pipelines) {
      if (name !== undefined && pipeline !== name) continue
      if (body.schedule === null) {
        if (name !== undefined) throw new ConfigError(`pipeline '${name}' has no schedule; it runs by hand`)
        continue
      }
      for (const slot of nextSlots(body.schedule, now, k))
        rows.push({ pipeline, at: String(slot), schedule: whenText(body.schedule) })
    }
    return {
      data: rows,
      text: (output) => (rows.length === 0 ? 'no pipeline has a schedule' : tableText(output, rows)),
    }
  },
}

const backfill: CommandSpec = {
  name: 'backfill',
  summary: 'run a pipeline for slots of a time gone by that it did not run for',
  arguments: [NAME],
  options: SLOT_OPTIONS,
  examples: ['defacto schedule backfill nightly --from 2024-03-01 --to 2024-04-01 --dry-run'],
  run: (context, [name = ''], options) => backfillSlots(context, name, options),
}

export const command: CommandSpec = {
  name: 'schedule',
  summary: 'apply, pause, trigger and look at the schedules of pipelines',
  subcommands: [apply, listing, show, pause, resume, trigger, next, backfill],
}
