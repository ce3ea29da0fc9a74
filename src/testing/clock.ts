/** A clock that only moves when told to. */
import { instantFromText, parseDurationText } from '../core/instant.ts'
import { ConfigError } from '../errors.ts'

export interface FakeClock {
  /** Pass this as the `clock` option. */
  readonly now: () => Date
  /** Jumps to an ISO 8601 instant, or forward by `+30d`, `+12h`, `+5m`, `+1s`. Jumping back is allowed. */
  set(to: string): void
}

/** Default start: 1970-01-01, before any event, so that nothing becomes due by itself. */
export function fakeClock(start = '1970-01-01T00:00:00Z'): FakeClock {
  let ms = parse(start, 0)
  return {
    now: () => new Date(ms),
    set: (to) => {
      ms = parse(to, ms)
    },
  }
}

function parse(text: string, from: number): number {
  const step = text.startsWith('+') ? parseDurationText(text.slice(1)) : null
  if (step !== null) return from + step.ms
  const instant = instantFromText(text)
  if (instant === null) throw new ConfigError(`'${text}' is neither an instant nor a step such as +30d`)
  return instant.ms
}
