/** Waiting for what other processes do. */
import { setTimeout as delay } from 'node:timers/promises'
import { StorageError } from '../../src/errors.ts'

const PATIENCE_MS = 120_000

/** What `look` finds, once it finds something. A database that does not answer just then is asked again. */
export async function until<T>(
  look: () => Promise<T | null | undefined | false>,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  let cause: unknown
  while (performance.now() < deadline) {
    try {
      const found = await look()
      if (found !== null && found !== undefined && found !== false) return found
    } catch (error) {
      if (!(error instanceof StorageError && error.recoverable)) throw error
      cause = error
    }
    await delay(50)
  }
  throw new Error(`waited in vain for ${what}`, { cause })
}
