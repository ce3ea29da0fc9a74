/** Values of declared types: coercion of mapped fields (spec 03 §3.1) and conforming to properties (spec 03 §5). */
import type { PropertyType } from './definition/model.ts'
import { equal } from './expression/equality.ts'
import { textOf } from './expression/text.ts'
import { Instant, instantFromValue } from './instant.ts'
import { floatFromText, intFromText } from './number-text.ts'
import { asNumber, Float, kindOf, toFloat, toInt, type Value } from './value.ts'

/** A value that cannot become the type; the message names types, never the value. */
export class CoercionFailure {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** A value that a property does not take; the message names types and rules, never the value. */
export class Violation {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** What a property, or a field of a schema, asks of its values. `allowed` are values of `type`. */
export interface ValueRule {
  readonly type: PropertyType
  readonly allowed?: readonly Value[] | null
  readonly min?: number | null
  readonly max?: number | null
  /** The property can be redacted, so its replacement texts pass. */
  readonly sensitive?: boolean
}

const YES_NO = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['false', false],
  ['0', false],
  ['no', false],
])

/** The value as `type`; null stays null. Text is read strictly: no blanks, no empty numbers (spec 03 §3.1). */
export function coerce(value: Value, type: PropertyType): Value | CoercionFailure {
  if (value === null || value === undefined) return null
  switch (type) {
    case 'string':
      return toText(value)
    case 'number':
      return toNumber(value)
    case 'integer':
      return toInteger(value)
    case 'boolean':
      return toBoolean(value)
    case 'datetime':
      return toDateTime(value)
  }
}

function impossible(value: Value, type: PropertyType): CoercionFailure {
  return new CoercionFailure(`cannot read ${kindOf(value)} as ${type}`)
}

function unreadable(value: Value, type: PropertyType): CoercionFailure {
  return new CoercionFailure(`${kindOf(value)} is no valid ${type}`)
}

function toText(value: Value): Value | CoercionFailure {
  if (typeof value === 'string') return value
  const readable = typeof value !== 'object' || value instanceof Float || value instanceof Instant
  return readable ? textOf(value) : impossible(value, 'string')
}

function toNumber(value: Value): Value | CoercionFailure {
  // Adding 0 makes the Int that a host writes as -0 what it is.
  if (typeof value === 'number') return toFloat(value + 0)
  if (value instanceof Float) return value
  if (typeof value === 'string') {
    const float = floatFromText(value)
    return float === null ? unreadable(value, 'number') : toFloat(float)
  }
  if (typeof value === 'bigint') {
    const float = Number(value)
    return BigInt(float) === value ? toFloat(float) : new CoercionFailure('Int has no exact number')
  }
  return impossible(value, 'number')
}

function toInteger(value: Value): Value | CoercionFailure {
  if (typeof value === 'bigint') return value
  if (typeof value === 'string') return intFromText(value) ?? unreadable(value, 'integer')
  if (typeof value !== 'number' && !(value instanceof Float)) return impossible(value, 'integer')
  const whole = Math.trunc(asNumber(value))
  if (Number.isSafeInteger(whole)) return whole + 0
  return (
    (Number.isFinite(whole) ? toInt(BigInt(whole)) : null) ??
    new CoercionFailure('Float is outside the range of integer')
  )
}

function toBoolean(value: Value): Value | CoercionFailure {
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return true
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value !== 0
  if (typeof value === 'string') return YES_NO.get(value.toLowerCase()) ?? unreadable(value, 'boolean')
  return impossible(value, 'boolean')
}

function toDateTime(value: Value): Value | CoercionFailure {
  if (value instanceof Instant) return value
  if (
    typeof value !== 'string' &&
    typeof value !== 'number' &&
    typeof value !== 'bigint' &&
    !(value instanceof Float)
  ) {
    return impossible(value, 'datetime')
  }
  return instantFromValue(value instanceof Float ? value.value : value) ?? unreadable(value, 'datetime')
}

/**
 * The value as a property of this rule holds it: without loss, then `allowed`, `min`, `max` (inclusive). Null always
 * conforms, and so do the texts that redaction leaves in a sensitive property: one that holds no text has null then.
 */
export function conform(value: Value, rule: ValueRule): Value | Violation {
  if (value === null || value === undefined) return null
  if (rule.sensitive === true && typeof value === 'string' && isRedacted(value)) return leftIn(rule, value)
  const result = withoutLoss(value, rule.type)
  if (result instanceof CoercionFailure) return new Violation(result.message)
  if (rule.allowed && !rule.allowed.some((one) => equal(one, result)))
    return new Violation('value is not among the allowed ones')
  return bounded(result, rule)
}

/** What a property has of a value that a treatment replaced by a text. */
export function leftIn(rule: ValueRule, text: string): Value {
  return rule.type === 'string' ? text : null
}

function withoutLoss(value: Value, type: PropertyType): Value | CoercionFailure {
  if (type === 'integer' && (typeof value === 'number' || value instanceof Float)) {
    if (!Number.isInteger(asNumber(value))) return new CoercionFailure('Float with a fraction is no integer')
  }
  if (type === 'boolean' && typeof value !== 'boolean' && typeof value !== 'string' && value !== 0 && value !== 1) {
    return impossible(value, 'boolean')
  }
  return coerce(value, type)
}

function bounded(value: Value, { min, max }: ValueRule): Value | Violation {
  const size = value instanceof Float ? value.value : value
  if (typeof size !== 'number' && typeof size !== 'bigint') return value
  if (typeof min === 'number' && size < min) return new Violation(`value is below the minimum of ${min}`)
  if (typeof max === 'number' && size > max) return new Violation(`value is above the maximum of ${max}`)
  return value
}

const DIGEST = /^[0-9a-f]{64}$/
const MASK = /^(?:\*{1,8}|\*{5,}.{4})$/su

/** Whether a text is what a redaction treatment leaves: the marker, a keyed digest or a mask (spec 01 §2.2). */
export function isRedacted(text: string): boolean {
  return text === '[REDACTED]' || DIGEST.test(text) || MASK.test(text)
}
