/** Steps of `flush`, `prune` and `maintain` (spec 10 §4.3). */

import { ConfigError } from '../../errors.ts'
import type { ColdStatus } from '../../ports/operations.ts'
import type { Orchestration, StepCall, StepFunction } from '../contract.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { instant, nowOf, plusMs } from '../time.ts'
import { added, asOfOf, changeRun, done, engineCall } from './call.ts'

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

export const flushChunks: StepFunction = async (context, call) => {
  const { operations } = context
  const before = await coldOf(context)
  const rows = await operations.flush(engineCall(call), { upTo: numberOf(inputOf(call.run)['upTo']) })
  const after = await coldOf(context)
  const fromSeq = call.run.fromSeq ?? before.flushed
  await changeRun(context, call, { fromSeq, toSeq: after.flushed })
  // What earlier attempts had copied shows in the mark as well.
  return done({ rows_flushed: Math.max(rows, after.flushed - fromSeq) })
}

/** Up to the given sequence, else what the pipeline's retention lets go, else everything that the archive has. */
export const pruneChunks: StepFunction = async (context, call) => {
  const { operations } = context
  const { run } = call
  const before = await coldOf(context)
  const bound = numberOf(inputOf(run)['before'])
  const kept = pipelineOf(run)?.retention ?? null
  const retention =
    bound !== undefined || kept === null
      ? undefined
      : {
          ...(kept.hotDays === null ? {} : { hotDays: kept.hotDays }),
          ...(kept.hotRows === null ? {} : { hotRows: kept.hotRows }),
        }
  const rows = await operations.prune(engineCall(call), { before: bound, retention, asOf: asOfOf(run) })
  const after = await coldOf(context)
  await changeRun(context, call, { fromSeq: run.fromSeq ?? before.pruned, toSeq: after.pruned })
  return done(added(run, { rows_pruned: rows }))
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
  const { files, rows } = await context.operations.verify(engineCall(call))
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
