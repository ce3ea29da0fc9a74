/** What the calls of control share: the context, who made a run, and looking one up (spec 10 §4.2). */
import { NotFoundError } from '../../errors.ts'
import { RUN_ENDED, type RunRow, type RunStatus } from '../../ports/runs.ts'
import type { Orchestration, StepRef } from '../contract.ts'
import { inputOf } from '../pinned.ts'

/** Tells processes apart that run things by themselves, without a server that would go on after them. */
export interface ProcessMarks {
  /** Stored with what this process runs. */
  readonly own: string
  /** Whether the process that stored this mark is known to be gone. */
  isDead(mark: string): boolean
}

export interface ControlContext extends Orchestration {
  /** Null: nothing is known about processes, and no run is found abandoned. */
  readonly process: ProcessMarks | null
}

export const ACTIVE: readonly RunStatus[] = ['queued', 'running', 'waiting']

export const hasEnded = (run: Pick<RunRow, 'status'>): boolean => RUN_ENDED.includes(run.status)

/** A step that did what was asked of it. */
export const isGood = ({ status }: Pick<RunRow, 'status'>): boolean =>
  status === 'succeeded' || status === 'skipped' || status === 'coalesced'

/** `NotFoundError` for an unknown id. */
export async function runNamed(context: Orchestration, runId: string): Promise<RunRow> {
  const run = await context.operations.log.runs.get(runId)
  if (run === undefined) throw new NotFoundError(`there is no run '${runId}'; see them with \`defacto run list\``)
  return run
}

/** Where a run's workflow goes, below `defacto/{space}/` (spec 10 §4.2). Runs of one id exclude each other. */
export function stepRefOf(context: Orchestration, run: Pick<RunRow, 'runId' | 'op' | 'pipeline' | 'input'>): StepRef {
  return { runId: run.runId, op: run.op, workflowId: idOf(context, run) }
}

function idOf({ operations }: Orchestration, run: Pick<RunRow, 'runId' | 'op' | 'pipeline' | 'input'>): string {
  const { op, runId, pipeline } = run
  const input = inputOf(run)
  const shard = operations.shard === null ? '' : `/s${operations.shard.id}`
  switch (op) {
    case 'pipeline':
      return `pipeline/${pipeline}`
    case 'ingest':
      return input['inbox'] === undefined ? `ingest/${pipeline}/${input['input']}` : `ingest/inbox/${input['inbox']}`
    case 'build':
    case 'tick':
      return `${op}${shard}`
    case 'flush':
    case 'prune':
    case 'maintain':
    case 'expire':
    case 'erase_queue':
      return op
    case 'erase':
    case 'redact':
      return `erase/${input['requestId']}`
    case 'backfill':
    case 'check':
    case 'export':
      return `${op}/${runId}`
  }
}
