/** Steps of `flush`, `prune` and `maintain` (spec 10 §4.3). */

import { CheckError, ConfigError } from '../../errors.ts'
import type { ColdStatus } from '../../ports/operations.ts'
import type { Orchestration, StepCall, StepFunction } from '../contract.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { instant, nowOf, plusMs } from '../time.ts'
import { added, asOfOf, changeRun, done, engineCall } from './call.ts'

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** Up to the given sequence, else the ledger as it is when this call begins. */
export const flushChunks: StepFunction = async (context, call) => {
  const { operations } = context
  const { flushed, head } = await coldOf(context)
  const to = Math.min(numberOf(inputOf(call.run)['upTo']) ?? head, head)
  const slices = await sliced(context, call, 'flushed', flushed, (end) =>
    operations.flush(engineCall(call), { upTo: Math.min(to, end) }),
  )
  return { more: slices.more && slices.at < to, stats: { rows_flushed: slices.rows } }
}

/** Up to the given sequence, else what the pipeline's retention lets go, else everything that the archive has. */
export const pruneChunks: StepFunction = async (context, call) => {
  const { operations } = context
  const { run } = call
  const { pruned } = await coldOf(context)
  // A step of a pipeline that names no bound has null here.
  const before = numberOf(inputOf(run)['before'])
  const bound = before ?? Number.MAX_SAFE_INTEGER
  const kept = before === undefined ? (pipelineOf(run)?.retention ?? null) : null
  const retention =
    kept === null
      ? undefined
      : {
          ...(kept.hotDays === null ? {} : { hotDays: kept.hotDays }),
          ...(kept.hotRows === null ? {} : { hotRows: kept.hotRows }),
        }
  const slices = await sliced(context, call, 'pruned', pruned, (end) =>
    operations.prune(engineCall(call), { before: Math.min(bound, end), retention, asOf: asOfOf(run) }),
  )
  return { more: slices.more, stats: { rows_pruned: slices.rows } }
}

/**
 * Moves a mark of the tiers on, slice by slice, until it stays or the call is stopped. What was moved is told by the mark:
 * an attempt that ended before it could say what it did has left it there.
 */
async function sliced(
  context: Orchestration,
  call: StepCall,
  mark: 'flushed' | 'pruned',
  from: number,
  move: (end: number) => Promise<number>,
): Promise<{ readonly rows: number; readonly at: number; readonly more: boolean }> {
  const { run, signal } = call
  const fromSeq = run.fromSeq ?? from
  if (run.fromSeq === null) await changeRun(context, call, { fromSeq })
  let at = from
  let seq = 0
  for (;;) {
    await move(at + context.operations.sliceRows)
    const now = (await coldOf(context))[mark]
    const isFull = now >= at + context.operations.sliceRows
    at = now
    await changeRun(context, call, { toSeq: at })
    seq += 1
    call.heartbeat({ runId: run.runId, seq, rows: at - fromSeq })
    if (!isFull || signal.aborted) return { rows: at - fromSeq, at, more: isFull }
  }
}

export const compactChunks: StepFunction = async (context, call) => {
  if (!wanted(context, call, 'compact')) return done(call.run.stats)
  const { before, after } = await context.operations.compact(engineCall(call))
  const first = call.run.stats['files_before'] ?? before
  return done({ files_before: first, files_after: after })
}

export const vacuum: StepFunction = async (context, call) => {
  if (!wanted(context, call, 'vacuum')) return done(call.run.stats)
  const swept = await context.operations.vacuum(engineCall(call))
  return done(added(call.run, { files_removed: swept.removed }))
}

export const verifyCold: StepFunction = async (context, call) => {
  if (!wanted(context, call, 'verify')) return done(call.run.stats)
  const { files, rows, problems } = await context.operations.verify(engineCall(call))
  if (problems.length > 0) {
    throw new CheckError(
      `the archive is damaged: ${problems.length} problems in ${files} files; see \`defacto cold verify\``,
      {
        details: { problems: problems.length, files },
      },
    )
  }
  return done({ files_verified: files, rows_verified: rows })
}

/** Old runs, slots, check results, events and settled dead letters go (spec 10 §2). */
export const pruneMetadata: StepFunction = async (context, call) => {
  const { runs, logs, ticks, checks, deadLetters } = context.project.metadata
  const at = call.run.asOf === null ? nowOf(context) : instant(call.run.asOf)
  const back = (ms: number): string => plusMs(at, -ms).toString()
  const rows = await context.operations.log.runs.expire({
    runs: back(runs),
    events: back(logs),
    ticks: back(ticks),
    checks: back(checks),
    letters: back(deadLetters),
  })
  return done(added(call.run, { metadata_removed: rows }))
}

/** A space without archive has nothing to keep in order but its metadata. */
function wanted({ operations }: Orchestration, { run }: StepCall, key: string): boolean {
  return operations.tiered && inputOf(run)[key] !== false
}

async function coldOf({ operations }: Orchestration): Promise<ColdStatus> {
  const status = await operations.coldStatus()
  if (status !== null) return status
  throw new ConfigError(
    "this space has no cold ledger: name its place in the option 'coldLedger', as 'cold_ledger' in the configuration file or in DEFACTO_COLD_LEDGER",
    { code: 'E_CONFIG_NO_COLD_LEDGER' },
  )
}
