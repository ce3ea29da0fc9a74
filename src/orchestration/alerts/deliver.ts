/** Sends what is due (spec 10 §3.8): at least once, with an id that stays the same. */
import type { Json, Notification } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import { instant, nowOf, plusMs } from '../time.ts'
import { DeliveryError } from './delivery-error.ts'
import { NOWHERE } from './rules.ts'
import { cloudEvents, file, webhook } from './senders.ts'

/** Sends one notification to targets of one kind; rejects if it was not taken. */
export type Sender = (
  context: Orchestration,
  notification: Notification,
  target: { readonly [key: string]: Json },
  signal: AbortSignal,
) => Promise<void>

/** Somebody else may send it again after this; well above the time of one call. */
const LEASE_MS = 60_000
const REQUEST_MS = 5_000
/** One call takes no further rows after this, and tries no place for longer than that. */
const TAKE_MS = 5_000
const PLACE_MS = 10_000
const BATCH = 20
const FIRST_MS = 10_000
const LONGEST_MS = 3_600_000
/** So long it is tried again; then it is dead. */
const GIVE_UP_MS = 86_400_000

const SENDERS: Readonly<Record<string, Sender>> = { webhook, cloudevents: cloudEvents, file }

export interface DeliverOptions {
  readonly signal?: AbortSignal
  /** For kinds of targets beside `webhook`, `cloudevents`, `file`. */
  readonly senders?: Readonly<Record<string, Sender>>
  /** How long a receiver may take to answer; default 5 s. */
  readonly requestMs?: number
}

/** Returns how many were sent. */
export async function deliver(context: Orchestration, options: DeliverOptions = {}): Promise<number> {
  const { notifications } = context.operations.log
  const started = performance.now()
  let sent = 0
  while (options.signal?.aborted !== true && performance.now() - started < TAKE_MS) {
    const due = await notifications.lease(nowOf(context).toString(), LEASE_MS, BATCH)
    if (due.length === 0) break
    // One at a time to each place: what happened first arrives first, as long as the place answers.
    const places = Map.groupBy(due, ({ target }) => JSON.stringify(target))
    const counts = await Promise.all([...places.values()].map((rows) => sendAll(context, rows, options)))
    sent += counts.reduce((total, count) => total + count, 0)
  }
  return sent
}

async function sendAll(
  context: Orchestration,
  rows: readonly Notification[],
  options: DeliverOptions,
): Promise<number> {
  const started = performance.now()
  let sent = 0
  let reachable = true
  for (const row of [...rows].sort(byAge)) {
    if (!reachable || options.signal?.aborted === true || performance.now() - started > PLACE_MS) {
      await putOff(context, row)
      continue
    }
    const outcome = await sendOne(context, row, options)
    if (outcome === 'sent') sent += 1
    // Its rows would wait for their timeouts one after the other.
    reachable = outcome !== 'unreachable'
  }
  return sent
}

/** Messages of the network name hosts and may name more: the code of the system, or the class, says enough. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return 'Error'
  const { cause } = error
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : null
  return typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : error.name
}

async function putOff(context: Orchestration, row: Notification): Promise<void> {
  await context.operations.log.notifications.retry(row.id, row.leaseToken ?? '', nextAttempt(context, row))
}

const byAge = (a: Notification, b: Notification): number =>
  a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0

async function sendOne(
  context: Orchestration,
  row: Notification,
  { signal, senders, requestMs = REQUEST_MS }: DeliverOptions,
): Promise<'sent' | 'refused' | 'unreachable' | 'none'> {
  const { log, logger } = context.operations
  const target = targetOf(row.target)
  const kind = typeof target['kind'] === 'string' ? target['kind'] : ''
  try {
    if (kind !== NOWHERE) {
      const sender = { ...SENDERS, ...senders }[kind]
      if (sender === undefined) throw new DeliveryError(`nothing here sends to targets of kind '${kind}'`)
      const timeout = AbortSignal.timeout(requestMs)
      await sender(context, row, target, signal === undefined ? timeout : AbortSignal.any([signal, timeout]))
    }
  } catch (error) {
    const known = error instanceof DeliveryError
    const reason = known ? error.message : networkReason(error)
    const next = nextAttempt(context, row)
    const fields = { notification: row.id, target: kind, reason, next: next ?? 'given up' }
    logger.child('defacto.pipeline').warn('a notification was not taken', fields)
    await putOff(context, row)
    return known ? 'refused' : 'unreachable'
  }
  await log.notifications.sent(row.id, row.leaseToken ?? '')
  return kind === NOWHERE ? 'none' : 'sent'
}

/** When to try again; null: no more. */
function nextAttempt(context: Orchestration, row: Notification): string | null {
  const now = nowOf(context)
  const giveUp = plusMs(instant(row.createdAt), GIVE_UP_MS)
  const wait = Math.min(FIRST_MS * 2 ** Math.min(Math.max(0, row.attempts - 1), 20), LONGEST_MS)
  const next = plusMs(now, wait)
  return next.ms > giveUp.ms ? null : next.toString()
}

function targetOf(target: Json): { readonly [key: string]: Json } {
  return typeof target === 'object' && target !== null && !Array.isArray(target)
    ? (target as { readonly [key: string]: Json })
    : {}
}
