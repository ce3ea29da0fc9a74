/** Which notifications an event makes (spec 10 §3.8): one open alert per rule and subject. */
import type { NewNotification, Notification } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import type { AlertSignal } from './events.ts'

/**
 * Rules of a pipeline, given what was sent about the subject before (newest first). Pure; the same call gives the same
 * ids. What it returns belongs into the transaction that changes the state.
 */
export function alertsFor(
  pipeline: Pipeline,
  signal: AlertSignal,
  earlier: readonly Notification[] = [],
): NewNotification[] {
  throw new Error(`not written yet: ${pipeline.name} ${signal.event} ${earlier.length}`)
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
    const earlier = await context.operations.log.notifications.of('alert', signal.subject)
    found.push(...alertsFor(pipeline, signal, earlier))
  }
  return found
}
