/** What is known of each asset without running anything. */
import type { RunOp, RunRow } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import { assetsOf, WRITERS } from './derive.ts'
import { freshnessOf, RUNS_BACK, sourceOf } from './freshness.ts'
import type { Asset, AssetInfo, AssetKind } from './model.ts'

export async function assetInfos(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetInfo[]> {
  const { operations } = context
  const { definitions } = await operations.definitions()
  const assets = assetsOf(definitions, pipelines, { tiered: operations.tiered })
  const freshness = await freshnessOf(context, pipelines)
  const checks = await operations.log.checks.latest()
  const versions = await dataVersions(context)
  const { runs } = operations.log
  const last = new Map<string, RunRow | undefined>()
  for (const ops of Object.values(WRITERS)) {
    if (last.has(ops.join(' '))) continue
    const [run] = await runs.list({ op: ops, status: ['succeeded'], limit: 1 })
    last.set(ops.join(' '), run)
  }
  const ingests = await runs.list({ op: WRITERS.source, status: ['succeeded'], limit: RUNS_BACK })
  const exports = await runs.list({ op: WRITERS.export, status: ['succeeded'], limit: RUNS_BACK })
  const lastOf = ({ kind, subject }: Asset): RunRow | undefined => {
    if (kind === 'source') return ingests.find((run) => sourceOf(run) === subject)
    if (kind === 'export') return exports.find((run) => `${run.pipeline}/${run.step}` === subject)
    return last.get(WRITERS[kind].join(' '))
  }
  return assets.map((asset) => {
    const run = lastOf(asset)
    return {
      ...asset,
      dataVersion: versions[asset.kind],
      materialized: run === undefined ? null : { runId: run.runId, op: run.op, at: run.finishedAt ?? run.createdAt },
      freshness: freshness.filter((found) => found.asset === asset.name),
      checks: checks.filter((result) => result.asset === asset.name),
    }
  })
}

/** `<first 8 of definition_hash>:<cursor>`: equal versions hold equal data (spec 10 §1). */
export async function dataVersions(context: Orchestration): Promise<Readonly<Record<AssetKind, string | null>>> {
  const { operations } = context
  const { definitionHash } = await operations.definitions()
  const { cursor, lastBuildTime } = await operations.buildStatus()
  const head = await operations.head()
  const cold = await operations.coldStatus()
  const at = (sequence: number): string => `${definitionHash.slice(0, 8)}:${sequence}`
  const read = head === 0 ? null : at(head)
  const built = lastBuildTime === null ? null : at(cursor)
  return {
    source: read,
    ledger: read,
    dead_letters: read,
    identity: built,
    history: built,
    entity: built,
    relationship: built,
    cold: cold === null || cold.flushed === 0 ? null : at(cold.flushed),
    // It holds what was built when it was written.
    export: null,
  }
}

/** Assets that a succeeded run of this operation has written; `source`: what an ingest read. */
export function writtenBy(op: RunOp, assets: readonly Asset[], source: string | null = null): readonly Asset[] {
  return assets.filter(
    ({ kind, subject }) =>
      (WRITERS[kind] as readonly RunOp[]).includes(op) && (kind !== 'source' || source === null || subject === source),
  )
}
