/** Actions on what all shards share: ledger, identity, mappings, merge log, change feed (spec 04 §2.5, §3, §6.2). */
import type { Step } from './explorer.ts'
import {
  bit,
  type Change,
  COMMITTED,
  type Configuration,
  type Entry,
  ERASE,
  effective,
  GAP,
  has,
  hintsOf,
  isLoser,
  type Job,
  MERGE,
  type Process,
  RESET,
  type State,
  withoutSlots,
  withProcess,
} from './state.ts'

export type Steps = Step<State>[]

/** Writers are alike, so two are enough for every overlap. */
const WRITERS = [1, 2]

export const headOf = (state: State): number => state.log.findLastIndex(({ by }) => by === COMMITTED) + 1

/** Greatest sequence below which nothing can appear any more (04 §2.5). */
export function safeHead(state: State, configuration: Configuration): number {
  if (configuration.broken === 'noHeadLock') return headOf(state)
  const open = state.log.findIndex(({ by }) => by !== COMMITTED && by !== GAP)
  return open < 0 ? state.log.length : open
}

/** A writer opens a transaction and numbers one or two events in it. */
export function appendBegin(state: State, configuration: Configuration, steps: Steps): void {
  const held = new Set(state.log.map(({ by }) => by))
  const locked = configuration.headLock && configuration.broken !== 'noHeadLock'
  if (locked && WRITERS.some((writer) => held.has(writer))) return
  const writer = WRITERS.find((one) => !held.has(one))
  if (writer === undefined) return
  for (const batch of batches(state.used, configuration, configuration.events - state.log.length)) {
    const entries: Entry[] = batch.map((hints) => ({ hints, entity: 0, by: writer }))
    const used = batch.reduce((most, hints) => Math.max(most, 32 - Math.clz32(hints)), state.used)
    const next = { ...state, log: [...state.log, ...entries], used }
    steps.push({ action: `AppendBegin(w${writer}, ${batch.map(setText).join(' ')})`, fair: false, state: next })
  }
}

export function* batches(used: number, configuration: Configuration, room: number): Iterable<number[]> {
  if (room < 1) return
  for (const first of hintSets(used, configuration)) {
    yield [first]
    if (room < 2) continue
    for (const second of hintSets(Math.max(used, 32 - Math.clz32(first)), configuration)) yield [first, second]
  }
}

/** Sets of known hints and the first of the unknown ones. */
function hintSets(used: number, { hints, width }: Configuration): number[] {
  const sets: number[] = []
  for (let mask = 0; mask < 1 << hints; mask++) {
    const fresh = mask >> used
    if (bits(mask) <= width && (fresh & (fresh + 1)) === 0) sets.push(mask)
  }
  return sets
}

const bits = (mask: number): number => mask.toString(2).replaceAll('0', '').length
export const setText = (mask: number): string => {
  return `{${[1, 2, 3, 4].filter((index) => has(mask, index)).join(',')}}`
}

export function appendEnd(state: State, configuration: Configuration, steps: Steps): void {
  const locked = configuration.headLock && configuration.broken !== 'noHeadLock'
  for (const writer of WRITERS) {
    if (!state.log.some(({ by }) => by === writer)) continue
    const committed = state.log.map((entry) => (entry.by === writer ? { ...entry, by: COMMITTED } : entry))
    steps.push({ action: `AppendCommit(w${writer})`, fair: true, state: { ...state, log: committed } })
    if (state.left.crashes === 0) continue
    const left = { ...state.left, crashes: state.left.crashes - 1 }
    // With the head row the numbers are given back; without it they are lost.
    const log = locked
      ? state.log.filter(({ by }) => by !== writer)
      : state.log.map((entry) => (entry.by === writer ? { hints: 0, entity: 0, by: GAP } : entry))
    steps.push({ action: `AppendRollback(w${writer})`, fair: false, state: { ...state, log, left } })
  }
}

// ── mapping ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Events resolved together. */
const BATCH = 2

export const mappingLocked = (state: State): boolean => state.processes.some(({ job }) => job?.kind === 'map')

/** Takes the mapping lock, corrects the cache and looks up the ids of the next batch. The caller checked the fence. */
export function mapBegin(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const { broken } = configuration
  const serialised = broken !== 'mappingNotSerialised' && broken !== 'staleMappedUpto'
  if (serialised && mappingLocked(state)) return
  const head = safeHead(state, configuration)
  if (state.mappedUpto >= head) return
  const process = state.processes[index - 1] as Process
  const corrected = broken === 'staleCache' ? process : correctedCache(state, process)
  const from = state.mappedUpto
  const to = Math.min(from + BATCH, head)
  const job: Job = { kind: 'map', from, to, known: lookUp(state, corrected.cache) }
  const { cache, cacheSeen } = corrected
  steps.push({ action: `MapBegin(p${index})`, fair: true, state: withProcess(state, index, { job, cache, cacheSeen }) })
}

/** Cached ids go before stored ones. */
function lookUp(state: State, cache: readonly number[]): number[] {
  return state.idOf.map((id, hint) => cache[hint] || id)
}

/** The cache after the part of the change feed it has not seen (04 §3.3). */
function correctedCache(state: State, process: Process): { cache: readonly number[]; cacheSeen: number } {
  let { cache } = process
  for (const { kind, id, into } of state.feed.slice(process.cacheSeen)) {
    if (kind === RESET) cache = cache.map(() => 0)
    else cache = cache.map((cached) => (cached !== id ? cached : kind === MERGE ? into : 0))
  }
  return { cache, cacheSeen: state.feed.length }
}

/** One commit: new hints, merges, mappings, `mapped_upto` and the change feed (04 §3.4, §3.5). */
export function mapCommit(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const job = (state.processes[index - 1] as Process).job
  if (job?.kind !== 'map') return
  const known = configuration.broken === 'staleMappedUpto' ? state.idOf : job.known
  const components = componentsOf(state, job, known)
  let next: State = { ...state, mappedUpto: job.to }
  const found = known.map(() => 0)
  for (const { hints, sequences, ids } of components) {
    const winner = ids[0] ?? next.next
    if (ids.length === 0) next = { ...next, next: next.next + 1 }
    const idOf = next.idOf.map((id, hint) => (id === 0 && has(hints, hint + 1) ? winner : id))
    next = { ...next, idOf }
    for (const [position, loser] of ids.entries()) {
      const target = configuration.broken === 'pairwiseMerges' ? ids[position - 1] : winner
      if (position > 0 && target !== undefined) next = mergedInto(next, loser, target)
    }
    const log = next.log.map((entry, at) => (sequences.includes(at + 1) ? { ...entry, entity: winner } : entry))
    next = { ...next, log }
    for (let hint = 0; hint < found.length; hint++) if (has(hints, hint + 1)) found[hint] = winner
  }
  next = withProcess(next, index, { job: { kind: 'cache', found } })
  steps.push({ action: `MapCommit(p${index})`, fair: true, state: next })
}

interface Component {
  readonly hints: number
  readonly sequences: readonly number[]
  /** Known ids, ascending: the first one wins. */
  readonly ids: readonly number[]
}

/** Hints of one event belong together, and so do hints with one known id. Components in order of appearance. */
function componentsOf(
  state: State,
  job: { readonly from: number; readonly to: number },
  known: readonly number[],
): Component[] {
  let components: Component[] = []
  for (let sequence = job.from + 1; sequence <= job.to; sequence++) {
    const hints = effective(state.log[sequence - 1]?.hints ?? 0, state.dropped)
    if (hints === 0) continue
    const ids = known.filter((id, hint) => id !== 0 && has(hints, hint + 1))
    const joins = (one: Component): boolean => (one.hints & hints) !== 0 || one.ids.some((id) => ids.includes(id))
    const together = components.filter(joins)
    const joined: Component = {
      hints: together.reduce((mask, one) => mask | one.hints, hints),
      sequences: [...together.flatMap((one) => one.sequences), sequence],
      ids: [...new Set([...ids, ...together.flatMap((one) => one.ids)])].sort((a, b) => a - b),
    }
    components = [...components.filter((one) => !joins(one)), joined]
  }
  return components.sort((a, b) => (a.sequences[0] ?? 0) - (b.sequences[0] ?? 0))
}

/** The shared part of a merge: hints and mappings moved, merge-log row, change-feed row. */
export function mergedInto(state: State, loser: number, winner: number): State {
  const moved = (id: number): number => (id === loser ? winner : id)
  return {
    ...state,
    idOf: state.idOf.map(moved),
    log: state.log.map((entry) => (entry.entity === loser ? { ...entry, entity: winner } : entry)),
    pairs: withPair(state.pairs, loser, winner),
    feed: [...state.feed, { kind: MERGE, id: loser, into: winner }],
  }
}

/** The merge log is a set; it is kept sorted so that equal sets look equal. */
export function withPair(pairs: State['pairs'], loser: number, winner: number): State['pairs'] {
  if (pairs.some(([a, b]) => a === loser && b === winner)) return pairs
  return [...pairs, [loser, winner] as const].sort((a, b) => a[0] - b[0] || a[1] - b[1])
}

export function cacheUpdate(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const process = state.processes[index - 1] as Process
  if (process.job?.kind !== 'cache') return
  const { found } = process.job
  const cache = process.cache.map((id, hint) => found[hint] || id)
  const cacheSeen = configuration.broken === 'cacheMarkedSeen' ? state.feed.length : process.cacheSeen
  const next = withProcess(state, index, { job: null, cache, cacheSeen })
  steps.push({ action: `CacheUpdate(p${index})`, fair: true, state: next })
}

// ── merge and erase by hand ──────────────────────────────────────────────────────────────────────────────────────

export const ownsEvents = (state: State, id: number): boolean => state.log.some(({ entity }) => entity === id)
const slotsFree = (state: State): boolean => state.shards.every(({ slot }) => slot.holder === 0)

/** Every slot in the hands of one holder. */
function withSlots(state: State, holder: number): State {
  return { ...state, shards: state.shards.map((shard) => ({ ...shard, slot: { ...shard.slot, holder } })) }
}

/** Somebody asks for a merge of two ids that are alive at that moment. */
export function mergeAsk(state: State, configuration: Configuration, index: number, steps: Steps): void {
  if (state.left.merges === 0 || (configuration.exclusive && !slotsFree(state))) return
  const left = { ...state.left, merges: state.left.merges - 1 }
  for (let from = 1; from < state.next; from++) {
    for (let into = 1; into < state.next; into++) {
      if (
        (from === into && configuration.broken !== 'selfMerge') ||
        isLoser(state, from) ||
        !ownsEvents(state, from) ||
        !ownsEvents(state, into)
      )
        continue
      const asked = withProcess({ ...state, left }, index, { job: { kind: 'merge', from, into } })
      const next = configuration.exclusive ? withSlots(asked, index) : asked
      steps.push({ action: `MergeAsk(p${index}, ${from} into ${into})`, fair: false, state: next })
    }
  }
}

/** Under the mapping lock: nothing happens unless both ids are still alive (05 §3.1) and the slots still in hand. */
export function mergeCommit(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const { job } = state.processes[index - 1] as Process
  if (job?.kind !== 'merge' || mappingLocked(state)) return
  const { from, into } = job
  const alive = [from, into].every((id) => ownsEvents(state, id) && !isLoser(state, id))
  const fenced = configuration.exclusive && state.shards.some(({ slot }) => slot.holder !== index)
  let next = withoutSlots(withProcess(state, index, { job: null }), index)
  if (!fenced && (alive || configuration.broken === 'mergeLogNotChecked')) {
    const join = [hintsOf(state, from), hintsOf(state, into)] as const
    const joins = [...next.joins, join].sort((a, b) => a[0] - b[0] || a[1] - b[1])
    next = mergedInto({ ...next, joins }, from, into)
  }
  steps.push({ action: `MergeCommit(p${index})`, fair: true, state: next })
}

/** An id and everything merged into it: hints, mappings, events, merge log; one change per id (05 §4). */
export function erase(state: State, configuration: Configuration, index: number, steps: Steps): void {
  if (state.left.erases === 0 || mappingLocked(state)) return
  const exclusive = configuration.exclusive && configuration.broken !== 'eraseDuringReset'
  if (exclusive && !slotsFree(state)) return
  for (let id = 1; id < state.next; id++) {
    if (!ownsEvents(state, id)) continue
    const erased = erasedWith(state, id, configuration)
    const left = { ...state.left, erases: state.left.erases - 1 }
    steps.push({ action: `Erase(p${index}, ${id})`, fair: false, state: { ...erased, left } })
  }
}

function erasedWith(state: State, id: number, configuration: Configuration): State {
  let set = bit(id)
  for (let grown = 0; grown !== set; ) {
    grown = set
    for (const [loser, winner] of state.pairs) if (has(set, winner)) set |= bit(loser)
  }
  let hints = 0
  const idOf = state.idOf.map((one, hint) => {
    if (one === 0 || !has(set, one)) return one
    hints |= bit(hint + 1)
    return 0
  })
  const log = state.log.map((entry) => {
    if (entry.entity !== 0) {
      const entity = configuration.broken === 'mappingsKept' ? entry.entity : 0
      return has(set, entry.entity) ? { ...entry, hints: 0, entity } : entry
    }
    // Events not mapped yet lose what identifies the erased.
    return entry.by === COMMITTED ? { ...entry, hints: entry.hints & ~hints } : entry
  })
  const ids = Array.from({ length: state.next - 1 }, (_, index) => index + 1).filter((one) => has(set, one))
  const changes: Change[] = ids.map((one) => ({ kind: ERASE, id: one, into: 0 }))
  return {
    ...state,
    idOf,
    log,
    erased: state.erased | set,
    pairs: state.pairs.filter(([loser, winner]) => !has(set, loser) && !has(set, winner)),
    joins: state.joins.filter(([from, into]) => ((from | into) & hints) === 0),
    feed: configuration.broken === 'eraseNotInFeed' ? state.feed : [...state.feed, ...changes],
  }
}
