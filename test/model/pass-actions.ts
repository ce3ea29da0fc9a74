/** Passes: how a process takes its shard's slot, what for, and how it loses or gives back the slot (spec 04 §4.3, 10 §4.4). */
import { type Steps, safeHead } from './shared-actions.ts'
import {
  type Configuration,
  FULL,
  INCREMENTAL,
  type Pass,
  type Process,
  RESET,
  RESETTING,
  type Shard,
  type State,
  withoutSlots,
  withProcess,
} from './state.ts'

export interface Actor {
  readonly index: number
  readonly process: Process
  readonly shard: number
  readonly own: Shard
}

export function actor(state: State, configuration: Configuration, index: number): Actor {
  const shard = configuration.processes[index - 1] as number
  return {
    index,
    process: state.processes[index - 1] as Process,
    shard,
    own: state.shards[shard] as Shard,
  }
}

const pending = (state: State, after: number) => state.feed.slice(after)
export const resetAfter = (state: State, after: number): boolean =>
  pending(state, after).some(({ kind }) => kind === RESET)

/** What a pass of this shard would do now (04 §4.3); 0: nothing. */
export function nextMode(state: State, configuration: Configuration, shard: number): number {
  const { cursor, changeCursor, shadow } = state.shards[shard] as Shard
  if (state.resetUpTo > 0) return RESETTING
  if (resetAfter(state, changeCursor) || shadow !== null) return FULL
  const known = configuration.broken === 'passOnlyIfMapped' ? state.mappedUpto : safeHead(state, configuration)
  if (known > cursor) return INCREMENTAL
  if (pending(state, changeCursor).length > 0 && configuration.broken !== 'feedNotPolled') return INCREMENTAL
  return 0
}

/** Shards whose slots a process in this mode works under. */
function slotsFor(state: State, configuration: Configuration, mode: number, shard: number): number[] {
  const all = mode === RESETTING && configuration.broken !== 'resetNotCoordinated'
  return all ? state.shards.map((_, at) => at) : [shard]
}

/** Whether another process took over a slot that this one works under: its transactions fail from then on. */
export function fenced(state: State, configuration: Configuration, { index, process, shard }: Actor): boolean {
  const { broken } = configuration
  if (broken === 'noFence' || process.pass === null) return false
  const slots = broken === 'resetFencesOwnSlot' ? [shard] : slotsFor(state, configuration, process.pass.mode, shard)
  return slots.some((at) => state.shards[at]?.slot.holder !== index)
}

/** The holder has an open transaction, which locks the row of its slot. */
function fenceHeld(state: State, configuration: Configuration, shard: number): boolean {
  if (configuration.broken === 'noFence' || configuration.broken === 'fenceNotHeld') return false
  const holder = state.processes[(state.shards[shard]?.slot.holder ?? 0) - 1]
  return holder?.job?.kind === 'map' || holder?.job?.kind === 'chunk' || holder?.job?.kind === 'apply'
}

/** Takes the slot (a reset: every slot) and reads where to go on. */
export function passBegin(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const { process, shard, own } = actor(state, configuration, index)
  if (process.pass !== null || process.job !== null) return
  const mode = nextMode(state, configuration, shard)
  const needed = (wanted: number): number[] => slotsFor(state, configuration, wanted, shard)
  const taken = (wanted: number): number[] => needed(wanted).filter((at) => state.shards[at]?.slot.holder !== 0)
  const begin = (label: string, wanted: number, fair: boolean, left: Partial<State['left']>, drop = 0): void => {
    const slots = needed(wanted)
    // The state of all shards is a slot of its own; who held a shard's own slot last stays known.
    const shards = state.shards.map((one, at) => {
      const last = wanted === RESETTING ? one.slot.last : index
      return slots.includes(at) ? { ...one, slot: { holder: index, last } } : one
    })
    const valid = process.memory !== null && (own.slot.last === index || configuration.broken === 'memoryKept')
    const memory = valid || wanted === RESETTING ? process.memory : own.bags
    const { cursor, changeCursor } = own
    const pass: Pass = { mode: wanted, cursor, changeCursor, drop }
    const next = withProcess(state, index, { pass, memory })
    steps.push({ action: label, fair, state: { ...next, shards, left: { ...state.left, ...left } } })
  }
  if (mode !== 0) {
    const busy = taken(mode)
    const label = `PassBegin(p${index}, ${['', 'incremental', 'full', 'reset'][mode]})`
    if (busy.length === 0) begin(label, mode, true, {})
    // The holders are taken for dead, but are only slow.
    else if (state.left.takeovers > 0 && !busy.some((at) => fenceHeld(state, configuration, at))) {
      if (!busy.some((at) => state.shards[at]?.slot.holder === index)) {
        begin(`Takeover(p${index}, ${['', 'incremental', 'full', 'reset'][mode]})`, mode, false, {
          takeovers: state.left.takeovers - 1,
        })
      }
    }
  }
  if (mode !== RESETTING && state.left.fulls > 0 && taken(FULL).length === 0) {
    begin(`AskFull(p${index})`, FULL, false, { fulls: state.left.fulls - 1 })
  }
  if (
    mode !== RESETTING &&
    state.left.resets > 0 &&
    taken(RESETTING).length === 0 &&
    safeHead(state, configuration) > 0
  ) {
    for (let drop = 1; drop <= state.used; drop++) {
      begin(`AskReset(p${index}, without ${drop})`, RESETTING, false, { resets: state.left.resets - 1 }, drop)
    }
  }
}

/** Gives the slot back when nothing is left to do. */
export function passEnd(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { index, process, shard } = me
  if (process.job !== null || process.pass?.mode !== INCREMENTAL || fenced(state, configuration, me)) return
  if (nextMode(state, configuration, shard) !== 0) return
  const next = withProcess(withoutSlots(state, index), index, { pass: null })
  steps.push({ action: `PassEnd(p${index})`, fair: true, state: next })
}

/** A transaction would fail: the pass is over, and what it still holds is given back. */
export function abandon(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { job } = me.process
  if (!fenced(state, configuration, me) || (job !== null && job.kind !== 'regroup')) return
  const next = withProcess(withoutSlots(state, me.index), me.index, { pass: null, job: null })
  steps.push({ action: `Abandon(p${me.index})`, fair: true, state: next })
}

/** The process dies: transactions roll back, memory and caches are gone, slots run out. */
export function crash(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const { process } = actor(state, configuration, index)
  const blank = process.pass === null && process.job === null && process.memory === null && process.cacheSeen === 0
  if (state.left.crashes === 0 || (blank && process.cache.every((id) => id === 0))) return
  const cache = process.cache.map(() => 0)
  const restarted = withProcess(state, index, { pass: null, job: null, memory: null, cache, cacheSeen: 0 })
  const left = { ...state.left, crashes: state.left.crashes - 1 }
  const next = configuration.broken === 'slotNeverExpires' ? restarted : withoutSlots(restarted, index)
  steps.push({ action: `Crash(p${index})`, fair: false, state: { ...next, left } })
}
