/** Sends what is due (spec 10 §3.8): at least once, with an id that stays the same. */
import type { Json, Notification } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'

/** Sends one notification to targets of one kind; rejects if it was not taken. */
export type Sender = (
  context: Orchestration,
  notification: Notification,
  target: { readonly [key: string]: Json },
  signal: AbortSignal,
) => Promise<void>

/** Returns how many were sent. `senders`: for kinds of targets beside `webhook`, `cloudevents`, `file`. */
export async function deliver(
  context: Orchestration,
  options: { readonly signal?: AbortSignal; readonly senders?: Readonly<Record<string, Sender>> } = {},
): Promise<number> {
  throw new Error(`not written yet: ${context.package} ${Object.keys(options).length}`)
}
