/** Runs started by a command: their id alone, or waited for with progress. */
import type { Orchestrator, RunHandle } from '../../orchestrator.ts'
import type { RunPort, RunRow } from '../../ports/runs.ts'
import { runView } from '../../run-view.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import type { Result } from '../output.ts'
import { seconds } from '../summary.ts'
import { connect } from './connect.ts'
import { failureOf } from './failure.ts'
import { detailOf, durationOf, endingOf, hasEnded, nameOf } from './lines.ts'
import { type Watched, watchRun } from './watch.ts'

/** Starts what `make` asks for; with `--detach` the id is all there is to say. */
export async function submitAndWait(
  context: Context,
  make: (orchestrator: Orchestrator) => Promise<RunHandle>,
): Promise<Result> {
  const orchestrator = await connect(context)
  const { detach } = context.globals
  if (detach && orchestrator.engine === 'local')
    throw new UsageError('--detach needs a Temporal server: a local run ends with its process')
  if (detach && orchestrator.server?.started === true)
    throw new UsageError('--detach needs a server that goes on when this command ends; start one with: defacto dev')
  const handle = await make(orchestrator)
  if (detach) {
    const run = await handle.info()
    return { data: { run_id: run.runId, status: run.status }, text: run.runId }
  }
  const run = await awaitRun(context, orchestrator, handle)
  return finished(run, await orchestrator.log.runs.children(run.runId))
}

/** Waits with a bar and one line per step. */
export async function awaitRun(context: Context, orchestrator: Orchestrator, handle: RunHandle): Promise<RunRow> {
  const { runs } = orchestrator.log
  const lost = (): Error | null => orchestrator.runner.lost?.(handle.id) ?? null
  const watched = { ...watchedOf(runs, handle.id, (reason) => handle.cancel(reason)), lost }
  const here = orchestrator.engine === 'local'
  const idleHint = here || context.globals.worker || orchestrator.server?.started === true ? null : IDLE
  const run = await watchRun(context, watched, { here, idleHint })
  await report(context, runs, run.runId)
  return run
}

/** Tells an orchestrator around this process what the run and its steps noted. */
async function report(context: Context, runs: RunPort, id: string): Promise<void> {
  if (context.report === null) return
  const { eventsOf } = await import('../../pipes/index.ts')
  for await (const event of eventsOf(runs, id)) context.report(event)
}

const IDLE =
  'nothing has taken the run for 10 s: no worker seems to work its queues; start one with: defacto worker, ' +
  'or give --worker to do it here, or --local to run without a server'

function watchedOf(runs: RunPort, id: string, cancel: (reason: string) => Promise<unknown>): Watched {
  return {
    id,
    async run() {
      return (await runs.get(id)) as RunRow
    },
    steps: () => runs.children(id),
    cancel,
  }
}

/** Waits for a run that somebody else has started. */
export async function ended(context: Context, runs: RunPort, id: string): Promise<Result> {
  const watched = watchedOf(runs, id, async (reason) => (await (await connect(context)).run(id)).cancel(reason))
  const run = await watchRun(context, watched, { here: false, idleHint: IDLE })
  return finished(run, await runs.children(id))
}

export function finished(run: RunRow, steps: readonly RunRow[]): Result {
  const took = durationOf(run)
  return {
    data: { ...runView(run), steps: steps.map(runView) },
    rows: [run, ...steps].map(runView),
    receipt: true,
    text: ({ paint }) => {
      const what = run.status === 'succeeded' ? detailOf(run) : endingOf(run)
      const head = `${nameOf(run)} ${run.status === 'succeeded' ? paint.green('succeeded') : run.status}`
      const time = took === null ? '' : ` in ${seconds(took)}`
      const shown = steps.length > 0 || run.status !== 'succeeded' ? '' : `: ${what}`
      return `${head}${time}${shown}\n${paint.dim(`run ${run.runId}, engine ${run.engine === 'local' ? 'local (not durable)' : run.engine}`)}`
    },
    error: hasEnded(run) ? failureOf(run) : undefined,
  }
}
