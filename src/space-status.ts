/** Where a space stands, as the public engine tells it (spec 09 §3–4). */
import type { EngineStats } from './calls.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { statusOf } from './engine/versions.ts'
import type { BuildStatus } from './results.ts'

/** By this shard, or by all of them where this process has none. */
export async function buildStatusOf(engine: Engine, edition: Edition): Promise<BuildStatus> {
  const { state, shards } = await statusOf(engine, edition)
  const { ledger } = engine.store
  return {
    ...(shards.length > 0 ? { shards } : {}),
    cursor: state.cursor,
    totalEvents: await ledger.count(),
    pendingEvents: await ledger.countAfter(state.cursor),
    dirty: state.dirty,
    lastBuildTime: state.lastBuildTime,
    lastBuildMode: state.lastBuildMode,
    definitionHash: state.definitionHash,
    sourceHash: state.sourceHash,
    identityHash: state.identityHash,
    publishLag: 0,
  }
}

/** Counts and places; entities are those of the version. */
export async function engineStats({ store, deadLetterErrors }: Engine, version: string): Promise<EngineStats> {
  const counts = await store.checkpoints.count(version)
  return {
    events: await store.ledger.count(),
    entities: Object.fromEntries(counts.map(({ entityType, entities }) => [entityType, entities])),
    deadLetterErrors,
    spaceId: store.spaceId,
    location: store.location,
  }
}
