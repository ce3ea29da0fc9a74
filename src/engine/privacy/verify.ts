/**
 * Looking into every store whether the person is gone (spec 05 §4.3 no. 4). What is found sends that store back: nothing is
 * certified that was not looked at, or in which something was left.
 */
import type { TargetCheck } from '../../ports/erasure.ts'
import type { ErasureRequest, StoreState } from '../../ports/privacy.ts'
import { failpoint } from '../failpoint.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import { pivotOf } from './kinds.ts'
import type { LocalCheck } from './pivot.ts'
import { codeOf, LEFT, type OpenRequest, openRequests, settleStatus } from './stores.ts'

export async function verifyRequests(
  context: PrivacyContext,
  requests: readonly ErasureRequest[],
  call: PrivacyCall,
): Promise<void> {
  // Those that still wait for a store are looked at when it has answered.
  const open = (await openRequests(context, requests)).filter(({ erasure }) =>
    Object.values(erasure.stores).every(({ state }) => state !== 'pending'),
  )
  const together = await checkTogether(context, open)
  for (const [index, one] of open.entries()) {
    call.signal?.throwIfAborted()
    await verifyOne(context, one, together, call)
    await settleStatus(context, one.request.requestId)
    call.progress?.('verify', index + 1, open.length)
  }
}

type Attempted = { readonly value: TargetCheck } | { readonly error: unknown }
/** By target, and request. */
type Together = ReadonlyMap<string, ReadonlyMap<string, Attempted>>

/** Stores that look for many persons in one pass. */
async function checkTogether(context: PrivacyContext, open: readonly OpenRequest[]): Promise<Together> {
  const together = new Map<string, Map<string, Attempted>>()
  for (const { name, verifyAll } of context.targets) {
    if (verifyAll === undefined) continue
    const due = open.filter(({ erasure }) => {
      const store = erasure.stores[name]
      return store !== undefined && store.verified?.remaining !== 0
    })
    if (due.length === 0) continue
    const checked = await attempt(() => verifyAll(due.map(({ subject }) => subject)))
    const results = due.map(({ request }, index): [string, Attempted] => [
      request.requestId,
      'error' in checked ? checked : { value: checked.value[index] ?? { remaining: 0, method: 'declared' } },
    ])
    together.set(name, new Map(results))
  }
  return together
}

async function verifyOne(
  context: PrivacyContext,
  one: OpenRequest,
  together: Together,
  call: PrivacyCall,
): Promise<void> {
  const { request, erasure, subject } = one
  const pivot = pivotOf(request.kind)
  const local = await attempt(() => pivot.verify(context, erasure))
  for (const [name, before] of Object.entries(erasure.stores)) {
    if (before.verified?.remaining === 0) continue
    const target = context.targets.find((one) => one.name === name)
    const known = together.get(name)?.get(request.requestId)
    const check = async (): Promise<LocalCheck> => {
      if (known !== undefined) {
        if ('error' in known) throw known.error
        return known.value
      }
      if (target !== undefined) return target.verify(subject)
      if ('error' in local) throw local.error
      return local.value[name] ?? { remaining: 0, method: 'declared' }
    }
    const state = await looked(context, name, before, check, call)
    await context.engine.store.privacy.setStore(request.requestId, name, state)
    failpoint('erase.verified')
  }
}

async function looked(
  context: PrivacyContext,
  name: string,
  before: StoreState,
  check: () => Promise<LocalCheck>,
  call: PrivacyCall,
): Promise<StoreState> {
  const at = context.engine.now().toString()
  const logger = context.engine.logger.child('defacto.lifecycle')
  const result = await attempt(check)
  if ('error' in result) {
    if (call.signal?.aborted) throw result.error
    const error = codeOf(result.error)
    logger.warn('erasure waits for a store', { store: name, code: error })
    return { ...before, state: 'pending', error, attempts: before.attempts + 1, at }
  }
  const { remaining, method } = result.value
  if (remaining === 0) return { ...before, error: null, verified: { remaining, method }, at }
  logger.warn('erasure found something left', { store: name, remaining })
  return {
    ...before,
    state: 'pending',
    error: LEFT,
    attempts: before.attempts + 1,
    verified: { remaining, method },
    at,
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}
