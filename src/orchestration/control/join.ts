/** Runs that want the same workflow id: one goes, others wait for it or share its outcome (spec 10 §4.2). */
import type { RunRow } from '../../ports/runs.ts'
import type { Joined, Ref } from '../contract.ts'
import { inputOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { ACTIVE, type ControlContext, hasEnded, runNamed, stepRefOf } from './common.ts'

const WAITS = 'run:'

export async function joinRun(context: ControlContext, ref: Ref): Promise<Joined> {
  const { runs } = context.operations.log
  const run = await runNamed(context, ref.runId)
  if (hasEnded(run)) return { state: 'covered' }
  // Begun: the id is this run's own.
  if (run.startedAt !== null && run.waitingFor?.startsWith(WAITS) !== true) return { state: 'go' }
  const joined = run.waitingFor?.startsWith(WAITS) ? await runs.get(run.waitingFor.slice(WAITS.length)) : undefined
  const did = joined?.status === 'succeeded' || joined?.status === 'coalesced'
  if (joined !== undefined && did && covers(joined, run)) {
    await share(context, run, joined)
    return { state: 'covered' }
  }
  const other = await inTheWay(context, run)
  if (other === undefined) return { state: 'go' }
  if (joined?.runId !== other.runId) {
    const at = nowText(context)
    const waitingFor = `${WAITS}${other.runId}`
    const events = [{ kind: 'state', level: 'info', step: run.step, message: `waits for run ${other.runId}` } as const]
    await runs.change(run.runId, { status: 'waiting', waitingFor }, { at, from: ['queued', 'waiting'], events })
  }
  return { state: 'wait' }
}

/** The run that has the id: one that has begun, else the first of those that wait. */
async function inTheWay(context: ControlContext, run: RunRow): Promise<RunRow | undefined> {
  const own = stepRefOf(context, run).workflowId
  const same = (await context.operations.log.runs.list({ status: ACTIVE, op: [run.op] })).filter(
    // What another engine drives has other ids; slots keep them apart.
    (other) =>
      other.runId !== run.runId &&
      other.runId !== run.parentRunId &&
      other.engine === run.engine &&
      stepRefOf(context, other).workflowId === own,
  )
  const begun = same.find((other) => other.startedAt !== null && other.waitingFor?.startsWith(WAITS) !== true)
  if (begun !== undefined) return begun
  return same.filter((other) => orderOf(other) < orderOf(run)).sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))[0]
}

/** Slots in their own order, the rest as they were made. */
const orderOf = ({ scheduledFor, createdAt, runId }: RunRow): string => `${scheduledFor ?? createdAt} ${runId}`

/**
 * Whether what `other` did is what `run` asks for: the same version in no weaker mode, to no lower ledger head, with
 * time rules applied up to no earlier instant.
 */
export function covers(
  other: Pick<RunRow, 'op' | 'version' | 'input' | 'mode' | 'toSeq' | 'headAtRequest' | 'asOf' | 'createdAt'>,
  run: Pick<RunRow, 'op' | 'version' | 'input' | 'headAtRequest' | 'asOf'>,
): boolean {
  if (other.op !== run.op || (run.op !== 'build' && run.op !== 'tick')) return false
  if (other.version !== run.version) return false
  const head = run.headAtRequest ?? 0
  if (Math.max(other.toSeq ?? 0, other.headAtRequest ?? 0) < head) return false
  if (run.asOf !== null && (other.asOf ?? other.createdAt) < run.asOf) return false
  if (run.op === 'tick' && (other.asOf === null) !== (run.asOf === null)) return false
  return strength(other, other.mode) >= strength(run, null)
}

function strength(run: Pick<RunRow, 'input'>, mode: string | null): number {
  const input = inputOf(run)
  if (input['fromRaw'] === true || mode === 'FULL_RENORMALIZE') return 2
  return input['full'] === true || mode?.startsWith('FULL') === true ? 1 : 0
}

async function share(context: ControlContext, run: RunRow, other: RunRow): Promise<void> {
  const at = nowText(context)
  const { mode, fromSeq, toSeq, stats } = other
  const events = [
    { kind: 'state', level: 'info', step: run.step, message: `shares the result of run ${other.runId}` } as const,
  ]
  await context.operations.log.runs.change(
    run.runId,
    { status: 'coalesced', waitingFor: `${WAITS}${other.runId}`, mode, fromSeq, toSeq, stats, finishedAt: at },
    { at, from: ['queued', 'waiting'], events },
  )
  context.metrics.count('defacto_runs_total', { op: run.op, status: 'coalesced' })
}
