/** Erasing one entity in this process (spec 05 §4): a request, and everything that can be done of it at once. */
import { ApprovalRequired, ConfigError, HoldError, UnreachableError } from '../../errors.ts'
import type { EraseResult } from '../../results.ts'
import type { PrivacyContext } from './context.ts'
import { exportMentions, exportsOf } from './exports.ts'
import { createRequest } from './requests.ts'
import { type Advanced, advance } from './stages.ts'

export interface EraseCall {
  /** Events of the person that are sent again are refused. */
  readonly suppress?: boolean
  /** Exports of the entity's types lose its rows, too. */
  readonly purgeExports?: boolean
  /** Rejects where a store could not be reached yet; it is asked again all the same. */
  readonly strict?: boolean
  readonly reason?: string
  readonly requestedBy?: string
}

/**
 * Erases the entity with everything merged into it. Nobody of this id: zeros, and whatever is still open of its erasure goes
 * on. `HoldError`, `ApprovalRequired`: the request is kept, and goes on when that is over.
 */
export async function eraseEntity(
  context: PrivacyContext,
  entityId: string,
  options: EraseCall = {},
): Promise<EraseResult> {
  if (typeof entityId !== 'string' || entityId === '') {
    throw new ConfigError('erase: name an entity by its id, a text that is not empty')
  }
  const { privacy, identity } = context.engine.store
  const family = await identity.family(null, entityId)
  if (family.length === 0) return settled(await finishOpen(context, entityId), options)

  const { suppress = false, purgeExports = false, reason = null, requestedBy = null } = options
  const exports = await exportMentions(context, await exportsOf(context, family))
  const { request } = await createRequest(context, {
    kind: 'erase',
    entityId,
    options: { suppress, purgeExports },
    reason,
    requestedBy,
  })
  const { requestId } = request
  const [advanced] = await advance(context, [requestId], {})
  if (advanced !== undefined) refuseWaiting(advanced)
  const counts = (await privacy.erasure(requestId))?.counts
  const certificate = (await privacy.certificates({ requestId })).at(-1)
  const result: EraseResult = {
    entityId,
    requestId,
    entitiesErased: counts?.entities ?? 0,
    eventsDeleted: counts?.eventsDeleted ?? 0,
    eventsScrubbed: counts?.eventsScrubbed ?? 0,
    mergeLogCleaned: counts?.mergeLog ?? 0,
    complete: advanced?.done ?? false,
    pending: pendingOf(advanced === undefined ? [] : [advanced]),
    exports,
    certificateId: certificate?.certificateId ?? null,
  }
  return settled(result, options)
}

/** The erasure of this id may have been interrupted behind its pivot, when nobody knew the id any more. */
async function finishOpen(context: PrivacyContext, entityId: string): Promise<EraseResult> {
  const journals = await context.engine.store.privacy.openErasures()
  const open = journals.filter(
    ({ pivotAt, entities }) => pivotAt !== null && entities.some(({ id }) => id === entityId),
  )
  const ids = open.map(({ requestId }) => requestId)
  const advanced = ids.length === 0 ? [] : await advance(context, ids, {})
  return {
    entityId,
    requestId: null,
    entitiesErased: 0,
    eventsDeleted: 0,
    eventsScrubbed: 0,
    mergeLogCleaned: 0,
    complete: advanced.every(({ done }) => done),
    pending: pendingOf(advanced),
    exports: [],
    certificateId: null,
  }
}

function pendingOf(advanced: readonly Advanced[]): string[] {
  const waiting = advanced.filter(({ done }) => !done).flatMap(({ waitingFor }) => waitingFor)
  return [...new Set(waiting.map((what) => what.replace(/^store:/, '')))]
}

/** @throws HoldError, ApprovalRequired */
export function refuseWaiting({ requestId, waitingFor }: Advanced): void {
  const holds = waitingFor.flatMap((what) => (what.startsWith('hold:') ? [what.slice('hold:'.length)] : []))
  if (holds.length > 0) {
    throw new HoldError(
      `request '${requestId}' waits: a hold keeps the entity (${holds.join(', ')}); it goes on when that is released`,
      { details: { requestId, holds } },
    )
  }
  if (waitingFor.includes('approval')) {
    throw new ApprovalRequired(
      `request '${requestId}' has to be approved by somebody else: \`defacto erase approve ${requestId}\``,
      { details: { requestId } },
    )
  }
}

function settled(result: EraseResult, { strict = false }: EraseCall): EraseResult {
  if (!strict || result.complete) return result
  throw new UnreachableError(
    `the erasure is not complete: ${result.pending.join(', ')} did not answer yet; it is asked again`,
    {
      code: 'E_ERASE_INCOMPLETE',
      details: { requestId: result.requestId, pending: result.pending, result },
    },
  )
}
