/** What must hold in every state, between every two, and at the end (spec 04 §6.3, §6.4). */
import { nextMode } from './pass-actions.ts'
import { safeHead } from './shared-actions.ts'
import {
  type Bags,
  bagOf,
  COMMITTED,
  type Configuration,
  ERASE,
  effective,
  GAP,
  has,
  isLoser,
  ownerOf,
  RESET,
  RESETTING,
  type State,
} from './state.ts'

type Invariant = (state: State, configuration: Configuration) => boolean

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
const idsOf = (state: State): number[] => numbers(1, state.next - 1)

/** Memory of a process counts while it may use it: in a pass, with its shard's slot in hand. */
function memories(state: State, configuration: Configuration): { shard: number; bags: Bags; upTo: number }[] {
  const stored = state.shards.map(({ bags, changeCursor }, shard) => ({ shard, bags, upTo: changeCursor }))
  const live = state.processes.flatMap(({ pass, memory }, index) => {
    const shard = configuration.processes[index] as number
    const holds = pass !== null && pass.mode !== RESETTING && state.shards[shard]?.slot.holder === index + 1
    return holds && memory !== null ? [{ shard, bags: memory, upTo: state.shards[shard]?.changeCursor ?? 0 }] : []
  })
  return [...stored, ...live]
}

export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  TypesOk: (state, { ids }) =>
    state.next <= ids + 1 &&
    state.idOf.every((id) => id < state.next) &&
    state.mappedUpto <= state.log.length &&
    state.log.every(({ hints, entity, by }, index) => {
      const mapped = by === COMMITTED && index < state.mappedUpto && effective(hints, state.dropped) !== 0
      return entity === 0 || (entity < state.next && mapped)
    }) &&
    state.shards.every(({ cursor, changeCursor }) => cursor <= state.log.length && changeCursor <= state.feed.length),

  NoHintToLoser: (state) => state.idOf.every((id) => !isLoser(state, id)),

  NoEventOfLoser: (state) => state.log.every(({ entity }) => !isLoser(state, entity)),

  ValidMergePairs: (state) =>
    state.pairs.every(
      ([loser, winner]) => loser !== winner && loser > 0 && winner > 0 && Math.max(loser, winner) < state.next,
    ),

  MemoryOwned: (state, configuration) =>
    memories(state, configuration).every(({ shard, bags }) =>
      bags.every((bag, index) => bag === 0 || ownerOf(index + 1, configuration) === shard),
    ),

  OneOwner: (state) => idsOf(state).every((id) => state.shards.filter(({ bags }) => bags[id - 1] !== 0).length <= 1),

  NoGap: (state, configuration) => everyEventMapped(state) && everyEventOnce(state, configuration),

  NoResurrection: (state, configuration) =>
    idsOf(state).every((id) => !has(state.erased, id) || staysAway(state, configuration, id)),

  NoLoserInMemory: (state, configuration) =>
    memories(state, configuration).every(({ bags, upTo }) =>
      state.feed.slice(0, upTo).every(({ kind, id }) => kind === RESET || bags[id - 1] === 0),
    ),

  AcyclicMerges: (state) => state.pairs.every(([loser]) => endsWell(state, loser)),

  SingleWinner: (state) =>
    state.log.every(
      ({ hints, entity }) =>
        entity === 0 || hintsIn(effective(hints, state.dropped), state).every((id) => id === entity),
    ) &&
    state.joins.every(([from, into]) => {
      const [one] = hintsIn(from, state)
      const [other] = hintsIn(into, state)
      return one === undefined || other === undefined || one === other
    }),
}

function hintsIn(mask: number, state: State): number[] {
  return state.idOf.filter((id, index) => has(mask, index + 1) && id !== 0)
}

/** Canonical events that mapping has passed are mapped, except those an erasure emptied. */
function everyEventMapped(state: State): boolean {
  return state.log.every(({ hints, entity, by }, index) => {
    if (index >= state.mappedUpto || by === GAP) return true
    return by === COMMITTED && (entity !== 0) === (effective(hints, state.dropped) !== 0)
  })
}

/**
 * At or below a shard's cursor, every owned event is interpreted exactly once into its entity, and nothing else is. Changes
 * the shard has not applied yet are its pending work: they excuse the entities they name, a reset excuses all.
 */
function everyEventOnce(state: State, configuration: Configuration): boolean {
  return state.shards.every(({ cursor, changeCursor, bags }, shard) => {
    const pending = state.feed.slice(changeCursor)
    if (pending.some(({ kind }) => kind === RESET)) return true
    return idsOf(state).every((id) => {
      if (pending.some((change) => change.id === id || change.into === id)) return true
      const owned = ownerOf(id, configuration) === shard
      return bags[id - 1] === (owned ? bagOf(state, id, cursor) : 0)
    })
  })
}

function staysAway(state: State, configuration: Configuration, id: number): boolean {
  const change = state.feed.findIndex((one) => one.kind === ERASE && one.id === id) + 1
  const known = (upTo: number): boolean => change === 0 || upTo >= change
  return (
    !state.idOf.includes(id) &&
    !state.log.some(({ entity }) => entity === id) &&
    !state.processes.some(({ cache, cacheSeen }) => cache.includes(id) && known(cacheSeen)) &&
    !memories(state, configuration).some(({ bags, upTo }) => bags[id - 1] !== 0 && known(upTo)) &&
    !state.shards.some(({ shadow }) => shadow !== null && shadow.bags[id - 1] !== 0 && known(shadow.changeCursor))
  )
}

/** One row per loser, and the way ends at an id that owns hints or was erased, or that a reset left without hints. */
function endsWell(state: State, loser: number): boolean {
  if (state.pairs.filter(([id]) => id === loser).length !== 1) return false
  let id = loser
  for (let steps = 0; steps <= state.pairs.length; steps++) {
    const pair = state.pairs.find(([from]) => from === id)
    if (pair === undefined) {
      return state.idOf.includes(id) || has(state.erased, id) || state.feed.some(({ kind }) => kind === RESET)
    }
    id = pair[1]
  }
  return false
}

/** What a step must not do. */
export const STEP_INVARIANTS: Readonly<Record<string, (before: State, after: State) => boolean>> = {
  CursorMonotone: (before, after) =>
    after.shards.every((shard, index) => {
      const was = before.shards[index]
      return was === undefined || (shard.cursor >= was.cursor && shard.changeCursor >= was.changeCursor)
    }),
  MappedMonotone: (before, after) =>
    after.mappedUpto >= before.mappedUpto || after.feed.slice(before.feed.length).some(({ kind }) => kind === RESET),
}

/** Where the system has come to rest (spec 04 §6.4, liveness). */
export const LIVENESS: Readonly<Record<string, Invariant>> = {
  TasksDone: (state) =>
    state.resetUpTo === 0 &&
    state.shards.every(({ changeCursor, shadow }) => {
      return changeCursor === state.feed.length && shadow === null
    }),
  CursorsAtHead: (state, configuration) => {
    const head = safeHead(state, configuration)
    const open = state.log.some(({ by }) => by !== COMMITTED && by !== GAP)
    return !open && state.mappedUpto === head && state.shards.every(({ cursor }) => cursor === head)
  },
  NoOrphans: (state) =>
    state.shards.every(({ bags }) =>
      bags.every((bag, index) => {
        return bag === 0 || state.log.some(({ entity }) => entity === index + 1)
      }),
    ),
  NothingHeld: (state, configuration) =>
    state.processes.every(({ pass, job }) => pass === null && job === null) &&
    state.shards.every(({ slot }, shard) => slot.holder === 0 && nextMode(state, configuration, shard) === 0),
}
