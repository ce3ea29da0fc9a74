/** Whether rows are what a replay of the ledger gives (spec 10 §3.7 `replay_consistent`). */
import type { Snapshot } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { plain } from './tick.ts'
import { replayEntity } from './timeline.ts'

/** The entity's type and its snapshots in order of time, as replayed from all tiers; undefined without events. */
export async function replayedSnapshots(
  engine: Engine,
  edition: Edition,
  entityId: string,
): Promise<{ entityType: string; snapshots: readonly Snapshot[] } | undefined> {
  const replayed = await replayEntity(engine, edition, entityId)
  if (replayed === undefined) return undefined
  const snapshots = new Map<string, Snapshot>()
  // Of several changes at one instant the last one is what the row says.
  for (const { snapshot } of replayed.result.changes) snapshots.set(snapshot.validFrom.toString(), plain(snapshot))
  return { entityType: replayed.entityType, snapshots: [...snapshots.values()] }
}
