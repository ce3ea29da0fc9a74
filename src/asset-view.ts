/** Assets, checks and freshness as programs read them, in JSON of the command line and of the HTTP API alike. */
import type { AssetFreshness, AssetInfo } from './orchestration/assets/model.ts'
import type { CheckResult } from './ports/runs.ts'

export function freshnessView(found: AssetFreshness): Record<string, unknown> {
  return {
    asset: found.asset,
    pipeline: found.pipeline,
    of: found.of,
    state: found.state,
    lag_seconds: inSeconds(found.lagMs),
    warn_seconds: inSeconds(found.warnMs),
    error_seconds: inSeconds(found.errorMs),
    since: found.since,
    at: found.at,
  }
}

export function checkView(result: CheckResult): Record<string, unknown> {
  return {
    check: result.check,
    asset: result.asset,
    passed: result.passed,
    severity: result.severity,
    blocking: result.blocking,
    value: result.value,
    message: result.message,
    sample_ids: result.sampleIds,
    run_id: result.runId,
    at: result.at,
  }
}

export function assetView(asset: AssetInfo): Record<string, unknown> {
  return {
    name: asset.name,
    kind: asset.kind,
    subject: asset.subject,
    upstream: asset.upstream,
    pipelines: asset.pipelines,
    data_version: asset.dataVersion,
    materialized:
      asset.materialized === null
        ? null
        : { run_id: asset.materialized.runId, op: asset.materialized.op, at: asset.materialized.at },
    freshness: asset.freshness.map(freshnessView),
    checks: asset.checks.map(checkView),
  }
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms / 1000)
}
