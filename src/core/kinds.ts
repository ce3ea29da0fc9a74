/** Notes on values whose kind JSON cannot show, so that a ledger row gives back the same values (spec 03 §7). */
import type { Kinds, StoredKinds, TreatedMark } from './event.ts'
import { Duration, Instant, instantFromText, makeDuration } from './instant.ts'
import { getOwn, setOwn } from './raw-path.ts'
import { asNumber, Float, toFloat, type Value } from './value.ts'

export type KindNote = Kinds[string]

const INT_LIMIT = 2 ** 63

/** The note of one value; null if its JSON text says it all. */
export function noteOf(value: Value): KindNote | null {
  if (typeof value === 'number') {
    // Digits of a whole Float that JSON writes without an exponent would be read as an Int.
    return !Number.isSafeInteger(value) && Number.isInteger(value) && Math.abs(value) <= INT_LIMIT ? 'f' : null
  }
  if (typeof value !== 'object' || value === null) return null
  if (value instanceof Instant) return 't'
  if (value instanceof Duration) return 'd'
  if (value instanceof Float) return 'f'
  let notes: Record<string, KindNote> | null = null
  for (const key of Object.keys(value)) {
    const note = noteOf((value as Readonly<Record<string, Value>>)[key] as Value)
    if (note === null) continue
    notes ??= {}
    setOwn(notes, key, note)
  }
  return notes
}

/** The value a note was made of, from its JSON form. Values that do not fit the note stay as they are. */
export function withNote(value: Value, note: KindNote): Value {
  if (note === 't') return typeof value === 'string' ? (instantFromText(value) ?? value) : value
  if (note === 'd') return typeof value === 'number' ? durationOf(value) : value
  if (note === 'f') return asFloat(value)
  if (typeof value !== 'object' || value === null) return value
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, Value>
  for (const key of Object.keys(note)) {
    const nested = getOwn(copy, key)
    if (nested !== null) setOwn(copy, key, withNote(nested, note[key] as KindNote))
  }
  return copy as Value
}

/** The value of a field of stored data, by what the row notes of it. */
export function fieldValue(
  data: Readonly<Record<string, Value>>,
  field: string,
  note: StoredKinds[string] | null,
): Value {
  const value = getOwn(data, field)
  return note === null || isMark(note) ? value : withNote(value, note)
}

export function isMark(note: StoredKinds[string]): note is TreatedMark {
  return Array.isArray(note)
}

/** A number that a `number` field or property holds: always a Float. */
export function asFloat(value: Value): Value {
  return typeof value === 'number' || typeof value === 'bigint' ? toFloat(asNumber(value)) : value
}

/** Seconds, to the microsecond. */
function durationOf(seconds: number): Duration {
  const ms = Math.floor(seconds * 1000)
  return makeDuration(ms, Math.round((seconds * 1000 - ms) * 1000))
}
