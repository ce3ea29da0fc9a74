/** What the commands about assets look at: definitions, the run log, the engine; nothing is run. */

import { assetsOf } from '../../orchestration/assets/derive.ts'
import { freshnessOf } from '../../orchestration/assets/freshness.ts'
import { assetInfos } from '../../orchestration/assets/info.ts'
import type { Asset, AssetFreshness, AssetInfo } from '../../orchestration/assets/model.ts'
import type { Orchestration } from '../../orchestration/contract.ts'
import type { Pipeline } from '../../orchestration/model.ts'
import { orchestrationFor } from '../../orchestrator/space.ts'
import type { CheckResult } from '../../ports/runs.ts'
import type { Context } from '../context.ts'
import { looking } from './connect.ts'

export interface ProjectAssets {
  assets(): Promise<readonly Asset[]>
  infos(): Promise<readonly AssetInfo[]>
  freshness(): Promise<readonly AssetFreshness[]>
  /** Latest results. */
  results(): Promise<readonly CheckResult[]>
  /** Checks of an asset, or all, by pipeline. */
  checks(asset: string | undefined): readonly { readonly pipeline: string; readonly checks: readonly string[] }[]
}

/** For questions that start nothing. */
export async function askingOf(context: Context): Promise<Orchestration> {
  const { defacto } = await looking(context)
  return orchestrationFor(await context.project(), defacto, 'local')
}

export async function assetsOfProject(context: Context): Promise<ProjectAssets> {
  const orchestration = await askingOf(context)
  const { operations } = orchestration
  const { log } = operations
  const pipelines: readonly Pipeline[] = [...(await orchestration.project.pipelines()).values()].map(
    (each) => each.pipeline,
  )
  return {
    async assets() {
      const { definitions } = await operations.definitions()
      return assetsOf(definitions, pipelines, { tiered: operations.tiered })
    },
    infos: () => assetInfos(orchestration, pipelines),
    freshness: () => freshnessOf(orchestration, pipelines),
    results: () => log.checks.latest(),
    checks: (asset) =>
      pipelines
        .map(({ name, checks }) => ({
          pipeline: name,
          checks: checks.filter((check) => asset === undefined || check.asset === asset).map((check) => check.name),
        }))
        .filter(({ checks }) => checks.length > 0),
  }
}
