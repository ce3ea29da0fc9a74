/**
 * Merging two entities because somebody says so (spec 05 §3). The directive becomes an event of the ledger, so that whatever
 * groups the ledger anew applies it again.
 */
import { mergeDirective, mergeEventId } from '../core/directive.ts'
import { idDetails, named } from '../core/named-id.ts'
import { IdentityError, NotFoundError } from '../errors.ts'
import type { FrozenEntity } from '../ports/privacy.ts'
import type { Store, Unit } from '../ports/store.ts'
import type { MergeResult } from '../results.ts'
import { build, buildInSlot, nextMode } from './build.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import { type Slot, withWholeState } from './slot.ts'
import { BuildTally } from './tally.ts'

export interface MergeInput {
  readonly from: string
  readonly into: string
  readonly reason: string
}

/** As the public engine calls it. */
export function mergeEntities(
  engine: Engine,
  edition: Edition,
  from: string,
  into: string,
  options: { reason?: string; signal?: AbortSignal } = {},
): Promise<MergeResult> {
  return merge(engine, edition, { from, into, reason: options.reason ?? '' }, options.signal)
}

/**
 * Makes `from` part of `into`: identities, mappings, merge log and directive in one transaction, then the state of this
 * version; other versions and shards follow when they build. Asks whoever works on the state to hand over, and waits.
 * Interrupted in between, the next build of any process finishes it.
 * @throws IdentityError, NotFoundError
 */
export async function merge(
  engine: Engine,
  edition: Edition,
  input: MergeInput,
  signal?: AbortSignal,
): Promise<MergeResult> {
  if (input.from === input.into) throw new IdentityError(`entity '${input.from}' cannot be merged into itself`)
  for (;;) {
    const result = await withWholeState(engine, 'merge', signal, never, async (slot) => {
      if (engine.store.shard !== null && (await engine.store.mapping.state()).phase !== 'idle') return null
      return mergeInSlot(engine, edition, slot, input)
    })
    if (result !== null && result !== undefined) return result
    // A reset is half-way, which several shards do together.
    await build(engine, edition, { asOf: null, ...(signal === undefined ? {} : { signal }) })
  }
}

async function never(): Promise<boolean> {
  return false
}

/** The event that merged these two by hand; null: none did. The latest, where it was done more than once. */
export async function directiveOf(store: Store, from: string, into: string): Promise<string | null> {
  return (await directivesOf(store, from, into)).latest
}

/** What the directives about this pair are called: the latest there is, and one that would follow. */
async function directivesOf(
  { ledger }: Store,
  from: string,
  into: string,
): Promise<{ latest: string | null; next: string }> {
  let latest: string | null = null
  for (let time = 1; ; time += 1) {
    const next = mergeEventId(from, into, time)
    if ((await ledger.event({ eventId: next })) === undefined) return { latest, next }
    latest = next
  }
}

async function mergeInSlot(engine: Engine, edition: Edition, slot: Slot, input: MergeInput): Promise<MergeResult> {
  // Events that nobody has looked at may belong to either, and a merge that was interrupted is finished.
  await bringUpToDate(engine, edition, slot, new BuildTally())
  const { into, reason } = input
  const pair = await validated(engine.store, input)
  const nothing = { eventsReassigned: 0, entitiesRebuilt: 0, tombstonesProduced: 0, failures: [] }
  if ('noop' in pair) return { fromEntityId: pair.from, intoEntityId: into, ...nothing, noop: pair.noop }
  const from = pair.from.id
  const { next } = await directivesOf(engine.store, from, into)
  const eventsReassigned = await slot.unit(edition.version, (unit) =>
    record(engine.store, unit, { ...pair, reason, eventId: next }),
  )
  failpoint('merge.committed')
  const tally = new BuildTally()
  await bringUpToDate(engine, edition, slot, tally)
  const result = {
    fromEntityId: from,
    intoEntityId: into,
    eventsReassigned,
    entitiesRebuilt: tally.rebuilt.size,
    tombstonesProduced: tally.absorbed.size,
    failures: tally.failures,
  }
  engine.logger.child('defacto.lifecycle').info('entities merged', {
    from,
    into,
    events_reassigned: eventsReassigned,
    entities_rebuilt: result.entitiesRebuilt,
  })
  return result
}

async function bringUpToDate(engine: Engine, edition: Edition, slot: Slot, tally: BuildTally): Promise<void> {
  engine.cache(edition.version).validFor(slot.epoch)
  if ((await nextMode(engine, edition)).mode === 'SKIP') return
  await buildInSlot(engine, edition, slot, { asOf: null }, tally)
}

interface Pair {
  readonly from: FrozenEntity
  readonly into: FrozenEntity
}

/** The table of spec 05 §3.1. Nobody else changes identities while the whole state is held. */
async function validated(
  { identity, mapping }: Store,
  { from, into }: MergeInput,
): Promise<Pair | { from: string; noop: NonNullable<MergeResult['noop']> }> {
  const type = await mapping.entityType(into)
  if (type === undefined) {
    const survivor = await identity.survivorOf(into)
    const merged = survivor !== into && (await mapping.entityType(survivor)) !== undefined
    throw new NotFoundError(
      `there is no ${named('entity', into)}${merged ? `: it was merged into '${survivor}'; merge into that one` : ''}`,
      { details: { ...idDetails('entity', into), ...(merged ? { survivor } : {}) } },
    )
  }
  const [survivor] = await identity.family(null, from)
  if (survivor?.id === into) return { from, noop: 'already-merged' }
  if (survivor === undefined || survivor.type === '' || !(await owns(survivor.id))) {
    return { from, noop: 'unknown-source' }
  }
  if (survivor.type !== type) {
    throw new IdentityError(
      `entity '${survivor.id}' is of type '${survivor.type}' and '${into}' of type '${type}'; only entities of one type can be merged`,
      { details: { from: survivor.id, into, fromType: survivor.type, intoType: type } },
    )
  }
  return { from: survivor, into: { id: into, type } }

  async function owns(id: string): Promise<boolean> {
    if ((await mapping.entityType(id)) !== undefined) return true
    return (await identity.hintsOf(null, [id])).length > 0
  }
}

/** Everything that is shared by all versions. Returns how many mappings moved. */
async function record(
  { identity, ledger, mapping }: Store,
  unit: Unit,
  { from, into, reason, eventId }: Pair & { reason: string; eventId: string },
): Promise<number> {
  const directive = mergeDirective({
    eventId,
    timestamp: unit.now,
    from: from.id,
    into: into.id,
    reason,
    fromHints: await identity.hintsOf(unit, [from.id]),
    intoHints: await identity.hintsOf(unit, [into.id]),
  })
  const [appended] = await ledger.append(unit, [directive])
  await mapping.lock(unit, { wait: true })
  const moved = await identity.merge(unit, into.type, from.id, into.id, reason)
  if (appended !== undefined) {
    await mapping.write(unit, [{ sequence: appended.sequence, entityId: into.id, entityType: into.type }])
  }
  failpoint('merge.recorded')
  return moved
}
