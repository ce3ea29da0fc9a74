/**
 * Fixing what a request concerns before anything changes (spec 10 §10.2 step 2), so that no later step needs what is gone by
 * then. Repeated before the pivot it adds what merged or arrived meanwhile.
 */
import type { Erasure, ErasureRequest } from '../../ports/privacy.ts'
import { failpoint } from '../failpoint.ts'
import { mapUpTo } from '../mapping.ts'
import type { Slot } from '../slot.ts'
import { BuildTally } from '../tally.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import { exportsOf } from './exports.ts'
import { pivotOf } from './kinds.ts'
import { obstacles } from './obstacles.ts'
import type { FreezeWork, Prepared } from './pivot.ts'

/** A request as it was fixed, with what the pivot in the same hold of the slot goes on from. */
export interface Frozen {
  readonly work: FreezeWork
  readonly erasure: Erasure
  readonly prepared: Prepared
}

/** Fixes the request and stores that; null: something stands in its way by now. The caller holds the whole state. */
export async function freeze(
  context: PrivacyContext,
  slot: Slot,
  request: ErasureRequest,
  call: PrivacyCall,
): Promise<Frozen | null> {
  const { engine } = context
  const { store } = engine
  const head = await store.ledger.head()
  await mapUpTo(engine, context.working(), slot, head, new BuildTally())
  const { waitingFor, entities } = await obstacles(context, request)
  if (waitingFor.length > 0) {
    const status = waitingFor.includes('approval') ? 'requested' : 'held'
    await store.privacy.change(request.requestId, { status, waitingFor }, { from: ['approved', 'frozen'] })
    return null
  }
  const work: FreezeWork = { context, slot, request, entities, head, call }
  const prepared = await pivotOf(request.kind).prepare(work)
  const known = await store.privacy.erasure(request.requestId)
  const erasure: Erasure = {
    erasureId: known?.erasureId ?? `e_${request.requestId.slice(2)}`,
    requestId: request.requestId,
    kind: request.kind,
    entities,
    ...prepared.rows,
    exports: await exportsOf(context, entities),
    stores: {},
    counts: { entities: entities.length, eventsDeleted: 0, eventsScrubbed: 0, mergeLog: 0, fields: 0 },
    ledgerHead: head,
    versions: (await store.versions.list()).map(({ version }) => version).sort(),
    startedAt: known?.startedAt ?? engine.now().toString(),
    pivotAt: null,
    closedAt: null,
  }
  await slot.unit('', async (unit) => {
    await store.privacy.freeze(unit, erasure)
    const change = { status: 'frozen', waitingFor: [], retryAt: null, holdsCheckedAt: unit.now.toString() } as const
    await store.privacy.change(request.requestId, change, { from: ['approved', 'frozen'], unit })
    failpoint('erase.frozen')
  })
  failpoint('erase.freeze.committed')
  return { work, erasure, prepared }
}
