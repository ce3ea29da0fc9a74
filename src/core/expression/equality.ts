/** Equality and order of values (spec 02 §5.3, §5.4). */
import { compareTime, Duration, Instant, instantFromText } from '../instant.ts'
import { Float, type Value, type ValueObject } from '../value.ts'
import { compareText } from './code-points.ts'

/**
 * `==`: never fails. Numbers compare by value, a DateTime also with ISO text, lists and objects deeply; other values of
 * different types are unequal. Null equals only null.
 */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true
  if (a === null || b === null || a === undefined || b === undefined) return (a ?? null) === (b ?? null)
  if (typeof a !== 'object' && typeof b !== 'object') {
    // An Int beyond ±2⁵³ and a Float are compared exactly by the host.
    // biome-ignore lint/suspicious/noDoubleEquals: bigint with number
    return typeof a !== typeof b && isNumeric(a) && isNumeric(b) && a == b
  }
  if (a instanceof Float) return isNumeric(b) ? equalNumbers(a.value, b) : false
  if (b instanceof Float) return isNumeric(a) ? equalNumbers(b.value, a) : false
  if (a instanceof Instant) return equalInstant(a, b)
  if (b instanceof Instant) return equalInstant(b, a)
  if (a instanceof Duration || b instanceof Duration) {
    return a instanceof Duration && b instanceof Duration && compareTime(a, b) === 0
  }
  if (typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]))
  }
  return equalObjects(a as ValueObject, b as ValueObject)
}

function isNumeric(value: Value): value is number | bigint | Float {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float
}

function equalNumbers(a: number, b: number | bigint | Float): boolean {
  // biome-ignore lint/suspicious/noDoubleEquals: bigint with number
  return a == (b instanceof Float ? b.value : b)
}

function equalInstant(a: Instant, b: Value): boolean {
  const other = b instanceof Instant ? b : typeof b === 'string' ? instantFromText(b) : null
  return other !== null && compareTime(a, other) === 0
}

function equalObjects(a: ValueObject, b: ValueObject): boolean {
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && equal(a[key] as Value, b[key] as Value))
}

/**
 * Negative, zero or positive; null where there is no order: null operands, types without one, mixed types, text that is
 * no ISO 8601 instant beside a DateTime.
 */
export function compare(a: Value, b: Value): number | null {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (isNumeric(a) && isNumeric(b)) {
    const x = a instanceof Float ? a.value : a
    const y = b instanceof Float ? b.value : b
    return x < y ? -1 : x > y ? 1 : 0
  }
  if (a instanceof Duration && b instanceof Duration) return compareTime(a, b)
  if (a instanceof Instant || b instanceof Instant) {
    const x = instantOf(a)
    const y = instantOf(b)
    if (x !== null && y !== null) return compareTime(x, y)
  }
  return null
}

/** A DateTime, also given as ISO 8601 text; null otherwise. */
export function instantOf(value: Value): Instant | null {
  if (value instanceof Instant) return value
  return typeof value === 'string' ? instantFromText(value) : null
}
