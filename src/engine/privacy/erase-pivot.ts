/**
 * The transaction of an erasure (spec 05 §4.3 step 2): ledger, identity and state of every version lose the person at once,
 * and those who shared events with it are rebuilt from what stays. Before it nothing has changed; behind it nobody finds the
 * person in the database.
 */
import { shardHash } from '../../core/shard.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { BuildState, HintRow, Unit } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import { ChunkWork, instantOrNull } from '../interpret-range.ts'
import { BuildTally } from '../tally.ts'
import { Targets } from '../targets.ts'
import type { PrivacyContext } from './context.ts'
import { type ErasedSet, erasedSet } from './erase-set.ts'
import { eraseAgain, verifyErased } from './erase-verify.ts'
import { type FreezeWork, MoreRows, type Pivot, type PivotWork } from './pivot.ts'
import { frozenSubject } from './subject.ts'

/** Rows of one statement. */
const ROWS = 5000

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
  const { context, slot, erasure, request } = work
  const { engine } = context
  const { store } = engine
  const editions = await context.editions()
  const ids = erasure.entities.map(({ id }) => id)
  // What this process remembers may be older than what it reads now, and is wrong afterwards.
  const forget = (): void => {
    for (const { version } of editions) engine.cache(version).clear()
  }
  forget()
  await slot.unit('', async (unit) => {
    await work.recheck(unit)
    // Whatever is appended from here on finds the tombstones.
    await store.ledger.holdAppends(unit)
    await store.mapping.lock(unit, { wait: true })
    await refuseMore(unit)
    const emptied = await emptyRows(unit)
    for (const rows of parts(set.changes)) await store.ledger.treat(unit, rows)
    if (request.options.suppress && erasure.emptied.length > 0) await store.ledger.guard(unit, { suppressing: true })

    const identities = await store.identity.erase(unit, ids)
    await followTokens(unit)
    const { rows: histories, checkpoints } = await forgetStates(work, editions, set, unit)
    const subject = frozenSubject(context.digests, erasure)
    const letters = await store.log.letters.erase(unit, subject)
    const inbox = await store.log.inputs.eraseInbox(unit, subject)
    const samples = await store.log.checks.eraseSamples(unit, ids)
    await store.locks.outdate(unit, 'state')
    await store.signals.send(unit)

    const counts = {
      entities: erasure.entities.length,
      eventsDeleted: emptied,
      eventsScrubbed: erasure.treated.length,
      mergeLog: identities.mergeLog,
      fields: set.fields,
    }
    const deleted = (items: number) => ({ action: 'deleted', items }) as const
    await work.pivoted(unit, counts, {
      ledger: { action: emptied > 0 ? 'deleted' : 'scrubbed', items: emptied + set.changes.length },
      identity: deleted(identities.hints + identities.mappings + identities.mergeLog),
      history: deleted(histories),
      checkpoints: deleted(checkpoints),
      dead_letters: deleted(letters),
      inbox: deleted(inbox),
      checks: { action: 'scrubbed', items: samples },
    })
  })
  forget()

  /** Repeats of the person's events may have been appended since they were frozen. */
  async function refuseMore(unit: Unit): Promise<void> {
    const known = new Set([...erasure.emptied, ...set.kept])
    for (const sequences of parts([...set.own, ...set.shared])) {
      for (const sequence of await store.ledger.repeatsOf(unit, sequences)) {
        if (!known.has(sequence)) throw new MoreRows()
      }
    }
  }

  async function emptyRows(unit: Unit): Promise<number> {
    let emptied = 0
    for (const sequences of parts(erasure.emptied)) {
      emptied += await store.ledger.empty(
        unit,
        sequences.map((sequence) => ({
          sequence,
          digest: request.options.suppress ? (set.eventDigests.get(sequence) ?? null) : null,
        })),
      )
    }
    return emptied
  }

  /** Others whose hints stood in a field of the person are found by tokens from now on. */
  async function followTokens(unit: Unit): Promise<void> {
    if (set.tokens.length === 0) return
    const keys = [...new Map(set.tokens.map((hint) => [JSON.stringify(hint), hint])).values()]
    const owners = await store.identity.lookup(unit, keys)
    const rows = keys.flatMap((hint, index): (HintRow & { token: string })[] => {
      const entityId = owners[index]
      return entityId === undefined ? [] : [{ ...hint, entityId }]
    })
    if (rows.length > 0) await store.identity.redact(unit, rows, false)
  }
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

/** Those who shared events with the person, from what is left of these; each as far as its part of the version is built. */
export async function rebuildOthers(
  context: PrivacyContext,
  edition: Edition,
  unit: Unit,
  others: readonly FrozenEntity[],
): Promise<void> {
  const { engine } = context
  const { builds, history } = engine.store
  if (others.length === 0) return
  // A full build in the making may have replayed some of them from what their events were.
  const ids = others.map(({ id }) => id)
  if (await builds.dropShadows(unit, ids)) {
    for (const entities of parts(others)) await history.remove(unit, edition.program.layout, entities, 'shadow')
  }
  for (const [state, own] of byState(await builds.all(edition.version, unit), others)) {
    const chunk = new ChunkWork(engine, edition, new Targets(engine), new BuildTally())
    const { cursor } = state
    const horizon = instantOrNull(state.tickHorizon)
    const options = { upTo: cursor, newAfter: cursor, horizon, generation: state.generation + 1 }
    await chunk.rebuild(unit, own, options)
    await chunk.write(unit)
  }
}

/** Which of them the state of each shard is about. */
function byState(states: readonly BuildState[], others: readonly FrozenEntity[]): Map<BuildState, string[]> {
  const found = new Map<BuildState, string[]>()
  for (const { id } of others) {
    const state = states[shardHash(id) % Math.max(1, states.length)]
    if (state === undefined || state.cursor === 0) continue
    found.set(state, [...(found.get(state) ?? []), id])
  }
  return found
}

/** Ids an erasure is about, in parts that statements take. */
export function* parts<T>(items: readonly T[]): Iterable<T[]> {
  for (let at = 0; at < items.length; at += ROWS) yield items.slice(at, at + ROWS)
}
