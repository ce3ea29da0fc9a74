/** Versions of a space: registration, build state, activation (spec 04 §4.1–4.2, §4.11). */
import { canonicalJson } from '../core/definition/canonical.ts'
import type { DefinitionHashes } from '../core/definition/model.ts'
import type { Program } from '../core/program.ts'
import { DefinitionError } from '../errors.ts'
import type { BuildState, VersionRow } from '../ports/store.ts'
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
  const previous = active === undefined ? undefined : await store.builds.get(active.version)
  await engine.unit(version, async (unit) => {
    await store.versions.insert(unit, { version, definitions, createdAt: unit.now.toString(), ...program.hashes })
    await store.builds.put(unit, seedFrom(version, previous ?? program.hashes))
    const mapping = await store.mapping.state(unit)
    if (mapping.sourceHash === '') {
      const { sourceHash, identityHash } = program.hashes
      await store.mapping.setState(unit, { ...mapping, sourceHash, identityHash })
    }
    if (active === undefined) await store.versions.activate(unit)
    await store.history.ensure(unit, program.layout)
  })
  return true
}

/** Build state of a version that was never built. */
export function seedFrom(version: string, { definitionHash, sourceHash, identityHash }: DefinitionHashes): BuildState {
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
    totalShards: 1,
    generation: 0,
    tickHorizon: null,
    changeCursor: 0,
  }
}

/** The stored build state; a version of the space always has one. */
export async function buildStateOf(engine: Engine, edition: Edition): Promise<BuildState> {
  return (await engine.store.builds.get(edition.version)) ?? seedFrom(edition.version, edition.program.hashes)
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
