/** What is known of each asset without running anything. */
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import type { AssetInfo } from './model.ts'

export async function assetInfos(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetInfo[]> {
  throw new Error(`not written yet: ${context.package} ${pipelines.length}`)
}
