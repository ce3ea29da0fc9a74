/**
 * Steps of `erase`, `redact`, `erase_queue` and `expire` (spec 10 §3.4, §3.6, §10.2): the stages of requests, one request
 * or many at once. Where a request is, its row says; a step that is repeated finds nothing to do.
 */
import type { PrivacyStage, RequestState } from '../../ports/operations.ts'
import { type Erasure, PAST_PIVOT } from '../../ports/privacy.ts'
import type { Counters, Json, RunRow } from '../../ports/runs.ts'
import { tellDeadline, tellPending } from '../alerts/requests.ts'
import type { ChunkOutcome, Orchestration, StepCall, StepFunction } from '../contract.ts'
import { RunCancelled } from '../failure.ts'
import { inputOf } from '../pinned.ts'
import { nowOf } from '../time.ts'
import { changeRun, done, engineCall } from './call.ts'
import { expiring } from './expire.ts'
import { queued } from './queue.ts'

/** Whoever waits looks again after this, whether somebody said so or not. */
const LOOK_MS = 3_600_000
const SOON_MS = 1_000
const SOON = { more: true, stats: {}, waitMs: SOON_MS } as const
/** Before a store in which something was found is asked again. */
const FOUND_MS = 5_000

export const freeze: StepFunction = async (context, call) => {
  const batch = await batchOf(context, call)
  const states = await stage(context, call, 'freeze', batch)
  if (!isSingle(call.run)) return done(call.run.stats)
  return waits(context, states) ?? done()
}

export const eraseLocal: StepFunction = async (context, call) => {
  const states = await stage(context, call, 'local', await batchOf(context, call))
  if (!isSingle(call.run)) return done(call.run.stats)
  const isHere = states.some(({ done: over, status }) => !over && !PAST_PIVOT.includes(status))
  // Somebody placed a hold since, or the archive does not answer.
  return isHere ? (waits(context, states) ?? { ...SOON, next: 'freeze' }) : done()
}

/**
 * Other requests whose pivot is behind them come along: what they have in common is rewritten once, however many runs
 * ask for it.
 */
export const eraseStore: StepFunction = async (context, call) => {
  const own = await behindPivot(context, await batchOf(context, call))
  if (own.length === 0) return done(call.run.stats)
  const all = [...new Set([...own, ...(await company(context))])]
  const states = (await stage(context, call, 'stores', all)).filter(({ requestId }) => own.includes(requestId))
  await tellPending(context, own)
  return waits(context, states, patience(context, call.run)) ?? done(call.run.stats)
}
const COMPANY = 1_000

/** Those whose stores may be asked by now. */
async function company(context: Orchestration): Promise<string[]> {
  const { operations } = context
  const now = operations.now().toString()
  const open = await operations.privacy.log.requests({ status: ['erasing', 'store_pending'], limit: COMPANY })
  return open.flatMap(({ requestId, retryAt }) => (retryAt === null || retryAt <= now ? [requestId] : []))
}

export const verifyErasure: StepFunction = async (context, call) => {
  const states = await stage(context, call, 'verify', await behindPivot(context, await batchOf(context, call)))
  return goesBack(context, call, states) ?? done(call.run.stats)
}

export const certify: StepFunction = async (context, call) => {
  const batch = await batchOf(context, call)
  const states = await stage(context, call, 'certify', await behindPivot(context, batch))
  const back = isSingle(call.run)
    ? goesBack(
        context,
        call,
        states.map((state) => ({ ...state, status: 'erasing' })),
      )
    : null
  if (back !== null) return back
  const stats = await counted(context, call.run, batch)
  await tellPending(context, batch)
  if (call.run.op !== 'expire' || batch.length === 0) return done(stats)
  // What is over may be more than one request holds.
  await changeRun(context, call, { cursor: { ...cursorOf(call.run), ids: null, round: roundOf(call.run) + 1 } })
  return { more: true, stats, next: 'freeze' }
}

// ── which requests ───────────────────────────────────────────────────────────────────────────────────────────────

/** Requests of this run: the one it was made for, or those that it took when it began. */
async function batchOf(context: Orchestration, call: StepCall): Promise<readonly string[]> {
  const { run } = call
  if (isSingle(run)) {
    const id = String(inputOf(run)['requestId'] ?? '')
    const request = await context.operations.privacy.log.request(id)
    if (request === undefined || request.status === 'refused')
      throw new RunCancelled('the request was refused or taken back; nothing was changed')
    return [id]
  }
  const cursor = cursorOf((await context.operations.log.runs.get(run.runId)) ?? run)
  if (cursor.ids !== null) return cursor.ids
  const { ids, stats } = run.op === 'expire' ? await expiring(context, call) : await queued(context, run)
  await changeRun(context, call, { cursor: { ids, round: cursor.round }, stats: { ...run.stats, ...stats } })
  return ids
}

interface Cursor {
  /** Null: not chosen yet. */
  readonly ids: readonly string[] | null
  readonly round: number
  readonly [key: string]: Json
}

function cursorOf({ cursor }: Pick<RunRow, 'cursor'>): Cursor {
  const { ids = null, round = 0 } = (cursor ?? {}) as Partial<Cursor>
  return { ids, round }
}
const roundOf = (run: RunRow): number => cursorOf(run).round

function isSingle({ op }: Pick<RunRow, 'op'>): boolean {
  return op === 'erase' || op === 'redact'
}

async function behindPivot(context: Orchestration, ids: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const id of ids) {
    const request = await context.operations.privacy.log.request(id)
    if (request !== undefined && PAST_PIVOT.includes(request.status) && request.status !== 'closed') found.push(id)
  }
  return found
}

// ── one stage ────────────────────────────────────────────────────────────────────────────────────────────────────

async function stage(
  context: Orchestration,
  call: StepCall,
  name: PrivacyStage,
  ids: readonly string[],
): Promise<readonly RequestState[]> {
  if (ids.length === 0) return []
  const states = await context.operations.privacy.stage(engineCall(call), name, ids)
  call.heartbeat({ runId: call.run.runId, seq: PRIVACY_SEQ[name], rows: ids.length })
  await tellDeadline(context, ids)
  return states
}
const PRIVACY_SEQ: Readonly<Record<PrivacyStage, number>> = { freeze: 1, local: 2, stores: 3, verify: 4, certify: 5 }

/** Until something may have changed; null: nothing is waited for. `most`: so long at most, and not at all below that. */
function waits(
  context: Orchestration,
  states: readonly RequestState[],
  most: number | null = null,
): ChunkOutcome | null {
  const waiting = states.filter(({ done: over, waitingFor }) => !over && waitingFor.length > 0)
  if (waiting.length === 0 || (most !== null && most <= 0)) return null
  const now = context.operations.now().ms
  const times = waiting.map(({ retryAt }) => (retryAt === null ? LOOK_MS : Date.parse(retryAt) - now))
  const waitMs = Math.max(SOON_MS, Math.min(LOOK_MS, ...times, most ?? LOOK_MS))
  const waitingFor = waiting[0]?.waitingFor[0] ?? 'retry'
  return { more: true, stats: {}, waitMs: Math.round(waitMs), waitingFor }
}

/** What was found, or came back, is for the step of the stores again; null: there is nothing. */
function goesBack(context: Orchestration, call: StepCall, states: readonly RequestState[]): ChunkOutcome | null {
  const found = states.filter(({ done: over, status }) => !over && status !== 'verifying')
  if (found.length === 0 || (patience(context, call.run) ?? FOUND_MS) < FOUND_MS) return null
  const waitingFor = found[0]?.waitingFor[0] ?? 'retry'
  return { more: true, stats: {}, next: 'eraseStore', waitMs: FOUND_MS, waitingFor }
}

/** How long a queue goes on asking stores that do not answer; null: for ever. */
function patience(context: Orchestration, run: RunRow): number | null {
  if (isSingle(run) || run.startedAt === null) return null
  const { maxWaitMs } = inputOf(run)
  const longest = typeof maxWaitMs === 'number' ? maxWaitMs : LOOK_MS
  return Date.parse(run.startedAt) + longest - nowOf(context).ms
}

/** What became of them, from their rows: an attempt that ended before it could say so has left it there. */
async function counted(context: Orchestration, run: RunRow, ids: readonly string[]): Promise<Counters> {
  const { log } = context.operations.privacy
  const counts = { closed: 0, pending: 0, entities: 0, deleted: 0, scrubbed: 0, fields: 0, files: 0 }
  for (const id of ids) {
    const [request, erasure] = [await log.request(id), await log.erasure(id)]
    if (request?.status === 'closed') counts.closed += 1
    else if (request?.status !== 'refused') counts.pending += 1
    if (erasure === undefined || erasure.pivotAt === null) continue
    counts.entities += erasure.counts.entities
    counts.deleted += erasure.counts.eventsDeleted
    counts.scrubbed += erasure.counts.eventsScrubbed
    counts.fields += erasure.counts.fields
    counts.files += filesOf(erasure)
  }
  const own: Counters = {
    requests_closed: counts.closed,
    requests_pending: counts.pending,
    [run.op === 'redact' ? 'entities_redacted' : 'entities_erased']: counts.entities,
    events_deleted: counts.deleted,
    events_scrubbed: counts.scrubbed,
    ...(counts.fields > 0 ? { fields_treated: counts.fields } : {}),
    cold_files: counts.files,
  }
  if (run.op !== 'expire') return own
  // Of all rounds; a request of an earlier one is counted in it.
  const before = cursorOf(run).round === 0 ? {} : run.stats
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [name, (before[name] ?? 0) + value]))
}

const filesOf = ({ stores }: Erasure): number => stores['cold']?.items ?? 0
