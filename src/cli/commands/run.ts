import { NotFoundError } from '../../errors.ts'
import { RUN_OPS, RUN_STATUSES, type RunFilter, type RunRow } from '../../ports/runs.ts'
import { runView } from '../../run-view.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { count, flag, instant, list, text } from '../options.ts'
import { connect, looking } from '../runs/connect.ts'
import { hasEnded } from '../runs/lines.ts'
import { listRow, runResult, writeEvents } from '../runs/show.ts'
import { ended, submitAndWait } from '../runs/submit.ts'
import { tableText } from '../table.ts'

/** Runs that `list` shows unless told otherwise. */
const LISTED = 50

const start: CommandSpec = {
  name: 'start',
  summary: 'run a pipeline now and wait for it',
  arguments: [['<pipeline>', 'name of a pipeline of the definitions']],
  options: [
    { flags: '--as-of <time>', description: 'processing time of time rules and retention (default: now)' },
    { flags: '--only <step>', description: 'only this step; may be given several times', repeat: true },
    { flags: '--tag <key=value>', description: 'tag of the run; may be given several times', repeat: true },
  ],
  examples: [
    'defacto run start nightly',
    'defacto run start nightly --local',
    'defacto run start nightly --detach --idempotency-key "$DAG_RUN/$TASK"',
  ],
  run(context, [pipeline = ''], options) {
    const asOf = instant(options, 'asOf')
    const only = list(options, 'only')
    const tags = tagsOf(options)
    return submitAndWait(context, (orchestrator) =>
      orchestrator.submit(
        'pipeline',
        { pipeline, ...(only.length > 0 ? { only } : {}) },
        { key: context.globals.idempotencyKey, tags, asOf },
      ),
    )
  },
}

const listing: CommandSpec = {
  name: 'list',
  summary: 'runs, newest first',
  options: [
    { flags: '--status <status>', description: 'only these; may be given several times', repeat: true },
    { flags: '--op <op>', description: 'only these operations; may be given several times', repeat: true },
    { flags: '--pipeline <name>', description: 'only runs of this pipeline' },
    { flags: '--tag <key=value>', description: 'only runs with this tag', repeat: true },
    { flags: '--since <time>', description: 'created at or after this instant' },
    { flags: '--steps', description: 'also the runs of steps' },
    { flags: '--limit <n>', description: `at most so many (default: ${LISTED})` },
  ],
  examples: ['defacto run list', 'defacto run list --status failed --since 2024-06-01 -o json'],
  async run(context, _args, options) {
    const status = wordsOf(options, 'status', RUN_STATUSES)
    const op = wordsOf(options, 'op', RUN_OPS)
    const filter: RunFilter = {
      ...(status.length > 0 ? { status } : {}),
      ...(op.length > 0 ? { op } : {}),
      ...(text(options, 'pipeline') === undefined ? {} : { pipeline: text(options, 'pipeline') as string }),
      ...(flag(options, 'steps') || op.length > 0 ? {} : { parentRunId: null }),
      tags: tagsOf(options),
      since: instant(options, 'since'),
      limit: count(options, 'limit', 1) ?? LISTED,
    }
    const found = await (await looking(context)).log.runs.list(filter)
    return {
      data: found.map(runView),
      text: (output) => (found.length === 0 ? 'no runs' : tableText(output, found.map(listRow))),
    }
  },
}

const show: CommandSpec = {
  name: 'show',
  summary: 'one run with its steps',
  arguments: [['<run>', 'id of the run; `last` is the newest one']],
  examples: ['defacto run show last', 'defacto run show r_0199… -o json'],
  async run(context, [id = '']) {
    const { log } = await looking(context)
    const run = await theRun(log.runs, id)
    return runResult(run, await log.runs.children(run.runId))
  },
}

const logs: CommandSpec = {
  name: 'logs',
  summary: 'what a run and its steps noted',
  arguments: [['<run>', 'id of the run; `last` is the newest one']],
  options: [{ flags: '-f, --follow', description: 'go on until the run has ended' }],
  examples: ['defacto run logs last', 'defacto run logs -f r_0199…'],
  async run(context, [id = ''], options) {
    const { log } = await looking(context)
    const run = await theRun(log.runs, id)
    const { eventsOf } = await import('../runs/events.ts')
    await writeEvents(
      context.output,
      eventsOf(log.runs, run.runId, { follow: flag(options, 'follow'), signal: context.signal }),
    )
    return undefined
  },
}

const cancel: CommandSpec = {
  name: 'cancel',
  summary: 'ask a run to stop at its next chunk; what was committed stays',
  arguments: [['<run>', 'id of the run']],
  options: [{ flags: '--reason <text>', description: 'why; kept with the run' }],
  examples: ['defacto run cancel r_0199…'],
  async run(context, [id = ''], options) {
    const { log } = await looking(context)
    const before = await theRun(log.runs, id)
    if (hasEnded(before)) {
      return { data: runView(before), text: `run ${before.runId} has ended already: ${before.status}`, receipt: true }
    }
    // A run of a process is asked through the database; only one on a server needs the server.
    const orchestrator = await connect(context, before.engine === 'local' ? { engine: 'local' } : { worker: false })
    const handle = await orchestrator.run(before.runId)
    await handle.cancel(text(options, 'reason') ?? 'asked for on the command line')
    const after = await handle.info()
    const said = hasEnded(after) ? `run ${after.runId}: ${after.status}` : `run ${after.runId} stops at its next chunk`
    return { data: runView(after), text: said, receipt: true }
  },
}

const retry: CommandSpec = {
  name: 'retry',
  summary: 'a new run from the first step that did not succeed',
  arguments: [['<run>', 'id of the run that failed; `last` is the newest one']],
  examples: ['defacto run retry last'],
  run: (context, [id = '']) =>
    submitAndWait(context, async (orchestrator) => (await orchestrator.run(await fullId(context, id))).retry()),
}

const wait: CommandSpec = {
  name: 'wait',
  summary: 'wait for the end of a run',
  arguments: [['<run>', 'id of the run; `last` is the newest one']],
  examples: ['defacto run wait r_0199… --timeout 10m'],
  async run(context, [id = '']) {
    const { log } = await looking(context)
    const run = await theRun(log.runs, id)
    return ended(context, log.runs, run.runId)
  },
}

export const command: CommandSpec = {
  name: 'run',
  summary: 'start, list, follow, cancel and retry runs',
  subcommands: [start, listing, show, logs, cancel, retry, wait],
}

interface Runs {
  get(id: string): Promise<RunRow | undefined>
  list(filter?: RunFilter): Promise<RunRow[]>
}

/** By id, by its beginning among the newest runs, or `last`. */
export async function theRun(runs: Runs, id: string): Promise<RunRow> {
  const exact = await runs.get(id)
  if (exact !== undefined) return exact
  if (id === 'last') {
    const [newest] = await runs.list({ parentRunId: null, limit: 1 })
    if (newest === undefined) throw new NotFoundError('there are no runs yet; start one with: defacto run start')
    return newest
  }
  const found = id.length < 6 ? [] : (await runs.list({ limit: 1000 })).filter(({ runId }) => runId.startsWith(id))
  if (found.length > 1) throw new UsageError(`several runs begin with '${id}'; give more of the id`)
  const [run] = found
  if (run === undefined) throw new NotFoundError(`there is no run '${id}'; see them with: defacto run list`)
  return run
}

async function fullId(context: Context, id: string): Promise<string> {
  return (await theRun((await looking(context)).log.runs, id)).runId
}

export function tagsOf(options: Options): Record<string, string> | undefined {
  const given = list(options, 'tag')
  if (given.length === 0) return undefined
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError('--tag takes key=value')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function wordsOf<T extends string>(options: Options, name: string, known: readonly T[]): T[] {
  return list(options, name).map((word) => {
    const found = known.find((item) => item === word)
    if (found === undefined) throw new UsageError(`--${name} takes one of ${known.join(', ')}`)
    return found
  })
}
