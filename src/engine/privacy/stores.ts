/**
 * The stores beside the database (spec 10 §10.2 step 4): each once for a whole batch, recorded per request. One that does not
 * answer keeps its requests open and is asked again for ever; the others go on.
 */
import { DefactoError, StorageError } from '../../errors.ts'
import type { ErasureTarget, FrozenSubject, TargetOutcome } from '../../ports/erasure.ts'
import {
  type Erasure,
  type ErasureRequest,
  LOCAL_STORES,
  type Outstanding,
  type StoreState,
} from '../../ports/privacy.ts'
import { failpoint } from '../failpoint.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import { pivotOf } from './kinds.ts'
import { retryAfter } from './retry.ts'

/** One request with what was frozen of it. */
export interface OpenRequest {
  readonly request: ErasureRequest
  readonly erasure: Erasure
  readonly subject: FrozenSubject
}

export async function eraseTargets(
  context: PrivacyContext,
  requests: readonly ErasureRequest[],
  call: PrivacyCall,
): Promise<void> {
  const open = await openRequests(context, requests)
  for (const target of context.targets) {
    call.signal?.throwIfAborted()
    const pending = open.filter(({ erasure }) => erasure.stores[target.name]?.state !== 'done')
    if (pending.length > 0) await eraseOne(context, target, pending, call)
  }
  for (const one of open) await repeatLocal(context, one, call)
  for (const { request } of open) await settleStatus(context, request.requestId)
}

/** With the journal of each; one without has nothing to do here. */
export async function openRequests(
  context: PrivacyContext,
  requests: readonly ErasureRequest[],
): Promise<readonly OpenRequest[]> {
  const open: OpenRequest[] = []
  for (const request of requests) {
    const erasure = await context.engine.store.privacy.erasure(request.requestId)
    if (erasure === undefined || erasure.pivotAt === null || erasure.closedAt !== null) continue
    open.push({ request, erasure, subject: pivotOf(request.kind).subject(context, erasure) })
  }
  return open
}

async function eraseOne(
  context: PrivacyContext,
  target: ErasureTarget,
  open: readonly OpenRequest[],
  call: PrivacyCall,
): Promise<void> {
  const { privacy } = context.engine.store
  const { signal, progress } = call
  let outcomes: readonly TargetOutcome[] | null = null
  let error: string | null = null
  let kept: readonly Outstanding[] | null = null
  try {
    outcomes = await target.erase(
      open.map(({ subject }) => subject),
      {
        ...(signal === undefined ? {} : { signal }),
        ...(progress === undefined ? {} : { progress: (done, total) => progress(target.name, done, total) }),
      },
    )
  } catch (thrown) {
    if (signal?.aborted) throw thrown
    error = codeOf(thrown)
    kept = thrown instanceof DefactoError ? ((thrown.details['outstanding'] ?? null) as typeof kept) : null
    context.engine.logger
      .child('defacto.lifecycle')
      .warn('erasure waits for a store', { store: target.name, code: error, requests: open.length })
  }
  const at = context.engine.now().toString()
  failpoint('erase.store.done')
  for (const [index, { request, erasure }] of open.entries()) {
    const before = erasure.stores[target.name]
    const outcome = outcomes?.[index]
    const state: StoreState = {
      state: outcome === undefined ? 'pending' : 'done',
      action: outcome?.action ?? before?.action ?? 'deleted',
      // What an interrupted attempt has changed counts, too.
      items: Math.max(outcome?.items ?? 0, before?.items ?? 0),
      error,
      attempts: (before?.attempts ?? 0) + 1,
      verified: null,
      outstanding: outcome === undefined ? (kept ?? before?.outstanding ?? []) : (outcome.outstanding ?? []),
      at,
    }
    await privacy.setStore(request.requestId, target.name, state)
    failpoint('erase.store.recorded')
  }
}

/** Stores of the database in which a verification found something, or which could not be looked into. */
async function repeatLocal(
  context: PrivacyContext,
  { request, erasure }: OpenRequest,
  call: PrivacyCall,
): Promise<void> {
  const targets = new Set(context.targets.map(({ name }) => name))
  const local = Object.entries(erasure.stores).filter(([name, { state }]) => state === 'pending' && !targets.has(name))
  if (local.length === 0) return
  if (local.some(([, { error }]) => error === LEFT)) await pivotOf(request.kind).repeat(context, erasure, call)
  for (const [name, store] of local) {
    // A target that is not there any more cannot be asked.
    const state: StoreState = LOCAL_STORES.includes(name)
      ? { ...store, state: 'done', error: null, verified: null }
      : { ...store, error: 'E_TARGET_MISSING', attempts: store.attempts + 1 }
    await context.engine.store.privacy.setStore(request.requestId, name, state)
  }
}

/** Says in the journal that a verification found something. */
export const LEFT = 'E_ERASURE_LEFT'

/** Where the request is with its stores: one that waits is asked again later, the first one that is due decides when. */
export async function settleStatus(context: PrivacyContext, requestId: string): Promise<void> {
  const { privacy } = context.engine.store
  const stores = Object.entries((await privacy.erasure(requestId))?.stores ?? {})
  const pending = stores.filter(([, { state }]) => state === 'pending')
  const silent = pending.filter(([, { error }]) => error !== null && error !== LEFT)
  const from = ['erasing', 'store_pending', 'verifying'] as const
  const attempts = Math.min(...silent.map(([, store]) => store.attempts))
  const change =
    silent.length > 0
      ? {
          status: 'store_pending' as const,
          waitingFor: silent.map(([name]) => `store:${name}`),
          retryAt: retryAfter(context.engine.now(), attempts),
        }
      : { status: pending.length > 0 ? ('erasing' as const) : ('verifying' as const), waitingFor: [], retryAt: null }
  await privacy.change(requestId, change, { from })
}

/** What went wrong, as a stable name: messages of other systems may hold anything. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof DefactoError ? thrown.code : new StorageError('').code
}
