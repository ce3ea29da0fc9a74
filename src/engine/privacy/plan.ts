/** What an erasure would change, and what is in its way; changes nothing (spec 10 §10: `erase plan`). */
import type { Erasure, FrozenEntity } from '../../ports/privacy.ts'
import type { ExportMention } from '../../results.ts'
import type { PrivacyContext } from './context.ts'
import { erasedSet } from './erase-set.ts'
import { exportMentions, exportsOf } from './exports.ts'
import { heldBy } from './holds.ts'
import { frozenSubject } from './subject.ts'
import { unknownEntity } from './unknown.ts'

export interface ErasurePlan {
  /** Who survives of those merged. */
  readonly entityId: string
  readonly entities: readonly FrozenEntity[]
  /** Events that only this person has, repeats included, and those of others that lose its fields. */
  readonly eventsDeleted: number
  readonly eventsScrubbed: number
  /** Others that are rebuilt from what is left of shared events. */
  readonly others: readonly FrozenEntity[]
  /** Events that nobody has interpreted yet: those of the person among them are not counted. */
  readonly uninterpreted: number
  /** Items by store. */
  readonly stores: Readonly<Record<string, number>>
  readonly exports: readonly ExportMention[]
  /** Ids of holds that keep it from being carried out. */
  readonly holds: readonly string[]
  readonly approvalRequired: boolean
}

export async function planErasure(context: PrivacyContext, entityId: string): Promise<ErasurePlan> {
  const { engine, policy } = context
  const { store } = engine
  const entities = await store.identity.family(null, entityId)
  const [survivor] = entities
  if (survivor === undefined) throw unknownEntity(entityId)
  const head = await store.ledger.head()
  const editions = await context.editions()
  const set = await erasedSet({ context, entities, head })
  const ids = entities.map(({ id }) => id)
  const exportIds = await exportsOf(context, entities)
  const now = engine.now().toString()
  const frozen: Erasure = {
    erasureId: '',
    requestId: '',
    kind: 'erase',
    entities,
    ...set.rows,
    exports: exportIds,
    stores: {},
    counts: { entities: 0, eventsDeleted: 0, eventsScrubbed: 0, mergeLog: 0, fields: 0 },
    ledgerHead: head,
    versions: editions.map(({ version }) => version),
    startedAt: now,
    pivotAt: null,
    closedAt: null,
  }
  const subject = frozenSubject(context.digests, frozen)
  const { letters, inputs, checks } = store.log
  let checkpoints = 0
  for (const { version } of editions) checkpoints += (await store.checkpoints.load(null, version, ids)).size
  const stores: Record<string, number> = {
    ledger: set.rows.emptied.length + set.rows.treated.length,
    identity: (await store.identity.hintsOf(null, ids)).length,
    checkpoints,
    dead_letters: await letters.concerning(null, subject),
    inbox: await inputs.inboxOf(null, subject),
    checks: await checks.samplesOf(null, ids),
  }
  for (const target of context.targets) stores[target.name] = await target.plan(subject)
  const held = await heldBy(context, entities, now)
  return {
    entityId: survivor.id,
    entities,
    eventsDeleted: set.rows.emptied.length,
    eventsScrubbed: set.rows.treated.length,
    others: set.others,
    uninterpreted: Math.max(0, head - (await store.mapping.state()).mappedUpto),
    stores,
    exports: await exportMentions(context, exportIds),
    holds: held.map(({ hold }) => hold.holdId),
    approvalRequired: policy.approval === 'required',
  }
}
