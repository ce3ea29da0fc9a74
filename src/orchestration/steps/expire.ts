/** What one run of `expire` takes (spec 10 §3.6): whole entities that were last heard of too long ago. */
import { ConfigError } from '../../errors.ts'
import type { Counters } from '../../ports/runs.ts'
import type { Orchestration, StepCall } from '../contract.ts'
import { pipelineOf } from '../pinned.ts'
import { instant, nowOf, plusMs } from '../time.ts'
import { engineCall } from './call.ts'

/** Entities of one request; more take another one, with a certificate of its own. */
const MOST = 10_000

export async function expiring(
  context: Orchestration,
  call: StepCall,
): Promise<{ readonly ids: readonly string[]; readonly stats: Counters }> {
  const { run } = call
  const retention = pipelineOf(run)?.retention ?? null
  if (retention === null || retention.coldMs === null)
    throw new ConfigError("'expire' needs the pipeline's 'retention' with 'cold': how old entities may become")
  const asOf = run.asOf === null ? nowOf(context) : instant(run.asOf, 'asOf')
  const { request, held } = await context.operations.privacy.expire(engineCall(call), {
    before: plusMs(asOf, -retention.coldMs).toString(),
    types: retention.coldTypes,
    states: retention.onlyStates,
    limit: MOST,
  })
  return { ids: request === null ? [] : [request.requestId], stats: { entities_held: held } }
}
