/** Runs in words: one line per step, counters as a phrase. */
import { type Counters, RUN_ENDED, type RunRow } from '../../ports/runs.ts'
import type { Paint } from '../colour.ts'
import { seconds } from '../summary.ts'
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
  const { stats } = run
  const of = (name: string): number => Number(stats[name] ?? 0)
  switch (run.op) {
    case 'ingest':
      if (of('read') === 0) return 'nothing new'
      return `${of('read')} records: ${of('ingested')} new, ${of('duplicates')} repeated, ${of('failed')} dead`
    case 'build':
      if (run.mode === 'SKIP') return 'SKIP: nothing to do'
      return [run.mode, phrase(stats)].filter((part) => part !== null && part !== '').join(': ')
    default:
      return phrase(stats) || 'nothing to do'
  }
}

/** `eventsProcessed: 3` → `3 events processed`; what is zero is not worth a word. */
export function phrase(stats: Counters): string {
  return Object.entries(stats)
    .filter(([name, value]) => typeof value === 'number' && value !== 0 && !/ms$/i.test(name))
    .map(([name, value]) => `${value} ${name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`).replaceAll('_', ' ')}`)
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
