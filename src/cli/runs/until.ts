/** Commands that stay until they are asked to stop: an order to end is then no failure. */
import type { Context } from '../context.ts'
import { TimeoutError } from '../errors.ts'

/** Chunks in hand end within 20 s, everything within 55 s (spec 10 §4.8). */
const TO_STOP_MS = 55_000

/** Resolves when the command is to stop; rejects when `fails` does, or with a time limit that ran out. */
export async function until(context: Context, fails?: Promise<unknown>): Promise<void> {
  const { signal } = context
  context.takeTime(TO_STOP_MS)
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await (fails === undefined ? stopped : Promise.race([stopped, fails]))
  if (signal.reason instanceof TimeoutError) throw signal.reason
}
