/** How far assets lag behind, known without running anything (spec 10 §3.8). */
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import type { AssetFreshness } from './model.ts'

/** One answer per rule, in the order of pipelines and rules. */
export async function freshnessOf(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetFreshness[]> {
  throw new Error(`not written yet: ${context.package} ${pipelines.length}`)
}
