/**
 * The state of the protocol model (`docs/protocol/defacto.tla` has the same variables under the same names).
 *
 * Hints, entity ids, sequences and processes are numbers from 1; 0 stands for "none". A set of hints or ids is a bit
 * mask. A bag tells how often each event has been interpreted into an entity: two bits per event, 0 = the entity is absent.
 */

import type { Switch } from './switches.ts'

export interface Entry {
  /** What the event says; emptied by an erasure. */
  readonly hints: number
  /** Entity the event is mapped to. */
  readonly entity: number
  /** Committed, a rolled-back append that left a gap, or the writer whose transaction holds the sequence. */
  readonly by: number
}
export const COMMITTED = 0
export const GAP = 9

export const MERGE = 1
export const ERASE = 2
export const RESET = 3
export interface Change {
  readonly kind: number
  readonly id: number
  readonly into: number
}

export type Bags = readonly number[]

export interface Slot {
  /** Whose chunks pass the fence. The epoch itself would grow for ever; that it is still mine is all that matters. */
  readonly holder: number
  /** Who held it last: a process whose successor is itself may keep its memory. */
  readonly last: number
}
export interface Shadow {
  readonly upTo: number
  readonly changeCursor: number
  /** Last entity replayed. */
  readonly after: number
  readonly bags: Bags
}
export interface Shard {
  readonly cursor: number
  readonly changeCursor: number
  /** Checkpoints and history, by entity. */
  readonly bags: Bags
  readonly shadow: Shadow | null
  readonly slot: Slot
}

export const INCREMENTAL = 1
export const FULL = 2
export const RESETTING = 3
export interface Pass {
  readonly mode: number
  /** The build state as the process read it. */
  readonly cursor: number
  readonly changeCursor: number
  /** Identity reset to begin: the hint that new rules ignore; 0: it is begun, or none. */
  readonly drop: number
}

/** What a process is in the middle of. `map`, `chunk` and `apply` are open transactions. */
export type Job =
  | { readonly kind: 'map'; readonly from: number; readonly to: number; readonly known: readonly number[] }
  | { readonly kind: 'cache'; readonly found: readonly number[] }
  | { readonly kind: 'chunk' | 'apply'; readonly to: number; readonly bags: Bags; readonly touched: number }
  | { readonly kind: 'history'; readonly to: number; readonly bags: Bags; readonly touched: number }
  | { readonly kind: 'regroup'; readonly upTo: number; readonly regrouped: Regrouped }
  | { readonly kind: 'merge'; readonly from: number; readonly into: number }
export interface Regrouped {
  readonly idOf: readonly number[]
  readonly next: number
  readonly pairs: readonly Pair[]
}

export interface Process {
  readonly pass: Pass | null
  readonly job: Job | null
  /** Entities in memory; null before they are loaded. */
  readonly memory: Bags | null
  /** Identity cache: hint → id, and the last change it has been corrected by. */
  readonly cache: readonly number[]
  readonly cacheSeen: number
}

export type Pair = readonly [loser: number, winner: number]
/** An explicit merge: hints of both sides as they were. */
export type Join = readonly [from: number, into: number]

export interface Budgets {
  readonly crashes: number
  readonly merges: number
  readonly erases: number
  readonly resets: number
  readonly fulls: number
  readonly takeovers: number
}

export interface State {
  readonly log: readonly Entry[]
  /** Hints seen so far; new ones come in order, which loses nothing because hints differ in nothing else. */
  readonly used: number
  readonly idOf: readonly number[]
  readonly next: number
  readonly pairs: readonly Pair[]
  readonly feed: readonly Change[]
  readonly erased: number
  readonly joins: readonly Join[]
  /** Hint that the current identity rules ignore. */
  readonly dropped: number
  readonly mappedUpto: number
  /** Ledger head at the beginning of the identity reset under way; 0: none. */
  readonly resetUpTo: number
  readonly shards: readonly Shard[]
  readonly processes: readonly Process[]
  readonly left: Budgets
}

export interface Configuration {
  readonly shards: number
  /** Shard of each process. */
  readonly processes: readonly number[]
  readonly events: number
  readonly hints: number
  /** Most hints of one event. */
  readonly width: number
  readonly ids: number
  readonly budgets: Budgets
  /** Whether appends take the head row first (else the safe head stays below open appends). */
  readonly headLock: boolean
  /** Whether merge and erase take every slot (10 §4.4), or the mapping lock alone (04 §6.2). */
  readonly exclusive: boolean
  /** A deliberate mistake (`switches.ts`). */
  readonly broken?: Switch
}

export const NOTHING: Budgets = { crashes: 0, merges: 0, erases: 0, resets: 0, fulls: 0, takeovers: 0 }

export function initialState(configuration: Configuration): State {
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)
  return {
    log: [],
    used: 0,
    idOf: zeros(configuration.hints),
    next: 1,
    pairs: [],
    feed: [],
    erased: 0,
    joins: [],
    dropped: 0,
    mappedUpto: 0,
    resetUpTo: 0,
    shards: Array.from({ length: configuration.shards }, () => ({
      cursor: 0,
      changeCursor: 0,
      bags: zeros(configuration.ids),
      shadow: null,
      slot: { holder: 0, last: 0 },
    })),
    processes: configuration.processes.map(() => ({
      pass: null,
      job: null,
      memory: null,
      cache: zeros(configuration.hints),
      cacheSeen: 0,
    })),
    left: configuration.budgets,
  }
}

/** One text per state, the same exactly for equal states. */
export function keyOf(state: State): string {
  const out: number[] = [state.log.length]
  for (const { hints, entity, by } of state.log) out.push(hints, entity, by)
  out.push(state.used, ...state.idOf, state.next, state.pairs.length)
  for (const pair of state.pairs) out.push(pair[0], pair[1])
  out.push(state.feed.length)
  for (const { kind, id, into } of state.feed) out.push(kind, id, into)
  out.push(state.erased, state.joins.length)
  for (const join of state.joins) out.push(join[0], join[1])
  out.push(state.dropped, state.mappedUpto, state.resetUpTo)
  for (const { cursor, changeCursor, bags, shadow, slot } of state.shards) {
    out.push(cursor, changeCursor, ...bags, slot.holder, slot.last, shadow === null ? 0 : 1)
    if (shadow !== null) out.push(shadow.upTo, shadow.changeCursor, shadow.after, ...shadow.bags)
  }
  for (const { pass, job, memory, cache, cacheSeen } of state.processes) {
    out.push(pass?.mode ?? 0, ...cache, cacheSeen, memory === null ? 0 : 1, ...(memory ?? []))
    if (pass !== null) out.push(pass.cursor, pass.changeCursor, pass.drop)
    pushJob(out, job)
  }
  const { crashes, merges, erases, resets, fulls, takeovers } = state.left
  out.push(crashes, merges, erases, resets, fulls, takeovers)
  return String.fromCharCode(...out)
}

const JOBS = ['map', 'cache', 'chunk', 'apply', 'history', 'regroup', 'merge']

function pushJob(out: number[], job: Job | null): void {
  out.push(job === null ? 0 : 1 + JOBS.indexOf(job.kind))
  if (job === null) return
  if (job.kind === 'map') out.push(job.from, job.to, ...job.known)
  else if (job.kind === 'cache') out.push(...job.found)
  else if (job.kind === 'merge') out.push(job.from, job.into)
  else if (job.kind === 'regroup') {
    const { idOf, next, pairs } = job.regrouped
    out.push(job.upTo, ...idOf, next, pairs.length, ...pairs.flat())
  } else out.push(job.to, job.touched, ...job.bags)
}

export const bit = (index: number): number => 1 << (index - 1)
export const has = (mask: number, index: number): boolean => (mask & bit(index)) !== 0

/** `bag` with event `sequence` interpreted once more; more than twice counts as twice. */
export function plusEvent(bag: number, sequence: number): number {
  const shift = 2 * (sequence - 1)
  return ((bag >> shift) & 3) === 2 ? bag : bag + (1 << shift)
}

export function replaced<T>(list: readonly T[], index: number, value: T): T[] {
  const copy = list.slice()
  copy[index] = value
  return copy
}

export function withProcess(state: State, process: number, change: Partial<Process>): State {
  const before = state.processes[process - 1] as Process
  return { ...state, processes: replaced(state.processes, process - 1, { ...before, ...change }) }
}

export function withShard(state: State, shard: number, change: Partial<Shard>): State {
  const before = state.shards[shard] as Shard
  return { ...state, shards: replaced(state.shards, shard, { ...before, ...change }) }
}

/** What the holder has of slots is given back. */
export function withoutSlots(state: State, holder: number): State {
  const shards = state.shards.map((one) => {
    return one.slot.holder === holder ? { ...one, slot: { ...one.slot, holder: 0 } } : one
  })
  return { ...state, shards }
}

export const ownerOf = (id: number, configuration: Configuration): number => id % configuration.shards

/** Hints of an event that the current identity rules see. */
export const effective = (hints: number, dropped: number): number => (dropped === 0 ? hints : hints & ~bit(dropped))

export const isLoser = (state: State, id: number): boolean => state.pairs.some(([loser]) => loser === id)

export function hintsOf(state: State, id: number): number {
  let mask = 0
  for (let hint = 1; hint <= state.idOf.length; hint++) if (state.idOf[hint - 1] === id) mask |= bit(hint)
  return mask
}

/** How often each event up to `upTo` should have been interpreted into `id`: once if it is mapped to it. */
export function bagOf(state: State, id: number, upTo: number): number {
  let bag = 0
  for (let index = 0; index < upTo && index < state.log.length; index++) {
    if (state.log[index]?.entity === id) bag = plusEvent(bag, index + 1)
  }
  return bag
}
