/** Redacting one entity in this process (spec 05 §5): a request, and everything that can be done of it at once. */
import { hasSensitive } from '../../core/privacy/plan.ts'
import { ConfigError } from '../../errors.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { RedactResult } from '../../results.ts'
import type { PrivacyContext } from './context.ts'
import { refuseWaiting } from './erase.ts'
import { createRequest } from './requests.ts'
import { advance } from './stages.ts'

export interface RedactCall {
  /** Later events of the person are treated on arrival; default true. */
  readonly sticky?: boolean
  readonly purgeExports?: boolean
  readonly reason?: string
  readonly requestedBy?: string
}

const NOTHING: RedactResult = { requestId: null, events: 0, fields: 0, stores: [], complete: true, pending: [] }

/**
 * Nobody of this id, or a type without sensitive properties: zeros, and no request. `HoldError`, `ApprovalRequired`: the
 * request is kept, and goes on when that is over.
 */
export async function redactEntity(
  context: PrivacyContext,
  entityId: string,
  options: RedactCall = {},
): Promise<RedactResult> {
  if (typeof entityId !== 'string' || entityId === '') {
    throw new ConfigError('redact: name an entity by its id, a text that is not empty')
  }
  const { sticky = true, purgeExports = false, reason = null, requestedBy = null } = options
  const [survivor] = await familyOf(context, entityId)
  const definitions = (await context.editions()).map(({ program }) => program.definitions)
  if (survivor === undefined || !hasSensitive(definitions, survivor.type)) return NOTHING
  const { request } = await createRequest(context, {
    kind: 'redact',
    entityId,
    options: { sticky, purgeExports },
    reason,
    requestedBy,
  })
  const { requestId } = request
  const [advanced] = await advance(context, [requestId], {})
  if (advanced !== undefined) refuseWaiting(advanced)
  const erasure = await context.engine.store.privacy.erasure(requestId)
  const stores = Object.entries(erasure?.stores ?? {})
  return {
    requestId,
    events: erasure?.counts.eventsScrubbed ?? 0,
    fields: erasure?.counts.fields ?? 0,
    stores: stores.filter(([, { items }]) => items > 0).map(([name]) => name),
    complete: advanced?.done ?? false,
    pending: advanced?.done ? [] : (advanced?.waitingFor ?? []).map((what) => what.replace(/^store:/, '')),
  }
}

/** Somebody may be known by events alone that nobody has interpreted yet. */
async function familyOf(context: PrivacyContext, entityId: string): Promise<readonly FrozenEntity[]> {
  const { identity } = context.engine.store
  const family = await identity.family(null, entityId)
  if (family.length > 0) return family
  await context.interpret()
  return identity.family(null, entityId)
}
