/** Alerts when the freshness of an asset changes (spec 10 §3.8): after each run and every minute. */
import { freshnessOf } from '../assets/freshness.ts'
import type { AssetFreshness } from '../assets/model.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import { nowText } from '../time.ts'
import type { AlertSignal } from './events.ts'
import { alertsOf } from './rules.ts'

/** Looks at all rules, enqueues what changed, and returns what it saw. */
export async function notifyFreshness(
  context: Orchestration,
  pipelines: readonly Pipeline[],
): Promise<readonly AssetFreshness[]> {
  const found = await freshnessOf(context, pipelines)
  const at = nowText(context)
  for (const pipeline of pipelines) {
    const ours = found.filter((freshness) => freshness.pipeline === pipeline.name)
    const rows = await alertsOf(
      context,
      pipeline,
      ours.flatMap((each) => signalOf(each, at)),
    )
    if (rows.length > 0) await context.operations.log.notifications.enqueue(rows, at)
  }
  return found
}

/** Nothing is said of what is not known. */
function signalOf(freshness: AssetFreshness, at: string): AlertSignal[] {
  const { asset, of, state, lagMs, since } = freshness
  if (state === 'unknown') return []
  const event = state === 'ok' ? 'recovered' : 'freshness'
  const severity = state === 'error' ? 'error' : 'warn'
  const data = { asset, of, state, lag_seconds: lagMs === null ? null : Math.round(lagMs / 1000) }
  // The instant the lag counts from is the same for everybody who looks.
  return [{ event, severity, subject: `asset/${asset}`, at, occurrence: since ?? at, data }]
}
