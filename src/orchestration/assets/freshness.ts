/** How far assets lag behind, known without running anything (spec 10 §3.8). */
import { instantFromText } from '../../core/instant.ts'
import type { RunRow } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import type { FreshnessRule, Pipeline } from '../model.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { nowOf } from '../time.ts'
import type { AssetFreshness, FreshnessState } from './model.ts'

/** So many ingest runs are looked through for the last one that brought something of a source. */
export const RUNS_BACK = 500

/** What a lag counts from: an instant; `none`: nothing waits, the lag is zero; null: unknown. */
type Since = string | 'none' | null

/** One answer per rule, in the order of pipelines and rules. */
export async function freshnessOf(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetFreshness[]> {
  const answered = new Map<string, Since>()
  const rules = pipelines.flatMap(({ name, freshness }) => freshness.map((rule) => ({ pipeline: name, rule })))
  const found: AssetFreshness[] = []
  for (const { pipeline, rule } of rules) {
    const key = `${rule.of} ${rule.of === 'event' || rule.of === 'arrival' ? rule.asset : ''}`
    const since = answered.has(key) ? (answered.get(key) ?? null) : await sinceOf(context, rule)
    answered.set(key, since)
    found.push(answer(context, pipeline, rule, since))
  }
  return found
}

function answer(context: Orchestration, pipeline: string, rule: FreshnessRule, since: Since): AssetFreshness {
  const { asset, of, warnMs, errorMs } = rule
  // Runs are timed by the clock, events and time rules by the engine's.
  const now = of === 'arrival' ? nowOf(context) : context.operations.now()
  const from = since === null || since === 'none' ? null : instantFromText(since)
  // An event dated after now is as fresh as can be.
  const lagMs = since === 'none' ? 0 : from === null ? null : Math.max(0, now.ms - from.ms)
  const state = stateOf(lagMs, warnMs, errorMs)
  return { asset, pipeline, of, state, lagMs, warnMs, errorMs, since: from?.toString() ?? null, at: now.toString() }
}

export function stateOf(lagMs: number | null, warnMs: number | null, errorMs: number | null): FreshnessState {
  if (lagMs === null) return 'unknown'
  if (errorMs !== null && lagMs > errorMs) return 'error'
  return warnMs !== null && lagMs > warnMs ? 'warn' : 'ok'
}

async function sinceOf(context: Orchestration, { asset, of }: FreshnessRule): Promise<Since> {
  const { operations } = context
  const source = asset.replace(/^source\//, '')
  switch (of) {
    case 'event':
      return operations.newestEvent(source)
    case 'arrival':
      return lastArrival(context, source)
    case 'build': {
      if ((await operations.head()) === 0) return null
      return (await operations.oldestPending()) ?? 'none'
    }
    case 'tick':
      return (await operations.buildStatus()).tickHorizon
    case 'flush': {
      if (!operations.tiered || (await operations.head()) === 0) return null
      return (await operations.oldestUnflushed()) ?? 'none'
    }
  }
}

/** When the last run that brought an event of the source committed its last chunk. */
async function lastArrival(context: Orchestration, source: string): Promise<Since> {
  const runs = await context.operations.log.runs.list({ op: ['ingest'], limit: RUNS_BACK })
  const found = runs.find((run) => (run.stats['events_ingested'] ?? 0) > 0 && sourceOf(run) === source)
  return found === undefined ? null : (found.finishedAt ?? found.progressAt)
}

/** The source an ingest run reads: its batch's, or that of its input as pinned. */
export function sourceOf(run: RunRow): string | null {
  const { source, input } = inputOf(run)
  if (typeof source === 'string') return source
  return pipelineOf(run)?.inputs.find(({ name }) => name === input)?.source ?? null
}
