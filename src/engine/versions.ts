/** Versions of a space: registration, build state, activation (spec 04 §4.1–4.2, §4.11). */
import { canonicalJson } from '../core/definition/canonical.ts'
import type { DefinitionHashes } from '../core/definition/model.ts'
import type { Program } from '../core/program.ts'
import { DefinitionError } from '../errors.ts'
import type { BuildState, VersionRow } from '../ports/store.ts'
import type { ShardStatus } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import type { Slot } from './slot.ts'

export function sameHashes(a: DefinitionHashes, b: DefinitionHashes): boolean {
  return a.definitionHash === b.definitionHash && a.sourceHash === b.sourceHash && a.identityHash === b.identityHash
}

/** The text a version is stored and compared as; pipelines belong to no version (spec 10 §3.1). */
function storedDefinitions(program: Program): string {
  const { pipelines: _, ...versioned } = program.definitions
  return canonicalJson(versioned)
}

/**
 * Makes the version known to the space, if it is not: definition row and build state seeded with the hashes of the
 * previously active version, so that the cascade sees exactly what changed. Returns whether it was new.
 * The same name with other content is a `DefinitionError`.
 */
export async function registerVersion(engine: Engine, edition: Edition): Promise<boolean> {
  const { store } = engine
  const { version, program } = edition
  const definitions = storedDefinitions(program)
  const known = await store.versions.get(version)
  if (known !== undefined) {
    if (known.definitions === definitions) return false
    throw new DefinitionError(
      `version '${version}' is registered with other definitions; choose another version name or register these under a new one`,
      { code: 'E_VERSION_CONTENT', details: { version } },
    )
  }
  const active = await store.versions.active()
  const previous = active === undefined ? undefined : await latestState(engine, active.version)
  return engine.unit(version, async (unit) => {
    // Registrations follow one another; another process may have been faster.
    const mapping = await store.mapping.lock(unit, { wait: true })
    if ((await store.versions.get(version)) !== undefined) return false
    await store.versions.insert(unit, { version, definitions, createdAt: unit.now.toString(), ...program.hashes })
    await store.builds.seed(unit, seedFrom(engine, version, previous ?? program.hashes))
    if (mapping.sourceHash === '') {
      const { sourceHash, identityHash } = program.hashes
      await store.mapping.setState(unit, { ...mapping, sourceHash, identityHash })
    }
    if ((await store.versions.active()) === undefined) await store.versions.activate(unit)
    await store.history.ensure(unit, program.layout)
    return true
  })
}

/** Build state of a version that was never built. */
export function seedFrom(
  engine: Engine,
  version: string,
  { definitionHash, sourceHash, identityHash }: DefinitionHashes,
): BuildState {
  return {
    version,
    definitionHash,
    sourceHash,
    identityHash,
    cursor: 0,
    watermark: null,
    dirty: false,
    lastBuildTime: null,
    lastBuildMode: null,
    totalShards: engine.store.shard?.total ?? 1,
    generation: 0,
    tickHorizon: null,
    changeCursor: 0,
  }
}

/**
 * The stored build state; a version of the space always has one. What another division of the entities has built is no
 * state of this shard: it begins anew, above all generations there are.
 */
export async function buildStateOf(engine: Engine, edition: Edition): Promise<BuildState> {
  const { builds, shard } = engine.store
  const own = await builds.get(edition.version)
  if (own !== undefined && (own.totalShards === 0 || own.totalShards === (shard?.total ?? 1))) return own
  const others = await builds.all(edition.version)
  const latest = newest(others)
  if (latest === undefined) return seedFrom(engine, edition.version, edition.program.hashes)
  return {
    ...seedFrom(engine, edition.version, latest),
    totalShards: 0,
    lastBuildTime: latest.lastBuildTime,
    lastBuildMode: latest.lastBuildMode,
    generation: Math.max(...others.map(({ generation }) => generation)),
    tickHorizon: others.map(({ tickHorizon }) => tickHorizon).reduce((a, b) => ((a ?? '') > (b ?? '') ? a : b)),
  }
}

/** The state of this process's part, or of the part furthest behind where others share the work. */
export async function statusOf(
  engine: Engine,
  edition: Edition,
): Promise<{ state: BuildState; shards: readonly ShardStatus[] }> {
  const { builds, shard } = engine.store
  const all = await builds.all(edition.version)
  const divided = all.length > 1 || (all[0]?.totalShards ?? 1) > 1
  const own = shard !== null || !divided ? await buildStateOf(engine, edition) : undefined
  const behind = all.reduce((a, b) => (b.cursor < a.cursor ? b : a), all[0] as BuildState)
  const shards = divided
    ? all.map(({ cursor, dirty, lastBuildTime }, shardId) => ({ shardId, cursor, dirty, lastBuildTime }))
    : []
  return { state: own ?? { ...behind, dirty: all.some(({ dirty }) => dirty) }, shards }
}

/** Another text once the version's history may be another, by whatever process: builds, ticks and merges move it. */
export async function historyCursor({ store }: Engine, version: string): Promise<string> {
  const states = await store.builds.all(version)
  return JSON.stringify(
    states.map(({ generation, cursor, changeCursor, tickHorizon }) => [generation, cursor, changeCursor, tickHorizon]),
  )
}

/** Hashes and times of the version as this process last built it; of any shard if it has not. */
export async function latestState(engine: Engine, version: string): Promise<BuildState | undefined> {
  return (await engine.store.builds.get(version)) ?? newest(await engine.store.builds.all(version))
}

function newest(states: readonly BuildState[]): BuildState | undefined {
  const [latest] = [...states].sort((a, b) => ((a.lastBuildTime ?? '') < (b.lastBuildTime ?? '') ? 1 : -1))
  return latest
}

/** Whether all shards of this division have built the version to the end at least once. */
export async function isBuilt(engine: Engine, version: string): Promise<boolean> {
  const states = await engine.store.builds.all(version)
  return states.length > 0 && states.every(({ lastBuildTime }) => lastBuildTime !== null)
}

/** Switches readers and the `active` flag to the version, in one step; its state must have been built. */
export async function switchActive(engine: Engine, edition: Edition, slot: Slot): Promise<void> {
  const { store } = engine
  const active: VersionRow | undefined = await store.versions.active()
  if (active?.version === edition.version) return
  await slot.unit(edition.version, async (unit) => {
    await store.history.activate(unit, active?.version ?? null)
    await store.versions.activate(unit)
  })
}
