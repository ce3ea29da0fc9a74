/** The text form of values (spec 02 §7 `to_string`). */
import { Duration, durationText, Instant } from '../instant.ts'
import { Float, floatText, type Value } from '../value.ts'
import { stringifyJson } from './json.ts'

/**
 * Null → empty text, numbers without exponent and trailing `.0`, DateTime as ISO 8601, Duration as `90s`, Array and
 * Object as JSON. Total for every value.
 */
export function textOf(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
      return floatText(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return String(value)
    default:
      if (value === null || value === undefined) return ''
      if (value instanceof Instant) return value.toString()
      if (value instanceof Float) return floatText(value.value)
      if (value instanceof Duration) return durationText(value)
      return stringifyJson(value)
  }
}
