/**
 * The transaction of an erasure (spec 05 §4.3 step 2): ledger, identity and state of every version lose the person at once,
 * and those who shared events with it are rebuilt from what stays. Before it nothing has changed; behind it nobody finds the
 * person in the database.
 */
import type { Unit } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import { type ErasedSet, erasedSet } from './erase-set.ts'
import { eraseAgain, verifyErased } from './erase-verify.ts'
import { parts } from './parts.ts'
import type { FreezeWork, Pivot, PivotWork } from './pivot.ts'
import { followTokens, pivotUnit } from './pivot-unit.ts'
import { rebuildOthers } from './rebuild-others.ts'
import { frozenSubject } from './subject.ts'

export const erasePivot: Pivot = {
  async prepare(work: FreezeWork) {
    const set = await erasedSet(work)
    return { rows: set.rows, pivot: (pivot) => erase(pivot, set) }
  },
  subject: (context, erasure) => frozenSubject(context.digests, erasure),
  verify: verifyErased,
  repeat: eraseAgain,
}

async function erase(work: PivotWork, set: ErasedSet): Promise<void> {
  const { context, erasure, request } = work
  const { engine, digests } = context
  const { store } = engine
  const ids = erasure.entities.map(({ id }) => id)
  const repeated = { own: [...set.own, ...set.shared], known: new Set([...erasure.emptied, ...set.kept]) }
  await pivotUnit(work, repeated, async (unit, editions) => {
    const emptied = await emptyRows(work, set, unit)
    for (const rows of parts(set.changes)) await store.ledger.treat(unit, rows)
    if (request.options.suppress && erasure.emptied.length > 0) await store.ledger.guard(unit, { suppressing: true })

    const identities = await store.identity.erase(unit, ids)
    await followTokens(engine, unit, set.tokens)
    const { rows: histories, checkpoints } = await forgetStates(work, editions, set, unit)
    const subject = frozenSubject(digests, erasure)
    const letters = await store.log.letters.erase(unit, subject)
    const inbox = await store.log.inputs.eraseInbox(unit, subject)
    const samples = await store.log.checks.eraseSamples(unit, ids)

    const deleted = (items: number) => ({ action: 'deleted', items }) as const
    return {
      counts: {
        entities: erasure.entities.length,
        eventsDeleted: emptied,
        eventsScrubbed: erasure.treated.length,
        mergeLog: identities.mergeLog,
        fields: set.fields,
      },
      stores: {
        ledger: { action: emptied > 0 ? 'deleted' : 'scrubbed', items: emptied + set.changes.length },
        identity: deleted(identities.hints + identities.mappings + identities.mergeLog),
        history: deleted(histories),
        checkpoints: deleted(checkpoints),
        dead_letters: deleted(letters),
        inbox: deleted(inbox),
        checks: { action: 'scrubbed', items: samples },
      },
    }
  })
}

async function emptyRows(
  { context, erasure, request }: PivotWork,
  { eventDigests }: ErasedSet,
  unit: Unit,
): Promise<number> {
  const { ledger } = context.engine.store
  const digestOf = (sequence: number): string | null =>
    request.options.suppress ? (eventDigests.get(sequence) ?? null) : null
  let emptied = 0
  for (const sequences of parts(erasure.emptied)) {
    emptied += await ledger.empty(
      unit,
      sequences.map((sequence) => ({ sequence, digest: digestOf(sequence) })),
    )
  }
  return emptied
}

/** Histories, edges and checkpoints of every version, live and in the making. */
async function forgetStates(
  { context, erasure }: PivotWork,
  editions: readonly Edition[],
  set: ErasedSet,
  outer: Unit,
): Promise<{ rows: number; checkpoints: number }> {
  const { store } = context.engine
  const ids = erasure.entities.map(({ id }) => id)
  let rows = 0
  let checkpoints = 0
  for (const edition of editions) {
    const { layout } = edition.program
    const unit = { ...outer, version: edition.version }
    checkpoints += (await store.checkpoints.load(unit, edition.version, ids)).size
    for (const entities of parts(erasure.entities)) {
      rows += await store.history.remove(unit, layout, entities)
      rows += await store.history.remove(unit, layout, entities, 'shadow')
    }
    await store.checkpoints.remove(unit, ids)
    await rebuildOthers(context, edition, unit, set.others)
    await store.builds.renew(unit)
  }
  return { rows, checkpoints }
}
