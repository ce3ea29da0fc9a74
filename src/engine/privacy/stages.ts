/**
 * The stages of a request (spec 10 §10.2): holds and approval, freeze, pivot, all other stores, verification, certificate.
 * Each is done for many requests at once, may be interrupted anywhere and repeated, and leaves the request where the next
 * call finds it. Before the pivot nothing has changed; behind it there is only the way forward.
 */
import { DefactoError, LockHeld, StorageError, UnreachableError } from '../../errors.ts'
import { type ErasureRequest, PAST_PIVOT, type RequestStatus } from '../../ports/privacy.ts'
import type { Slot } from '../slot.ts'
import { certify } from './certify.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import { freeze } from './freeze.ts'
import { obstacles } from './obstacles.ts'
import { BEFORE_PIVOT } from './requests.ts'
import { retryAfter } from './retry.ts'
import { runPivot } from './run-pivot.ts'
import { eraseTargets } from './stores.ts'
import { underState } from './under-state.ts'
import { unknownRequest } from './unknown.ts'
import { verifyRequests } from './verify.ts'

/** Where a request is after a call. */
export interface Advanced {
  readonly requestId: string
  readonly status: RequestStatus
  /** It is closed or refused; nothing is left to do. */
  readonly done: boolean
  /** When it is worth to look again; null: at once, or when somebody decides. */
  readonly retryAt: string | null
  /** `approval`, `hold:<id>`, `store:<name>` */
  readonly waitingFor: readonly string[]
}

/** One stage, or all of them, for a batch of requests; one answer per request, in their order. */
export type Stage = (
  context: PrivacyContext,
  requestIds: readonly string[],
  call: PrivacyCall,
) => Promise<readonly Advanced[]>

/** How often a store in which something was found is erased again at once. */
const ROUNDS = 3

/** Everything that can be done now, for every request as far as it gets. */
export const advance: Stage = async (context, requestIds, call) => {
  await prepare(context, requestIds, call)
  await eraseLocal(context, requestIds, call)
  for (let round = 0; round < ROUNDS; round += 1) {
    await eraseStores(context, requestIds, call)
    const found = await verifyStores(context, requestIds, call)
    if (found.every(({ status }) => status !== 'erasing')) break
  }
  return certifyAll(context, requestIds, call)
}

/** Approval, holds; everything in the ledger is interpreted, so that no event escapes. */
export const prepare: Stage = async (context, requestIds, call) => {
  const waiting = (await requestsOf(context, requestIds)).filter(isBeforePivot)
  let ready = false
  for (const request of waiting) ready = (await admit(context, request)) || ready
  if (ready) await interpretFirst(context, call)
  return answers(context, requestIds)
}

/** Fixes what each request concerns. Changes nothing but the journal. */
export const freezeAll: Stage = async (context, requestIds, call) => {
  await beforePivot(context, requestIds, call, async (slot, request) => {
    await freeze(context, slot, request, call)
  })
  return answers(context, requestIds)
}

/** Freezes and pivots under one hold of the slot, so that what merged or arrived meanwhile is in. */
export const eraseLocal: Stage = async (context, requestIds, call) => {
  await beforePivot(context, requestIds, call, (slot, request) => runPivot(context, slot, request, call))
  return answers(context, requestIds)
}

/** All targets, each once for the whole batch. */
export const eraseStores: Stage = async (context, requestIds, call) => {
  const open = (await requestsOf(context, requestIds)).filter(isOpenPastPivot)
  if (open.length > 0) await eraseTargets(context, open, call)
  return answers(context, requestIds)
}

/** Looks into every store; one where something is found goes back to the stage before. */
export const verifyStores: Stage = async (context, requestIds, call) => {
  const open = (await requestsOf(context, requestIds)).filter(isOpenPastPivot)
  if (open.length > 0) await verifyRequests(context, open, call)
  return answers(context, requestIds)
}

/** Certificate and end of those in which nothing is left. */
export const certifyAll: Stage = async (context, requestIds, call) => {
  for (const request of await requestsOf(context, requestIds)) {
    call.signal?.throwIfAborted()
    if (request.status !== 'verifying') continue
    const erasure = await context.engine.store.privacy.erasure(request.requestId)
    const stores = Object.values(erasure?.stores ?? {})
    if (stores.every(({ state, verified }) => state === 'done' && verified?.remaining === 0)) {
      await certify(context, request.requestId)
    }
  }
  return answers(context, requestIds)
}

/**
 * Goes on with what was interrupted behind its freeze, as every process does at its start and on each tick. Stores that did
 * not answer are asked when it is time; requests that a run of an orchestrator works on are left to it.
 */
export async function resumeOpen(context: PrivacyContext, call: PrivacyCall = {}): Promise<readonly Advanced[]> {
  const { privacy } = context.engine.store
  const now = context.engine.now().toString()
  const journals = await privacy.openErasures()
  const requests = await requestsOf(
    context,
    journals.map(({ requestId }) => requestId),
  )
  const due = requests.filter(({ status, runId, retryAt }) => {
    if (runId !== null || (retryAt !== null && retryAt > now)) return false
    return status === 'frozen' || (PAST_PIVOT.includes(status) && status !== 'closed')
  })
  if (due.length === 0) return []
  try {
    return await advance(
      context,
      due.map(({ requestId }) => requestId),
      call,
    )
  } catch (error) {
    if (call.signal?.aborted || !(error instanceof DefactoError)) throw error
    // Whoever only wants to work with the space is not kept from it; the next one tries again.
    context.engine.logger
      .child('defacto.lifecycle')
      .warn('open erasures could not be continued now', { requests: due.length, code: error.code })
    return []
  }
}

/** Runs `work` for every request that nothing stands in the way of, under one hold of the whole state. */
async function beforePivot(
  context: PrivacyContext,
  requestIds: readonly string[],
  call: PrivacyCall,
  work: (slot: Slot, request: ErasureRequest) => Promise<void>,
): Promise<void> {
  const ready = (await requestsOf(context, requestIds)).filter(isReady)
  if (ready.length === 0) return
  await underState(context, call, async (slot) => {
    for (const [index, { requestId }] of ready.entries()) {
      call.signal?.throwIfAborted()
      const request = await context.engine.store.privacy.request(requestId)
      if (request === undefined || !isReady(request)) continue
      try {
        await work(slot, request)
      } catch (error) {
        if (!isUnreachable(error)) throw error
        await postpone(context, request, error.code)
      }
      call.progress?.('erase', index + 1, ready.length)
    }
  })
}

/** The archive is asked before the pivot, too: what is shared with others has to be read. */
async function postpone(context: PrivacyContext, request: ErasureRequest, code: string): Promise<void> {
  const { privacy } = context.engine.store
  const before = request.retryAt === null ? 0 : Number(request.waitingFor.includes('store:cold'))
  const change = { waitingFor: ['store:cold'], retryAt: retryAfter(context.engine.now(), before + 1) }
  await privacy.change(request.requestId, change, { from: BEFORE_PIVOT })
  context.engine.logger
    .child('defacto.lifecycle')
    .warn('erasure waits for a store', { request: request.requestId, store: 'cold', code })
}

/** Looks whether anything stands in the way, and says so in the request; true: nothing does. */
async function admit(context: PrivacyContext, request: ErasureRequest): Promise<boolean> {
  const { privacy } = context.engine.store
  const { waitingFor } = await obstacles(context, request)
  const status = waitingFor.includes('approval') ? 'requested' : waitingFor.length > 0 ? 'held' : readyStatus(request)
  const change = { status, waitingFor, retryAt: null, holdsCheckedAt: context.engine.now().toString() } as const
  await privacy.change(request.requestId, change, { from: BEFORE_PIVOT })
  return waitingFor.length === 0
}

function readyStatus({ status }: ErasureRequest): RequestStatus {
  return status === 'frozen' ? 'frozen' : 'approved'
}

/** Whoever holds the slot interprets, too, and the freeze makes sure of what this did not get. */
async function interpretFirst(context: PrivacyContext, call: PrivacyCall): Promise<void> {
  try {
    await context.interpret(call.signal)
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error
  }
}

async function requestsOf(context: PrivacyContext, requestIds: readonly string[]): Promise<readonly ErasureRequest[]> {
  const found: ErasureRequest[] = []
  for (const requestId of requestIds) {
    const request = await context.engine.store.privacy.request(requestId)
    if (request === undefined) throw unknownRequest(requestId)
    found.push(request)
  }
  return found
}

async function answers(context: PrivacyContext, requestIds: readonly string[]): Promise<readonly Advanced[]> {
  return (await requestsOf(context, requestIds)).map(({ requestId, status, retryAt, waitingFor }) => ({
    requestId,
    status,
    done: status === 'closed' || status === 'refused',
    retryAt,
    waitingFor,
  }))
}

function isBeforePivot({ status }: ErasureRequest): boolean {
  return BEFORE_PIVOT.includes(status)
}

function isReady({ status }: ErasureRequest): boolean {
  return status === 'approved' || status === 'frozen'
}

function isOpenPastPivot({ status }: ErasureRequest): boolean {
  return PAST_PIVOT.includes(status) && status !== 'closed'
}

function isUnreachable(error: unknown): error is StorageError | UnreachableError {
  return (error instanceof StorageError || error instanceof UnreachableError) && error.recoverable
}
