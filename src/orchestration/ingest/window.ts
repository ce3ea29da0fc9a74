/** Which parts belong to a backfill window (spec 10 §3.2 `window`). */
import { daysFromCivil, instantFromText } from '../../core/instant.ts'

/** Instants of a half-open interval; null: without bound. */
export interface PartWindow {
  readonly from: string | null
  readonly to: string | null
}

const DAY_MS = 86_400_000

/**
 * Those whose name has the text of `window` with a day (`2024-01-31` or `20240131`, UTC) that the window touches. A part
 * without such a day belongs to none. `window` null: the input does not say, so all parts belong to every window.
 */
export function windowParts<P extends { readonly part: string }>(
  parts: readonly P[],
  window: string | null,
  { from, to }: PartWindow,
): P[] {
  if (window === null || (from === null && to === null)) return [...parts]
  const pattern = new RegExp(window.split('{date}').map(escaped).join('(\\d{4}-\\d{2}-\\d{2}|\\d{8})'))
  const begin = from === null ? Number.NEGATIVE_INFINITY : msOf(from)
  const end = to === null ? Number.POSITIVE_INFINITY : msOf(to)
  return parts.filter(({ part }) => {
    const day = dayOf(pattern.exec(part)?.[1])
    return day !== null && day < end && day + DAY_MS > begin
  })
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function msOf(instant: string): number {
  return instantFromText(instant)?.ms ?? Number.NaN
}

function dayOf(text: string | undefined): number | null {
  const digits = text?.replaceAll('-', '')
  if (digits === undefined) return null
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6, 8)].map(Number) as [
    number,
    number,
    number,
  ]
  if (instantFromText(`${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6, 8)}`) === null) return null
  return daysFromCivil(year, month, day) * DAY_MS
}
