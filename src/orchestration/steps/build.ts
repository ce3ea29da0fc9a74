/** Steps of `build` and `tick` (spec 10 §4.3). Where they are is the engine's own: cursor, shadow and due index. */
import type { Counters, RunRow } from '../../ports/runs.ts'
import type { BuildResult, BuildStatus } from '../../results.ts'
import type { ChunkOutcome, StepFunction } from '../contract.ts'
import { inputOf } from '../pinned.ts'
import { added, asOfOf, changeRun, done, engineCall } from './call.ts'

interface BuildOptions {
  readonly version: string | undefined
  readonly full: boolean
  readonly fromRaw: boolean
}

/** Mode and range, before anything is built; found once, so that later attempts tell what was asked for. */
export const planBuild: StepFunction = async (context, call) => {
  const { operations } = context
  const { run } = call
  if (run.toSeq !== null) return done(run.stats)
  const options = optionsOf(run)
  const { mode } = await operations.nextBuild(options)
  const { version, definitionHash } = await operations.definitions(options.version)
  const { cursor } = await operations.buildStatus(options.version)
  await changeRun(context, call, {
    mode,
    version,
    definitionHash,
    fromSeq: mode === 'SKIP' || mode === 'INCREMENTAL' ? cursor : 0,
    toSeq: await operations.head(),
  })
  return done(run.stats)
}

/** A build that was committed and not reported finds nothing to do; what the run counted then stands. */
export const buildChunks: StepFunction = async (context, call): Promise<ChunkOutcome> => {
  const { operations } = context
  const { run } = call
  const given = optionsOf(run)
  const asOf = asOfOf(run)
  const before = await operations.buildStatus(given.version)
  const options = isBuilt(run, before) ? { version: given.version } : given
  const result = await operations.build(engineCall(call), {
    ...options,
    ...(asOf === undefined ? {} : { asOf }),
    counters: countersOf,
  })
  const { cursor } = await operations.buildStatus(given.version)
  const mode = run.mode === null || run.mode === 'SKIP' ? result.mode : run.mode
  const toSeq = Math.max(cursor, run.toSeq ?? 0)
  await changeRun(context, call, { mode, toSeq })
  // Stored with the build, by whichever attempt finished it.
  const counted = (await operations.log.runs.get(run.runId))?.stats ?? run.stats
  const stats = { ...NOTHING, ...counted }
  // An attempt that ended before it could say what it counted has left its range.
  const range = mode === 'SKIP' ? 0 : toSeq - (run.fromSeq ?? toSeq)
  return done({ ...stats, events_processed: Math.max(stats['events_processed'] ?? 0, range) })
}

function countersOf(result: BuildResult): Counters {
  return {
    events_processed: result.eventsProcessed,
    events_unresolved: result.eventsUnresolved,
    events_failed: result.eventsFailed,
    effects_produced: result.effectsProduced,
    entities_created: result.entitiesCreated,
    entities_updated: result.entitiesUpdated,
    merges_detected: result.mergesDetected,
    late_arrivals: result.lateArrivals,
  }
}

const NOTHING: Counters = {
  events_processed: 0,
  events_unresolved: 0,
  events_failed: 0,
  effects_produced: 0,
  entities_created: 0,
  entities_updated: 0,
  merges_detected: 0,
  late_arrivals: 0,
}

/** Whether an earlier attempt of this run has finished the whole build that was asked for. */
function isBuilt(run: RunRow, now: BuildStatus): boolean {
  const { lastBuildTime, lastBuildMode, dirty, cursor } = now
  if (run.startedAt === null || lastBuildTime === null || dirty || cursor < (run.toSeq ?? 0)) return false
  return lastBuildTime >= run.startedAt && lastBuildMode?.startsWith('FULL') === true
}

export const tickChunks: StepFunction = async (context, call) => {
  const { operations } = context
  const { run } = call
  const version = optionsOf(run).version
  const asOf = asOfOf(run, inputOf(run)['asOf']) ?? operations.now()
  const result = await operations.tick(engineCall(call), { version, asOf })
  const { cursor } = await operations.buildStatus(version)
  await changeRun(context, call, { asOf: asOf.toString(), fromSeq: run.fromSeq ?? cursor, toSeq: cursor })
  // What an erasure left open when its process ended goes on; nobody's tick fails for it.
  await operations.privacy.resume(call.signal)
  return done(
    added(run, {
      effects_produced: result.effectsProduced,
      entities_affected: result.entitiesAffected,
      transitions: result.transitions,
    }),
  )
}

/** The version that the run was given when it was asked for, whatever is active by now. */
function optionsOf(run: RunRow): BuildOptions {
  const input = inputOf(run)
  const version = input['version']
  return {
    version: typeof version === 'string' ? version : (run.version ?? undefined),
    full: input['full'] === true,
    fromRaw: input['fromRaw'] === true,
  }
}
