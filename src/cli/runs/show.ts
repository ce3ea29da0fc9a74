/** Runs for people: a table of many, the whole of one. */
import type { RunEvent, RunRow } from '../../ports/runs.ts'
import { eventView, runView } from '../../run-view.ts'
import type { Paint } from '../colour.ts'
import type { Output, Result, Row } from '../output.ts'
import { seconds, summary } from '../summary.ts'
import { printable } from '../table-text.ts'
import { detailOf, durationOf, endingOf, nameOf, shortDetail, statusText } from './lines.ts'

/** A run as one row of a table. */
export function listRow(run: RunRow): Row {
  const took = durationOf(run)
  return {
    run_id: run.runId,
    what: nameOf(run),
    status: run.status,
    trigger: run.trigger,
    started: run.startedAt,
    took: took === null ? null : seconds(took),
    detail: shortDetail(run),
  }
}

/** One run with its steps, as a result. */
export function runResult(run: RunRow, steps: readonly RunRow[]): Result {
  return {
    data: { ...runView(run), steps: steps.map(runView) },
    rows: [run, ...steps].map(runView),
    text: ({ paint }) => runText(run, steps, paint),
  }
}

function runText(run: RunRow, steps: readonly RunRow[], paint: Paint): string {
  const took = durationOf(run)
  const { runId, status, trigger, engine, asOf, scheduledFor, version, retryOf, attempt, tags } = run
  const lines = summary(paint, `${nameOf(run)}: ${statusText(status, paint)}`, {
    run: runId,
    ...(run.error === null ? {} : { error: `${run.error.code} ${printable(run.error.message)}` }),
    ...(run.waitingFor === null ? {} : { waiting: endingOf(run) }),
    ...(run.cancelReason === null ? {} : { 'cancelled because': printable(run.cancelReason) }),
    trigger,
    engine: engine === 'local' ? 'local (not durable)' : engine,
    ...(scheduledFor === null ? {} : { 'scheduled for': scheduledFor }),
    ...(asOf === null ? {} : { 'as of': asOf }),
    ...(version === null ? {} : { version }),
    ...(retryOf === null ? {} : { 'retry of': retryOf }),
    created: run.createdAt,
    started: run.startedAt,
    finished: run.finishedAt,
    ...(took === null ? {} : { took: seconds(took) }),
    ...(attempt > 1 ? { 'attempts without progress': attempt } : {}),
    ...(Object.keys(tags).length === 0 ? {} : { tags: tagsText(tags) }),
    counts: detailOf(run),
  })
  if (steps.length === 0) return lines
  const width = Math.max(...steps.map((step) => nameOf(step).length))
  const shown = steps.map((step) => {
    const time = durationOf(step)
    const what =
      step.status === 'succeeded' ? detailOf(step) : endingOf(step).replace(new RegExp(`^${step.status}(: )?`), '')
    return `  ${nameOf(step).padEnd(width)}  ${statusText(step.status, paint)}  ${what}${time === null ? '' : paint.dim(`  ${seconds(time)}`)}`
  })
  return [lines, paint.bold('steps'), ...shown].join('\n')
}

function tagsText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')
}

/** An event of a run's log as one line. */
export function eventLine(event: RunEvent, paint: Paint): string {
  const { at, level, step, code, message } = event
  const mark =
    level === 'error' ? paint.red('error') : level === 'warn' ? paint.yellow('warn ') : paint.dim(level.padEnd(5))
  return [
    at,
    mark,
    ...(step === null ? [] : [paint.cyan(step)]),
    ...(code === null ? [] : [code]),
    printable(message),
  ].join(' ')
}

/** Streams events in the chosen format. */
export async function writeEvents(output: Output, events: AsyncIterable<RunEvent>): Promise<void> {
  if (output.format === 'text') {
    for await (const event of events) await output.write(`${eventLine(event, output.paint)}\n`)
    return
  }
  const rows = async function* (): AsyncGenerator<Row> {
    for await (const event of events) yield eventView(event)
  }
  await output.rows(rows(), ['run_id', 'seq', 'at', 'kind', 'step', 'level', 'code', 'message', 'data'])
}
