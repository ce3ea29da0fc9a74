/** Waiting for a run: one line per step that ended, a bar for what is going on, and what to do when nothing happens. */
import { createInterface } from 'node:readline/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Counters, RunRow } from '../../ports/runs.ts'
import type { Context } from '../context.ts'
import { Interrupted, TimeoutError } from '../errors.ts'
import { hasEnded, nameOf, retryLine, stepLine } from './lines.ts'

/** What is watched: a run of the database. */
export interface Watched {
  readonly id: string
  run(): Promise<RunRow>
  steps(): Promise<readonly RunRow[]>
  cancel(reason: string): Promise<unknown>
  /** Why it will never be seen to end; null: it may. */
  lost?(): Error | null
}

export interface WatchOptions {
  /** The run ends with this process. */
  readonly here: boolean
  /** What a waiting run may be told when nobody takes it; null: somebody certainly does. */
  readonly idleHint: string | null
  /** Each step that has ended, once; default: its line on stderr. */
  readonly onStep?: (step: RunRow) => void
}

const FIRST_LOOK_MS = 40
const SLOWEST_LOOK_MS = 500
/** After so long without anybody who takes the run, a word about it (spec 10 §5). */
const IDLE_MS = 10_000

/**
 * Resolves with the run when it has ended. Ctrl-C ends the wait and offers to cancel the run; `--timeout` ends the wait
 * alone. A run that takes place in this process is cancelled in both cases.
 */
export async function watchRun(context: Context, watched: Watched, options: WatchOptions): Promise<RunRow> {
  const bar = await context.progress()
  const told = new Set<string>()
  const since = performance.now()
  let hinted = options.idleHint === null
  let look = FIRST_LOOK_MS
  let seen = ''
  try {
    for (;;) {
      const run = await watched.run()
      const steps = await watched.steps()
      for (const step of steps) {
        if (!hasEnded(step) || told.has(step.runId)) continue
        told.add(step.runId)
        bar.stop()
        if (options.onStep === undefined) context.output.note(stepLine(step))
        else options.onStep(step)
      }
      if (hasEnded(run)) return run
      for (const step of [run, ...steps]) {
        const attempt = `${step.runId} ${step.attempt}`
        if (hasEnded(step) || step.error === null || step.attempt === 0 || told.has(attempt)) continue
        told.add(attempt)
        bar.stop()
        context.output.note(retryLine(step))
      }
      const lost = watched.lost?.() ?? null
      if (lost !== null) throw lost
      const idle = run.status === 'queued' && run.startedAt === null
      if (!hinted && idle && performance.now() - since > IDLE_MS) {
        hinted = true
        bar.stop()
        context.output.warn(options.idleHint as string)
      }
      const active = steps.find((step) => step.status === 'running') ?? run
      const done = countOf(active.stats)
      if (done > 0) bar.update(done, totalOf(active), nameOf(active))
      const now = `${run.status} ${active.runId} ${active.progressAt}`
      look = now === seen ? Math.min(look * 1.5, SLOWEST_LOOK_MS) : FIRST_LOOK_MS
      seen = now
      await pause(look, undefined, { signal: context.signal })
    }
  } catch (error) {
    if (!context.signal.aborted) throw error
    bar.stop()
    throw await ended(context, watched, options)
  } finally {
    bar.stop()
  }
}

/** How far it is, as far as its counters say. */
function countOf(stats: Counters): number {
  return stats['events_read'] ?? stats['events_processed'] ?? stats['rows_flushed'] ?? stats['rows_pruned'] ?? 0
}

/** A build and a flush know where they end; null: unknown. */
function totalOf({ fromSeq, toSeq, op }: RunRow): number | null {
  return op === 'ingest' || fromSeq === null || toSeq === null || toSeq <= fromSeq ? null : toSeq - fromSeq
}

/** What is to be said when the wait was ended from outside. */
async function ended(context: Context, watched: Watched, { here }: WatchOptions): Promise<Error> {
  const reason = context.signal.reason as Error
  const timedOut = reason instanceof TimeoutError
  if (here) {
    await watched.cancel(timedOut ? 'timeout' : 'interrupted')
    return timedOut
      ? new TimeoutError(`${reason.message}; run ${watched.id} ends with this process`)
      : new Interrupted(`interrupted; run ${watched.id} ends with this process`)
  }
  const go = `run ${watched.id} goes on; wait for it with: defacto run wait ${watched.id}`
  if (timedOut) return new TimeoutError(`${reason.message}; ${go}`)
  if (await wantsCancel(context, watched.id)) {
    await watched.cancel('interrupted')
    return new Interrupted(`run ${watched.id} is asked to stop`)
  }
  return new Interrupted(`interrupted; ${go}`)
}

/** Asks on a terminal; a second Ctrl-C, and everybody who cannot be asked, leaves the run alone. */
async function wantsCancel(context: Context, id: string): Promise<boolean> {
  if (!context.globals.input || context.stdin.isTTY !== true || !process.stderr.isTTY) return false
  context.takeTime(null)
  const prompt = createInterface({ input: context.stdin, output: process.stderr })
  try {
    const answer = await new Promise<string>((resolve) => {
      prompt.once('SIGINT', () => resolve(''))
      prompt.once('close', () => resolve(''))
      prompt.question(`Cancel run ${id}, too? [y/N] `).then(resolve, () => resolve(''))
    })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    prompt.close()
  }
}
