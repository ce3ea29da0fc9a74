/** Which parts belong to a backfill window (spec 10 §3.2 `window`). */
import { daysInMonth, instantFromText } from '../../core/instant.ts'

/** Instants of a half-open interval; null: without bound. */
export interface PartWindow {
  readonly from: string | null
  readonly to: string | null
}

const DAY_MS = 86_400_000
/** Days and months as names of files have them. */
const DATE = '(\\d{4}-\\d{2}-\\d{2}|\\d{8}|\\d{4}-\\d{2})'

/**
 * Those whose name has the text of `window` with a day (`2024-01-31`, `20240131`) or month (`2024-01`), UTC, that the
 * window touches. A part without a date belongs to none. `window` null: the input does not say, so all parts belong to
 * every window.
 */
export function windowParts<P extends { readonly part: string }>(
  parts: readonly P[],
  window: string | null,
  { from, to }: PartWindow,
): P[] {
  if (window === null || (from === null && to === null)) return [...parts]
  const pattern = new RegExp(window.split('{date}').map(escaped).join(DATE))
  const begin = from === null ? Number.NEGATIVE_INFINITY : msOf(from)
  const end = to === null ? Number.POSITIVE_INFINITY : msOf(to)
  return parts.filter(({ part }) => {
    const span = spanOf(pattern.exec(part)?.[1])
    return span !== null && span.from < end && span.to > begin
  })
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function msOf(instant: string): number {
  return instantFromText(instant)?.ms ?? Number.NaN
}

/** Half-open, in milliseconds; null for what is no date. */
function spanOf(text: string | undefined): { readonly from: number; readonly to: number } | null {
  if (text === undefined) return null
  const digits = text.replaceAll('-', '')
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6, 8) || '01']
  const first = instantFromText(`${year}-${month}-${day}`)
  if (first === null) return null
  const days = digits.length === 8 ? 1 : daysInMonth(Number(year), Number(month))
  return { from: first.ms, to: first.ms + days * DAY_MS }
}
