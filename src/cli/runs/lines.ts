/** Runs in words: one line per step, counters as a phrase. */
import { type Counters, RUN_ENDED, type RunRow } from '../../ports/runs.ts'
import type { Paint } from '../colour.ts'
import { countText, seconds } from '../summary.ts'
import { printable } from '../table-text.ts'

export function hasEnded({ status }: Pick<RunRow, 'status'>): boolean {
  return RUN_ENDED.includes(status)
}

/** What a run of a pipeline is called among its steps: `ingest files`, `build`. */
export function nameOf(run: RunRow): string {
  const input = inputOf(run)
  if (run.op === 'ingest' && input !== null) return `ingest ${input}`
  return run.step ?? (run.op === 'pipeline' ? `pipeline ${run.pipeline}` : run.op)
}

function inputOf({ input }: RunRow): string | null {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return null
  const { input: name, source } = input as Readonly<Record<string, unknown>>
  return typeof name === 'string' ? name : typeof source === 'string' ? source : null
}

/** `3901 records: 3820 new, 64 repeated, 17 dead`. */
export function detailOf(run: RunRow): string {
  const of = (name: string): number => run.stats[name] ?? 0
  switch (run.op) {
    case 'ingest':
      if (of('events_read') === 0) return unread(of('parts_waiting'), of('parts_held'))
      return `${of('events_read')} records: ${of('events_ingested')} new, ${of('duplicates')} repeated, ${of('events_failed')} dead`
    case 'build':
      if (run.mode === 'SKIP') return 'SKIP: nothing to do'
      return `${run.mode}: ${of('events_processed')} events, ${of('entities_created')} entities, ${of('merges_detected')} merges, ${of('late_arrivals')} late`
    case 'tick':
      return `${of('entities_affected')} entities, ${of('transitions')} transitions`
    case 'flush':
      return of('rows_flushed') === 0
        ? 'nothing new: all events were archived before'
        : `${of('rows_flushed')} events archived`
    case 'prune':
      return of('rows_pruned') === 0 ? 'nothing to remove' : `${of('rows_pruned')} events removed from the database`
    default:
      return phrase(run.stats) || 'nothing to do'
  }
}

/** Why an input gave nothing: what was left out is told before what was read in an earlier run. */
function unread(young: number, held: number): string {
  const left = [
    ...(young === 0
      ? []
      : [`${countText(young, 'part')} younger than 'settle' ${young === 1 ? 'waits' : 'wait'} for the next run`]),
    ...(held === 0 ? [] : [`${countText(held, 'part')} held`]),
  ]
  return left.length === 0 ? 'nothing new: all parts were read before' : `nothing read: ${left.join(', ')}`
}

/** What counts of a run, short enough for a row of a table. */
export function shortDetail(run: RunRow): string {
  if (run.error !== null) return run.error.code
  if (run.op !== 'pipeline' && run.op !== 'backfill') return detailOf(run)
  const of = (name: string): number => run.stats[name] ?? 0
  const notes = [
    ...(of('events_read') === 0 ? [] : [`${of('events_ingested')} of ${of('events_read')} records new`]),
    ...(of('events_failed') === 0 ? [] : [`${of('events_failed')} dead`]),
    ...(of('events_processed') === 0 ? [] : [`${of('events_processed')} events built`]),
    ...(of('transitions') === 0 ? [] : [`${of('transitions')} transitions`]),
    ...(of('checks_failed') === 0 ? [] : [`${countText(of('checks_failed'), 'check')} failed`]),
  ]
  return notes.join(', ')
}

/** `events_processed: 3` → `3 events processed`; what is zero is not worth a word. */
export function phrase(stats: Counters): string {
  return Object.entries(stats)
    .filter(([, value]) => value !== 0)
    .map(
      ([name, value]) =>
        `${value} ${(value === 1 ? name.replace(/^([a-z]+)s(?=_|$)/, '$1') : name).replaceAll('_', ' ')}`,
    )
    .join(', ')
}

export function durationOf(run: RunRow): number | null {
  if (run.startedAt === null || run.finishedAt === null) return null
  return Date.parse(run.finishedAt) - Date.parse(run.startedAt)
}

/** One line for a step that has ended. */
export function stepLine(run: RunRow): string {
  const took = durationOf(run)
  const what = run.status === 'succeeded' ? detailOf(run) : endingOf(run)
  return `${nameOf(run).padEnd(16)} ${what.padEnd(69)} ${took === null ? '' : seconds(took)}`.trimEnd()
}

/** A step that failed and will be tried again: whoever waits for it hears why it takes so long. */
export function retryLine(run: RunRow): string {
  const { error, attempt } = run
  const why = error === null ? '' : `: ${error.code} ${printable(error.message)}`
  return `${nameOf(run).padEnd(16)} attempt ${attempt} failed and is made again${why}`
}

/** How a run ended, or what it waits for. */
export function endingOf(run: RunRow): string {
  const { status, error, waitingFor } = run
  if (error !== null) return `${status}: ${error.code} ${printable(error.message)}`
  if (status === 'waiting') return `waiting for ${waitingText(waitingFor)}`
  const detail = hasEnded(run) ? phrase(run.stats) : ''
  return detail === '' ? status : `${status}: ${detail}`
}

function waitingText(waitingFor: string | null): string {
  if (waitingFor === null || waitingFor === 'retry') return 'its next attempt'
  if (waitingFor === 'slot') return 'the space, which another run holds'
  return waitingFor.replace(/^run:/, 'run ').replace(/^pool:/, 'a place in pool ')
}

export function statusText(status: RunRow['status'], paint: Paint): string {
  if (status === 'succeeded') return paint.green(status)
  if (status === 'failed' || status === 'abandoned') return paint.red(status)
  if (status === 'waiting' || status === 'cancelled') return paint.yellow(status)
  return status
}
