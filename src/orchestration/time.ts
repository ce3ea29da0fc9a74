/** Instants of the run log: canonical text of the context's clock. */
import { addDuration, Duration, type Instant, instantFromDate, instantFromText } from '../core/instant.ts'
import { ConfigError } from '../errors.ts'
import type { Orchestration } from './contract.ts'

export function nowOf(context: Pick<Orchestration, 'clock'>): Instant {
  const now = instantFromDate(context.clock())
  if (now === null) throw new ConfigError('the clock gives no valid time')
  return now
}

export function nowText(context: Pick<Orchestration, 'clock'>): string {
  return nowOf(context).toString()
}

/** An instant that was stored or checked before; `ConfigError` for anything else. */
export function instant(text: string, name = 'instant'): Instant {
  const found = instantFromText(text)
  if (found === null) throw new ConfigError(`'${name}' is no instant; use ISO 8601 text such as 2024-01-15T10:00:00Z`)
  return found
}

export function plusMs(at: Instant, ms: number): Instant {
  return addDuration(at, new Duration(ms)) ?? at
}
