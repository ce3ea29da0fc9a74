/** Waiting for what other processes do. */
import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 120_000

/** What `look` finds, once it finds something. */
export async function until<T>(
  look: () => Promise<T | null | undefined | false>,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== null && found !== undefined && found !== false) return found
    await delay(50)
  }
  throw new Error(`waited in vain for ${what}`)
}
