/** When a store that did not answer is asked again: nobody gives up, and nobody asks too often (spec 10 §10.2). */
import { addDuration, Duration, type Instant } from '../../core/instant.ts'

const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/** After so many attempts in vain: a minute later, then twice as long each time, up to an hour. */
export function retryAfter(now: Instant, attempts: number): string {
  const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(Math.max(0, attempts - 1), 10))
  return (addDuration(now, new Duration(wait)) ?? now).toString()
}
