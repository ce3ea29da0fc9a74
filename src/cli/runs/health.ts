/** What `doctor` says of runs: those that run or wait, parts that are held, notifications nobody took (spec 10 §4.6). */
import type { Operations } from '../../ports/operations.ts'
import type { RunEvent, RunRow } from '../../ports/runs.ts'
import { countText } from '../summary.ts'
import { endingOf, nameOf } from './lines.ts'

export interface RunFinding {
  readonly check: string
  readonly state: 'ok' | 'warn' | 'error'
  readonly message: string
  readonly data: unknown
}

export async function runFindings({ log }: Pick<Operations, 'log'>): Promise<RunFinding[]> {
  const active = await log.runs.list({ status: ['queued', 'running', 'waiting'] })
  const findings: RunFinding[] = []
  for (const run of active) findings.push(await activeFinding(log, run))
  if (active.length === 0) findings.push({ check: 'runs', state: 'ok', message: 'nothing runs or waits', data: [] })
  findings.push(...(await heldFindings(log)))
  const { dead, pending } = await log.notifications.count()
  if (dead > 0 || pending > 0) {
    findings.push({
      check: 'notifications',
      state: dead > 0 ? 'warn' : 'ok',
      message: `${pending} to be sent${dead > 0 ? `, ${dead} given up after a day without answer` : ''}`,
      data: { pending, dead },
    })
  }
  return findings
}

async function activeFinding(log: Operations['log'], run: RunRow): Promise<RunFinding> {
  const events = await log.runs.events(run.runId, { kinds: ['retry', 'state'] })
  const nextRetry = run.attempt > 0 ? retryAt(events) : null
  const lost = events.filter(({ data }) => isSaid(data, 'lost')).length
  const fenced = events.filter(({ data }) => isSaid(data, 'fenced')).length
  const notes = [
    `${nameOf(run)} ${run.runId}`,
    run.status === 'waiting' ? endingOf(run) : run.status,
    `last committed at ${run.progressAt ?? 'nothing yet'}`,
    ...(run.attempt > 1 ? [`attempt ${run.attempt} without progress`] : []),
    ...(lost > 0 ? [`${countText(lost, 'attempt')} ended without a word`] : []),
    ...(fenced > 0 ? [`${countText(fenced, 'attempt')} fenced`] : []),
    ...(nextRetry === null ? [] : [`next attempt at ${nextRetry}`]),
    ...(run.cancelReason === null ? [] : ['asked to stop']),
    ...(run.engine === 'local' ? ['in a process of its own, not durable'] : []),
  ]
  return {
    check: 'runs',
    state: run.status === 'waiting' || run.attempt > 1 ? 'warn' : 'ok',
    message: notes.join(', '),
    data: {
      run_id: run.runId,
      op: run.op,
      status: run.status,
      waiting_for: run.waitingFor,
      cursor: run.cursor,
      attempt: run.attempt,
      epoch: run.epoch,
      progress_at: run.progressAt,
      next_retry: nextRetry,
      lost_attempts: lost,
      fenced_attempts: fenced,
    },
  }
}

function isSaid(data: RunEvent['data'], name: 'lost' | 'fenced'): boolean {
  return typeof data === 'object' && data !== null && name in data && data[name as never] === true
}

/** When the next attempt begins, as the last failure says. */
function retryAt(events: readonly RunEvent[]): string | null {
  const last = events.findLast(({ kind }) => kind === 'retry')
  const data = last?.data
  if (last === undefined || typeof data !== 'object' || data === null || Array.isArray(data)) return null
  const { delayMs } = data as { readonly delayMs?: unknown }
  if (typeof delayMs !== 'number') return null
  const at = Date.parse(last.at) + delayMs
  return at < Date.now() ? null : new Date(at).toISOString()
}

async function heldFindings(log: Operations['log']): Promise<RunFinding[]> {
  const findings: RunFinding[] = []
  const pipelines = new Set(
    (await log.runs.list({ op: ['ingest'], limit: 1000 })).map(({ pipeline, input }) => markKey(pipeline, input)),
  )
  for (const key of pipelines) {
    if (key === null) continue
    const [pipeline = '', input = ''] = key.split(' ')
    const held = (await log.inputs.marks(pipeline, input)).filter(({ state }) => state === 'held')
    if (held.length === 0) continue
    findings.push({
      check: 'inputs',
      state: 'warn',
      message:
        `${countText(held.length, 'part')} of input ${input} of ${pipeline} held after too many bad records; mend them and: defacto run retry ${held[0]?.runId ?? ''}`.trimEnd(),
      data: { pipeline, input, held: held.map(({ part, runId }) => ({ part, run_id: runId })) },
    })
  }
  return findings
}

/** Marks belong to an input of a pipeline; a run of an inbox batch has none. */
function markKey(pipeline: string | null, input: RunRow['input']): string | null {
  if (pipeline === null || typeof input !== 'object' || input === null || Array.isArray(input)) return null
  const { input: name } = input as Readonly<Record<string, unknown>>
  return typeof name === 'string' ? `${pipeline} ${name}` : null
}
