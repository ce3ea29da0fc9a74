/** What a pass does under its slot: chunks of events, the change feed, orphans (spec 04 §4.6, §4.7, §5.3). */
import type { Actor } from './pass-actions.ts'
import { ownsEvents, type Steps, safeHead } from './shared-actions.ts'
import {
  type Bags,
  bagOf,
  bit,
  type Configuration,
  has,
  INCREMENTAL,
  type Job,
  MERGE,
  ownerOf,
  plusEvent,
  RESET,
  replaced,
  type State,
  withProcess,
  withShard,
} from './state.ts'

const CHUNK = 2
const NO_BAGS: Bags = []

/** Reads the next owned events and folds them into what memory has. */
export function chunkRead(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { index, process, shard } = me
  const { pass } = process
  if (process.job !== null || pass?.mode !== INCREMENTAL) return
  const { broken } = configuration
  const end = broken === 'pastMapping' ? safeHead(state, configuration) : state.mappedUpto
  if (pass.cursor >= end) return
  const to = broken === 'ownSequence' ? end : Math.min(pass.cursor + CHUNK, end)
  const from = broken === 'ownSequence' ? end - 1 : pass.cursor
  let bags = process.memory ?? NO_BAGS
  let touched = 0
  for (let sequence = from + 1; sequence <= to; sequence++) {
    const id = state.log[sequence - 1]?.entity ?? 0
    if (id === 0 || (ownerOf(id, configuration) !== shard && broken !== 'everyOwner')) continue
    bags = replaced(bags, id - 1, plusEvent(bags[id - 1] as number, sequence))
    touched |= bit(id)
  }
  const job: Job = { kind: 'chunk', to, bags, touched }
  steps.push({ action: `ChunkRead(p${index})`, fair: true, state: withProcess(state, index, { job }) })
}

/** History, checkpoints and cursor in one commit; memory follows it. */
export function chunkCommit(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { job } = me.process
  if (job?.kind !== 'chunk' && job?.kind !== 'history') return
  const { broken } = configuration
  const action = `ChunkCommit(p${me.index})`
  const first = broken === 'cursorBeforeHistory' ? 'cursor' : 'history'
  if ((broken === 'cursorBeforeHistory' || broken === 'historyBeforeCursor') && job.kind === 'chunk') {
    const half = first === 'cursor' ? withCursor(state, me, job.to) : withRows(state, me, job)
    steps.push({ action, fair: true, state: withProcess(half, me.index, { job: { ...job, kind: 'history' } }) })
    return
  }
  const next = withCursor(withRows(state, me, job), me, job.to)
  const pass = me.process.pass === null ? null : { ...me.process.pass, cursor: job.to }
  steps.push({
    action,
    fair: true,
    state: withProcess(next, me.index, { job: null, memory: memoryAfter(me, job), pass }),
  })
}

interface Work {
  readonly bags: Bags
  readonly touched: number
}

const patched = (bags: Bags, work: Work): Bags => {
  return bags.map((bag, index) => (has(work.touched, index + 1) ? (work.bags[index] as number) : bag))
}
const memoryAfter = (me: Actor, work: Work): Bags => patched(me.process.memory ?? NO_BAGS, work)
const withRows = (state: State, me: Actor, work: Work): State => {
  return withShard(state, me.shard, { bags: patched((state.shards[me.shard] ?? me.own).bags, work) })
}
/** The build state is written as a whole, as the process knows it. */
const withCursor = (state: State, me: Actor, cursor: number): State => {
  return withShard(state, me.shard, { cursor, changeCursor: me.process.pass?.changeCursor ?? 0 })
}

// ── change feed ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Reads the changes not applied yet and what follows: losers and erased ids go, owned winners are rebuilt. */
export function applyRead(state: State, configuration: Configuration, me: Actor, steps: Steps): void {
  const { index, process, shard } = me
  const { pass } = process
  if (process.job !== null || pass?.mode !== INCREMENTAL || pass.changeCursor >= state.feed.length) return
  const { broken } = configuration
  const own = (id: number): boolean => ownerOf(id, configuration) === shard
  let removed = 0
  let winners = 0
  for (const { kind, id, into } of broken === 'changeNotApplied' ? [] : state.feed.slice(pass.changeCursor)) {
    // A reset calls for a full build; passes look for it when they begin, and none is under way while it happens.
    if (kind === RESET) continue
    if (own(id) && broken !== 'loserNotDropped') removed |= bit(id)
    winners &= ~bit(id)
    if (kind === MERGE && own(into)) winners |= bit(into)
  }
  const before = process.memory ?? NO_BAGS
  const upTo = broken === 'rebuildToHead' ? state.mappedUpto : pass.cursor
  const bags = before.map((bag, at) => {
    if (has(winners, at + 1)) return broken === 'ownEventsOnly' ? bag : bagOf(state, at + 1, upTo)
    return has(removed, at + 1) ? 0 : bag
  })
  const job: Job = { kind: 'apply', to: state.feed.length, bags, touched: removed | winners }
  steps.push({ action: `ApplyRead(p${index})`, fair: true, state: withProcess(state, index, { job }) })
}

/** Removals, rebuilt entities and the change cursor in one commit. */
export function applyCommit(state: State, me: Actor, steps: Steps): void {
  const { job, pass } = me.process
  if (job?.kind !== 'apply' || pass === null) return
  const next = withShard(withRows(state, me, job), me.shard, { cursor: pass.cursor, changeCursor: job.to })
  const change = { job: null, memory: memoryAfter(me, job), pass: { ...pass, changeCursor: job.to } }
  steps.push({ action: `ApplyCommit(p${me.index})`, fair: true, state: withProcess(next, me.index, change) })
}

/** Time rules look whether an entity still owns events, and drop it if not. */
export function tick(state: State, me: Actor, steps: Steps): void {
  const { index, process, own } = me
  if (process.job !== null || process.pass?.mode !== INCREMENTAL) return
  let orphans = 0
  for (const [at, bag] of own.bags.entries()) if (bag !== 0 && !ownsEvents(state, at + 1)) orphans |= bit(at + 1)
  if (orphans === 0) return
  const work = { bags: own.bags.map(() => 0), touched: orphans }
  const next = withRows(state, me, work)
  steps.push({
    action: `Tick(p${index})`,
    fair: true,
    state: withProcess(next, index, { memory: memoryAfter(me, work) }),
  })
}
