/** From the freeze through the pivot in one hold of the state, so that nothing can come between (spec 05 §4.3 step 2). */
import type { Erasure, ErasureRequest, StoreAction, StoreState } from '../../ports/privacy.ts'
import type { Unit } from '../../ports/store.ts'
import { failpoint } from '../failpoint.ts'
import type { Slot } from '../slot.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import { type Frozen, freeze } from './freeze.ts'
import { obstacles } from './obstacles.ts'
import { MoreRows } from './pivot.ts'

/** Something came in the way between freeze and pivot: a hold, a refusal. */
class Stopped extends Error {}

export async function runPivot(
  context: PrivacyContext,
  slot: Slot,
  request: ErasureRequest,
  call: PrivacyCall,
): Promise<void> {
  for (;;) {
    const frozen = await freeze(context, slot, request, call)
    if (frozen === null) return
    try {
      await commit(context, frozen)
      return
    } catch (error) {
      if (error instanceof Stopped) return
      if (!(error instanceof MoreRows)) throw error
    }
  }
}

async function commit(context: PrivacyContext, { work, erasure, prepared }: Frozen): Promise<void> {
  const { engine } = context
  const { privacy } = engine.store
  const { requestId } = work.request
  let counts = erasure.counts
  await prepared.pivot({
    ...work,
    erasure,
    recheck: async (unit: Unit) => {
      const request = await privacy.request(requestId, unit)
      if (request?.status !== 'frozen') throw new Stopped()
      const now = await obstacles(context, request, unit)
      if (now.waitingFor.length > 0 || !isSame(now.entities, erasure.entities)) throw new MoreRows()
    },
    pivoted: async (unit, counted, stores) => {
      counts = counted
      const at = unit.now.toString()
      const local = Object.entries(stores).map(([name, store]) => [name, doneAt(at, store)])
      const remote = context.targets.map(({ name }) => [name, PENDING])
      const pivoted: Erasure = {
        ...erasure,
        counts: counted,
        stores: Object.fromEntries([...remote, ...local]) as Record<string, StoreState>,
        pivotAt: at,
      }
      await privacy.freeze(unit, pivoted)
      const change = { status: 'erasing', waitingFor: [], retryAt: null, holdsCheckedAt: at } as const
      if ((await privacy.change(requestId, change, { from: ['frozen'], unit })) === null) throw new Stopped()
      failpoint('erase.written')
    },
  })
  failpoint('erase.committed')
  engine.logger.child('defacto.lifecycle').info(work.request.kind === 'redact' ? 'entity redacted' : 'entity erased', {
    request: requestId,
    entities: erasure.entities.map(({ id }) => id).slice(0, LOGGED),
    entities_erased: counts.entities,
    events_deleted: counts.eventsDeleted,
    events_scrubbed: counts.eventsScrubbed,
    merge_log_cleaned: counts.mergeLog,
  })
  await context.refresh()
}

/** Ids of one line. */
const LOGGED = 100

const PENDING: StoreState = {
  state: 'pending',
  action: 'deleted',
  items: 0,
  error: null,
  attempts: 0,
  verified: null,
  outstanding: [],
  at: null,
}

function doneAt(at: string, { action, items }: { readonly action: StoreAction; readonly items: number }): StoreState {
  return { ...PENDING, state: 'done', action, items, attempts: 1, at }
}

function isSame(a: Erasure['entities'], b: Erasure['entities']): boolean {
  return a.length === b.length && a.every(({ id }, index) => b[index]?.id === id)
}
