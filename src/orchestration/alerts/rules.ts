/** Which notifications an event makes (spec 10 §3.8): one open alert per rule and subject. */
import { hash } from 'node:crypto'
import { canonicalJson } from '../../core/definition/canonical.ts'
import type { Json, NewNotification, Notification } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import { stableId, timeOfId } from '../ids.ts'
import type { AlertRule, Pipeline } from '../model.ts'
import type { AlertSignal } from './events.ts'

/** Kind of these rows in `notifications`. */
export const ALERT = 'alert'
/** Target of a row that only says that an alert is closed: its rule does not send `recovered`. */
export const NOWHERE = 'none'

/** What is stored with a notification, and sent. Ids, counts, codes and instants only. */
export interface AlertPayload {
  readonly event: AlertSignal['event']
  readonly severity: 'warn' | 'error'
  readonly subject: string
  readonly at: string
  /** Which rule of the pipeline; changes when the rule does. */
  readonly rule: string
  readonly pipeline: string
  /** The notification before this one of the same rule and subject; null: the first. */
  readonly after: string | null
  readonly data: AlertSignal['data']
}
type StoredAlert = AlertPayload & { readonly id: string }

/**
 * Rules of a pipeline, given what was sent about the subject before (newest first). Pure; the same call gives the same
 * ids. What it returns belongs into the transaction that changes the state.
 */
export function alertsFor(
  pipeline: Pipeline,
  signal: AlertSignal,
  earlier: readonly Notification[] = [],
): NewNotification[] {
  return pipeline.alerts.flatMap((rule) => notificationOf(pipeline.name, rule, signal, earlier) ?? [])
}

function notificationOf(
  pipeline: string,
  rule: AlertRule,
  signal: AlertSignal,
  earlier: readonly Notification[],
): NewNotification | null {
  const key = hash('sha256', canonicalJson([pipeline, rule])).slice(0, 12)
  const last = latestOf(earlier, key)
  const open = last === null || last.event === 'recovered' ? null : last
  const { event, severity, subject, at } = signal
  let target: Json = targetOf(rule)
  if (event === 'recovered') {
    if (open === null) return null
    if (!rule.on.includes('recovered')) target = { kind: NOWHERE }
  } else {
    if (!rule.on.includes(event) || weight(severity) < weight(rule.minSeverity)) return null
    const worse = open !== null && weight(severity) > weight(open.severity)
    if (open !== null && !worse && Date.parse(at) < Date.parse(open.at) + rule.repeatMs) return null
  }
  const after = last?.id ?? null
  const payload: AlertPayload = { event, severity, subject, at, rule: key, pipeline, after, data: signal.data }
  // Who sees the same change twice, or at once with somebody else, makes the same id.
  const seed = canonicalJson([key, subject, event, severity, signal.occurrence, after])
  const id = stableId('n', timeOf(signal.occurrence), seed)
  return { id, kind: ALERT, subject, target, payload: payload as unknown as Json, availableAt: at }
}

/** The one that no other follows: instants alone do not order what happened within one. */
function latestOf(earlier: readonly Notification[], rule: string): StoredAlert | null {
  const ours = earlier.flatMap((row) => storedAlert(row) ?? []).filter((found) => found.rule === rule)
  const followed = new Set(ours.map(({ after }) => after))
  return ours.find(({ id }) => !followed.has(id)) ?? ours[0] ?? null
}

/** Of a run id or an instant. */
function timeOf(occurrence: string): number {
  const ms = Date.parse(occurrence)
  return Number.isNaN(ms) ? timeOfId(occurrence) : ms
}

/** `${env:…}` and the like stay as written: they are resolved when it is sent. */
function targetOf({ to }: AlertRule): Json {
  return to as unknown as Json
}

const weight = (severity: 'warn' | 'error'): number => (severity === 'error' ? 2 : 1)

/** What a stored notification said; null for one of another kind. */
export function storedAlert(row: Notification): StoredAlert | null {
  if (row.kind !== ALERT) return null
  return { ...(row.payload as unknown as AlertPayload), id: row.id }
}

/** `alertsFor` with what the space has sent before. */
export async function alertsOf(
  context: Pick<Orchestration, 'operations'>,
  pipeline: Pipeline | null,
  signals: readonly AlertSignal[],
): Promise<NewNotification[]> {
  if (pipeline === null || pipeline.alerts.length === 0) return []
  const found: NewNotification[] = []
  for (const signal of signals) {
    const earlier = await context.operations.log.notifications.of(ALERT, signal.subject)
    found.push(...alertsFor(pipeline, signal, earlier))
  }
  return found
}
