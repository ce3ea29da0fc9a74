/** The build: from the ledger to state history (spec 04 §4). `build` reads as the list of its stages. */
import type { Instant } from '../core/instant.ts'
import { BuildError } from '../errors.ts'
import type { BuildState, MappingState, Unit } from '../ports/store.ts'
import type { BuildMode, BuildResult } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import { stagesOf } from './failures.ts'
import { fullBuild, interruptedBuild } from './full-build.ts'
import { interpretUpTo } from './interpret-range.ts'
import { mapUpTo } from './mapping.ts'
import { applyChanges } from './merges.ts'
import { detectMode, type ModeDecision } from './modes.ts'
import { assertNotRestored } from './privacy/chain.ts'
import { resetSpace } from './reset.ts'
import { type Slot, withStateSlot, withWholeState } from './slot.ts'
import { BuildTally, type ProgressListener } from './tally.ts'
import { advanceDue } from './tick.ts'
import { buildStateOf } from './versions.ts'

export interface BuildOptions {
  readonly full?: boolean
  readonly fromRaw?: boolean
  /** Closing tick; default: now. Null: none, the caller does it. */
  readonly asOf?: Instant | null
  /** Interpret no event above this sequence. */
  readonly untilSequence?: number
  readonly signal?: AbortSignal
  readonly onProgress?: ProgressListener
  /** Called in the unit that finishes the build: what it did, for whoever stores that with it. */
  readonly finishing?: (unit: Unit, result: BuildResult) => Promise<void>
}

/** Brings the version's state to the safe head in the mode that detection picks. Resumes whatever was interrupted. */
export async function build(engine: Engine, edition: Edition, options: BuildOptions = {}): Promise<BuildResult> {
  await assertNotRestored(engine)
  const tally = new BuildTally(options.onProgress)
  const ahead = await nextMode(engine, edition, options)
  if (ahead.mode === 'SKIP') return tally.result('SKIP')
  return withMappedState(engine, edition, 'build', options, tally, (slot) =>
    buildInSlot(engine, edition, slot, options, tally),
  )
}

/** The same for a caller that holds the slot already, through `withMappedState`. */
export async function buildInSlot(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  options: BuildOptions = {},
  tally: BuildTally = new BuildTally(options.onProgress),
): Promise<BuildResult> {
  engine.cache(edition.version).validFor(slot.epoch)
  const asked = stillAsked(options, tally)
  const decided = await nextMode(engine, edition, asked)
  if (decided.mode === 'SKIP' && tally.begun === null) return tally.result('SKIP')
  // Begun, and done by somebody else since: what is left is to say so.
  const mode = decided.mode === 'SKIP' ? 'INCREMENTAL' : decided.mode
  const head = await safeHead(engine, options)

  let state = await begin(engine, edition, slot)
  tally.begun ??= { mode, cursor: state.cursor, asOf: options.asOf === undefined ? engine.now() : options.asOf }
  const { begun } = tally
  const { asOf } = begun
  if (mode === 'INCREMENTAL') {
    await tally.timed('map_ms', () => mapUpTo(engine, edition, slot, head, tally))
    // The first build has nothing to add to: replaying entity by entity is the same work done faster.
    if (state.cursor === 0) state = await replayAll(engine, edition, slot, state, mode, head, asOf, tally)
  } else {
    if (isReset(mode)) {
      await resetAlone(engine, edition, slot, mode, head, asked, tally)
      tally.behind.reset = true
    }
    await tally.timed('map_ms', () => mapUpTo(engine, edition, slot, head, tally))
    state = await replayAll(engine, edition, slot, state, mode, head, asOf, tally)
  }
  state = await tally.timed('merge_ms', () => applyChanges(engine, edition, slot, state, tally))
  state = await tally.timed('interpret_ms', () => interpretUpTo(engine, edition, slot, state, head, tally))
  // Another shard may have mapped further, and merged what was being interpreted here.
  state = await tally.timed('merge_ms', () => applyChanges(engine, edition, slot, state, tally))
  if (asOf !== null) {
    state = (await tally.timed('tick_ms', () => advanceDue(engine, edition, slot, state, asOf, tally))).state
  }

  // Events of no entity are nobody's; the first shard counts them for all.
  if ((engine.store.shard?.id ?? 0) === 0) {
    tally.eventsUnresolved += await engine.store.ledger.countUnmapped(
      begun.mode === 'INCREMENTAL' ? begun.cursor : 0,
      state.cursor,
    )
  }
  state = await finish(engine, edition, slot, state, begun.mode, async (unit) =>
    options.finishing?.(unit, tally.result(begun.mode)),
  )

  const result = tally.result(begun.mode)
  const logger = engine.logger.child('defacto.pipeline')
  if (result.lateArrivals > 0) logger.info('late arrivals detected', { late_arrivals: result.lateArrivals })
  if (result.failures.length > 0) logger.warn('build failures detected', { stages: stagesOf(result.failures) })
  logger.info('build completed', {
    mode: begun.mode,
    events_processed: result.eventsProcessed,
    effects_produced: result.effectsProduced,
    merges_detected: result.mergesDetected,
    events_failed: result.eventsFailed,
    duration_ms: Math.round(result.durationMs),
  })
  return result
}

/** What of the wishes of a build that handed its slot over is still to be done. */
function stillAsked(options: BuildOptions, { behind }: BuildTally): BuildOptions {
  const { full, fromRaw, ...others } = options
  return { ...others, full: full && !behind.swap, fromRaw: fromRaw && !behind.reset && !behind.swap }
}

/** What `build` would do now. */
export async function nextMode(
  engine: Engine,
  edition: Edition,
  options: Pick<BuildOptions, 'full' | 'fromRaw' | 'untilSequence'> = {},
): Promise<ModeDecision> {
  const { store } = engine
  const state = await buildStateOf(engine, edition)
  const feed = await store.identity.changes(null, state.changeCursor)
  const head = await safeHead(engine, options)
  return detectMode({
    hashes: edition.program.hashes,
    state,
    mapping: await store.mapping.state(),
    shadow: await interruptedBuild(engine, edition, head),
    head,
    changes: feed.some((change) => change.kind === 'reset') ? 'reset' : feed.length > 0 ? 'merges' : 'none',
    shards: store.shard?.total ?? 1,
    full: options.full,
    fromRaw: options.fromRaw,
  })
}

function isReset(mode: BuildMode): boolean {
  return mode === 'FULL_RENORMALIZE' || mode === 'FULL_WITH_IDENTITY_RESET'
}

/** The shared part of a reset, by the one process that builds. A shadow is begun when it is done. */
async function resetAlone(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  mode: BuildMode,
  head: number,
  options: BuildOptions,
  tally: BuildTally,
): Promise<void> {
  if (engine.store.shard !== null) {
    const state = await engine.store.mapping.state()
    if (isMappedFor(state, edition)) return
    if (isFor(state, edition)) throw new AnotherReset()
    throw new BuildError('another version changed the ledger while this build waited for its turn; build again', {
      recoverable: true,
    })
  }
  if (!options.fromRaw && (await interruptedBuild(engine, edition, head)) !== undefined) return
  await resetSpace(engine, edition, slot, { renormalize: mode === 'FULL_RENORMALIZE' }, tally)
}

/** Another shard began the same reset once more, after this one had waited for it and before it got its slot. */
class AnotherReset extends Error {}

/** Runs `work` in the state slot, with identities and mappings as the definitions want them. */
export async function withMappedState<T>(
  engine: Engine,
  edition: Edition,
  purpose: string,
  options: BuildOptions,
  tally: BuildTally,
  work: (slot: Slot) => Promise<T>,
): Promise<T> {
  const { buildEpoch } = await engine.store.mapping.state()
  for (;;) {
    await resetForAll(engine, edition, options, buildEpoch, tally)
    try {
      return await withStateSlot(engine, purpose, options.signal, work)
    } catch (error) {
      if (!(error instanceof AnotherReset)) throw error
    }
  }
}

/**
 * With several shards one does the shared part of a reset while it holds the state of all, and the others wait until it is
 * done (spec 04 §5.4). Each replays its own entities afterwards. `buildEpoch`: any reset after this one is a fresh one.
 */
async function resetForAll(
  engine: Engine,
  edition: Edition,
  options: BuildOptions,
  buildEpoch: number,
  tally: BuildTally,
): Promise<void> {
  const { shard, mapping } = engine.store
  if (shard === null || !isReset((await nextMode(engine, edition, options)).mode)) return
  const done = async (): Promise<boolean> => {
    const state = await mapping.state()
    return isMappedFor(state, edition) && (!options.fromRaw || state.buildEpoch > buildEpoch)
  }
  await withWholeState(
    engine,
    'reset',
    options.signal,
    done,
    async (slot) => {
      const { mode } = await nextMode(engine, edition, options)
      await resetSpace(engine, edition, slot, { renormalize: mode === 'FULL_RENORMALIZE' }, tally)
    },
    { want: false, yields: true },
  )
}

/** Whether ledger, identities and mappings are what these definitions make of them. */
function isMappedFor(state: MappingState, edition: Edition): boolean {
  return state.phase === 'idle' && isFor(state, edition)
}

/** Whether they are made, or being made, for these definitions. */
function isFor({ sourceHash, identityHash }: MappingState, { program }: Edition): boolean {
  return sourceHash === program.hashes.sourceHash && identityHash === program.hashes.identityHash
}

async function safeHead(engine: Engine, options: Pick<BuildOptions, 'untilSequence'>): Promise<number> {
  return Math.min(await engine.store.ledger.head(), options.untilSequence ?? Number.MAX_SAFE_INTEGER)
}

async function begin(engine: Engine, edition: Edition, slot: Slot): Promise<BuildState> {
  const { builds, history, shard } = engine.store
  const state = await buildStateOf(engine, edition)
  const dirty = { ...state, dirty: true }
  const mark = async (unit: Unit): Promise<void> => {
    await history.ensure(unit, edition.program.layout)
    // What another division of the entities has built is of no use any more.
    if (state.totalShards !== (shard?.total ?? 1)) await builds.seed(unit, state)
    await builds.put(unit, dirty)
  }
  await slot.unit(edition.version, mark, { progress: false })
  failpoint('build.begun')
  return dirty
}

async function replayAll(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  state: BuildState,
  mode: BuildResult['mode'],
  upTo: number,
  asOf: Instant | null,
  tally: BuildTally,
): Promise<BuildState> {
  return tally.timed('replay_ms', () => fullBuild(engine, edition, slot, state, { mode, upTo, asOf }, tally))
}

async function finish(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  state: BuildState,
  mode: BuildResult['mode'],
  finishing: (unit: Unit) => Promise<void>,
): Promise<BuildState> {
  const done: BuildState = {
    ...state,
    ...edition.program.hashes,
    totalShards: engine.store.shard?.total ?? 1,
    dirty: false,
    lastBuildTime: engine.now().toString(),
    lastBuildMode: mode,
  }
  await slot.unit(edition.version, async (unit) => {
    await engine.store.builds.put(unit, done)
    await finishing(unit)
    failpoint('finish.written')
  })
  failpoint('finish.committed')
  return done
}
