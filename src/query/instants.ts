/** Instants as the query API takes them (spec 06 §3, 09 §1). */
import { Instant, instantFromDate, instantFromText, makeInstant } from '../core/instant.ts'
import { QueryError } from '../errors.ts'

/** ISO 8601 text, a plain date (midnight UTC), a `Date`, or epoch milliseconds. */
export type InstantInput = string | number | Date | Instant

/** The instant meant by `value`, null if it is none. Numbers are always milliseconds since the epoch. */
export function instantOf(value: unknown): Instant | null {
  if (typeof value === 'string') return instantFromText(value)
  if (value instanceof Instant) return value
  if (value instanceof Date) return instantFromDate(value)
  if (typeof value !== 'number' || !Number.isFinite(value)) return null
  const ms = Math.floor(value)
  return makeInstant(ms, Math.floor((value - ms) * 1000))
}

export function requireInstant(value: unknown, where: string): Instant {
  const instant = instantOf(value)
  if (instant !== null) return instant
  throw new QueryError(
    `${where}: not an instant; use ISO 8601 text such as 2024-01-15T10:00:00Z, a date, a Date or epoch milliseconds`,
    { code: 'E_QUERY_INSTANT' },
  )
}
