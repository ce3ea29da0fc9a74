/** Alerts when the freshness of an asset changes (spec 10 §3.8): after each run and every minute. */
import type { AssetFreshness } from '../assets/model.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'

/** Looks at all rules, enqueues what changed, and returns what it saw. */
export async function notifyFreshness(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetFreshness[]> {
  throw new Error(`not written yet: ${context.package} ${pipelines.length}`)
}
