/** Functions over numbers, and casts to them (spec 02 §7 "Numbers", "Lists, casts, null"). */
import { Instant } from '../../instant.ts'
import { floatFromText, intFromText } from '../../number-text.ts'
import { asNumber, Float, floatText, kindOf, toFloat, toInt, type Value } from '../../value.ts'
import { order } from '../order.ts'
import { type AnyFunction, instantArg, intArg, numericArg, plain, wrongType, wrongValue } from './function.ts'

function absolute(value: Value): Value {
  const number = numericArg(value, 'math::abs')
  if ('float' in number) return toFloat(Math.abs(number.float))
  if (typeof number.int === 'number') return Math.abs(number.int)
  const int = toInt(number.int < 0n ? -number.int : number.int)
  if (int === null) throw wrongValue('math::abs', 'Int overflow')
  return int
}

/** Ints pass through, Floats are made whole by `whole`. */
function wholeNumber(name: string, whole: (value: number) => number): (value?: Value) => Value {
  return (value = null) => {
    const number = numericArg(value, name)
    return 'int' in number ? number.int : toWhole(whole(number.float), name)
  }
}

/** A whole double as Int. */
function toWhole(value: number, name: string): Value {
  if (Number.isSafeInteger(value)) return value + 0
  const int = toInt(BigInt(value))
  if (int === null) throw wrongValue(name, 'result is outside the range of Int')
  return int
}

function halfAwayFromZero(value: number): number {
  const whole = Math.trunc(value)
  // The difference is exact, unlike adding a half before cutting.
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole
}

const roundToWhole = wholeNumber('round', halfAwayFromZero)

function round(value: Value, digits?: Value): Value {
  if (digits === undefined) return roundToWhole(value)
  const places = intArg(digits, 'round')
  if (places < 0 || places > 15) throw wrongValue('round', 'digits must be between 0 and 15')
  numericArg(value, 'round')
  return toFloat(roundDigits(asNumber(value as number), places))
}

/** Rounds the shortest decimal digits, which are the number that people see: 1.005 to 2 digits is 1.01. */
function roundDigits(value: number, places: number): number {
  const [whole = '', fraction = ''] = floatText(Math.abs(value)).split('.')
  if (fraction.length <= places) return value
  let scaled = BigInt(whole + fraction.slice(0, places))
  if (fraction.charAt(places) >= '5') scaled += 1n
  const digits = String(scaled).padStart(places + 1, '0')
  const text = `${digits.slice(0, digits.length - places)}.${digits.slice(digits.length - places)}`
  return Math.sign(value) * Number(text)
}

/** The smallest (`sign` 1) or largest (`sign` -1) of values of one kind; the first of equal ones. */
function extreme(name: string, sign: 1 | -1): (...values: Value[]) => Value {
  return (...values) => {
    const items = values.some((value) => value instanceof Instant)
      ? values.map((value) => instantArg(value, name))
      : values
    let best = items[0] as Value
    for (const item of items) if (sign * order(checked(item, name), best) < 0) best = item
    const mixed = items.some((item) => kindOf(item) === 'Float')
    return mixed ? toFloat(asNumber(best as number | bigint | Float)) : best
  }
}

function checked(value: Value, name: string): Value {
  const kind = kindOf(value)
  if (kind === 'Bool' || kind === 'Array' || kind === 'Object') {
    throw wrongType(name, 'numbers, dates, durations or Strings', value)
  }
  return value
}

function toIntFunction(value: Value): Value {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') {
    const int = intFromText(value)
    if (int === null) throw wrongValue('to_int', 'String is no whole number within the range of Int')
    return int
  }
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Float) return truncated(value)
  throw wrongType('to_int', 'a number, Bool or String', value)
}

const truncated = wholeNumber('to_int', Math.trunc)

function toFloatFunction(value: Value): Value {
  if (typeof value === 'string') {
    const float = floatFromText(value)
    if (float === null) throw wrongValue('to_float', 'String is no finite decimal number')
    return toFloat(float)
  }
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Float) return toFloat(asNumber(value))
  throw wrongType('to_float', 'a number or String', value)
}

export const NUMBER_FUNCTIONS: Readonly<Record<string, AnyFunction>> = {
  'math::abs': plain(1, (value = null) => absolute(value)),
  floor: plain(1, wholeNumber('floor', Math.floor)),
  ceil: plain(1, wholeNumber('ceil', Math.ceil)),
  round: plain([1, 2], (value = null, digits) => round(value, digits)),
  min: plain([2, Number.POSITIVE_INFINITY], extreme('min', 1)),
  max: plain([2, Number.POSITIVE_INFINITY], extreme('max', -1)),
  to_int: plain(1, (value = null) => toIntFunction(value)),
  to_float: plain(1, (value = null) => toFloatFunction(value)),
}
