/** Full builds into a shadow, and identity resets (spec 04 §4.4, §5.4). */
import { type Actor, fenced, resetAfter } from './pass-actions.ts'
import { mappingLocked, type Steps, safeHead, withPair } from './shared-actions.ts'
import {
  bagOf,
  COMMITTED,
  type Configuration,
  effective,
  FULL,
  has,
  INCREMENTAL,
  ownerOf,
  RESET,
  RESETTING,
  type Regrouped,
  replaced,
  type State,
  withoutSlots,
  withProcess,
  withShard,
} from './state.ts'

/** Begins the replay beside the live state, or goes on with the one there is: entity by entity, then the swap. */
export function fullBuild(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { index, process, shard, own } = me
  if (process.job !== null || process.pass?.mode !== FULL) return
  const { broken } = configuration
  const { shadow } = own
  const stale = shadow !== null && broken !== 'shadowAcrossReset' && resetAfter(state, shadow.changeCursor)
  if (shadow === null || stale) {
    const empty = own.bags.map(() => 0)
    const begun = { upTo: state.mappedUpto, changeCursor: state.feed.length, after: 0, bags: empty }
    steps.push({ action: `ShadowBegin(p${index})`, fair: true, state: withShard(state, shard, { shadow: begun }) })
    return
  }
  for (let id = shadow.after + 1; id < state.next; id++) {
    const bag = bagOf(state, id, shadow.upTo)
    if (bag === 0 || ownerOf(id, configuration) !== shard) continue
    const grown = { ...shadow, after: id, bags: replaced(shadow.bags, id - 1, bag) }
    steps.push({
      action: `ShadowEntity(p${index}, ${id})`,
      fair: true,
      state: withShard(state, shard, { shadow: grown }),
    })
    return
  }
  const { upTo: cursor, bags } = shadow
  const changeCursor =
    broken === 'swapTakesFeedEnd'
      ? state.feed.length
      : broken === 'swapKeepsChangeCursor'
        ? own.changeCursor
        : shadow.changeCursor
  const swapped = withShard(state, shard, { cursor, changeCursor, bags, shadow: null })
  const mode = broken === 'swapKeepsChangeCursor' && resetAfter(state, changeCursor) ? FULL : INCREMENTAL
  const pass = { mode, cursor, changeCursor, drop: 0 }
  steps.push({ action: `Swap(p${index})`, fair: true, state: withProcess(swapped, index, { pass, memory: bags }) })
}

/** The shared part of a reset: regroup from the whole ledger, store, map again. Every shard builds anew after it. */
export function reset(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { index, process } = me
  const { pass, job } = process
  if (pass?.mode !== RESETTING) return
  if (fenced(state, configuration, me)) return
  if (job === null && pass.drop > 0) {
    const upTo = safeHead(state, configuration)
    const next = withProcess(state, index, {
      job: { kind: 'regroup', upTo, regrouped: regroup(state, pass.drop, upTo) },
    })
    steps.push({ action: `RegroupRead(p${index})`, fair: true, state: next })
  }
  if (job?.kind === 'regroup' && !mappingLocked(state)) {
    const next: State = {
      ...state,
      ...job.regrouped,
      log: state.log.map((entry) => ({ ...entry, entity: 0 })),
      feed: [...state.feed, { kind: RESET, id: 0, into: 0 }],
      dropped: pass.drop,
      mappedUpto: 0,
      resetUpTo: job.upTo,
    }
    const begun = withProcess(next, index, { job: null, pass: { ...pass, drop: 0 } })
    steps.push({ action: `RegroupCommit(p${index})`, fair: true, state: begun })
  }
  if (job === null && pass.drop === 0 && state.mappedUpto >= state.resetUpTo) {
    const next = withProcess({ ...withoutSlots(state, index), resetUpTo: 0 }, index, { pass: null })
    steps.push({ action: `ResetEnd(p${index})`, fair: true, state: next })
  }
}

/** Components of all hints under the new rules, with stable ids: the smallest old id all of whose hints went there. */
function regroup(state: State, drop: number, upTo: number): Regrouped {
  let components: number[] = []
  const join = (hints: number): void => {
    if (hints === 0) return
    const joined = components.filter((one) => (one & hints) !== 0).reduce((mask, one) => mask | one, hints)
    components = [...components.filter((one) => (one & hints) === 0), joined]
  }
  for (const { hints, by } of state.log.slice(0, upTo)) if (by === COMMITTED) join(effective(hints, drop))
  for (const [from, into] of state.joins) {
    const there = components.reduce((mask, one) => mask | one, 0)
    const sides = [lowest(from & there), lowest(into & there)]
    if (!sides.includes(0)) join((sides[0] as number) | (sides[1] as number))
  }
  components.sort((a, b) => lowest(a) - lowest(b))

  const homes = new Map<number, number | null>()
  for (const [at, id] of state.idOf.entries()) {
    const home = components.find((one) => has(one, at + 1))
    if (id === 0 || home === undefined) continue
    homes.set(id, homes.has(id) && homes.get(id) !== home ? null : home)
  }
  let { next, pairs } = state
  const idOf = state.idOf.map(() => 0)
  const ids = components.map((component) => {
    const kept = [...homes].filter(([, home]) => home === component).map(([id]) => id)
    return kept.length > 0 ? Math.min(...kept) : next++
  })
  for (const [at, component] of components.entries()) {
    for (let hint = 1; hint <= idOf.length; hint++) if (has(component, hint)) idOf[hint - 1] = ids[at] as number
  }
  for (const [id, home] of homes) {
    const into = home === null ? undefined : ids[components.indexOf(home)]
    if (into !== undefined && into !== id) pairs = withPair(pairs, id, into)
  }
  pairs = pairs.filter(([loser]) => !idOf.includes(loser))
  return { idOf, next, pairs }
}

/** The lowest hint of a set, as a set. */
const lowest = (mask: number): number => mask & -mask
