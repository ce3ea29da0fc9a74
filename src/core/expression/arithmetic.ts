/** Arithmetic of the expression language (spec 02 §5.5). Null flows through; impossible operands throw a `Failure`. */
import { addDuration, Duration, Instant, instantFromText, makeDuration, subtractInstants } from '../instant.ts'
import { asNumber, Float, INT_MAX, INT_MIN, kindOf, toFloat, toInt, type Value } from '../value.ts'
import type { ArithmeticOperator } from './ast.ts'
import { domainFailure, type Failure, typeFailure } from './errors.ts'

type Int = number | bigint

export function add(a: Value, b: Value): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
      return Number.isSafeInteger(sum) ? sum : intOf(BigInt(a) + BigInt(b))
    }
    return floatOf(sum)
  }
  if (typeof a === 'string' && typeof b === 'string') return a + b
  return other('+', a, b)
}

export function subtract(a: Value, b: Value): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b
    if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
      return Number.isSafeInteger(difference) ? difference + 0 : intOf(BigInt(a) - BigInt(b))
    }
    return floatOf(difference)
  }
  return other('-', a, b)
}

export function multiply(a: Value, b: Value): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b
    if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
      return Number.isSafeInteger(product) ? product + 0 : intOf(BigInt(a) * BigInt(b))
    }
    return floatOf(product)
  }
  return other('*', a, b)
}

export function divide(a: Value, b: Value): Value {
  if (typeof a === 'number' && typeof b === 'number' && b !== 0) {
    // The quotient of two exact Ints below 2^53 never rounds up to the next whole number.
    if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return Math.trunc(a / b) + 0
    return floatOf(a / b)
  }
  return other('/', a, b)
}

export function power(a: Value, b: Value): Value {
  return other('**', a, b)
}

export function negate(value: Value): Value {
  if (value === null) return null
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 0 - value : -value
  if (typeof value === 'bigint') return intOf(-value)
  if (value instanceof Float) return toFloat(-value.value)
  if (value instanceof Duration) return makeDuration(-value.ms, -value.us)
  throw typeFailure(`Cannot apply '-' to ${kindOf(value)}`)
}

function intOf(value: bigint): Int {
  const int = toInt(value)
  if (int === null) throw domainFailure('Int overflow')
  return int
}

function floatOf(value: number): number | Float {
  if (!Number.isFinite(value)) throw domainFailure('Float result is not finite')
  return toFloat(value)
}

function isNumeric(value: Value): value is Int | Float {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float
}

function isInt(value: Value): value is Int {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
}

/** Everything beyond small numbers and texts. */
function other(operator: ArithmeticOperator, a: Value, b: Value): Value {
  if (a === null || b === null) return null
  if (isNumeric(a) && isNumeric(b)) {
    return isInt(a) && isInt(b) ? ints(operator, BigInt(a), BigInt(b)) : floats(operator, asNumber(a), asNumber(b))
  }
  const result = a instanceof Duration ? durationFirst(operator, a, b) : durationSecond(operator, a, b)
  if (result === undefined) throw mismatch(operator, a, b)
  return result
}

function mismatch(operator: ArithmeticOperator, a: Value, b: Value): Failure {
  return typeFailure(`Cannot apply '${operator}' to ${kindOf(a)} and ${kindOf(b)}`)
}

function ints(operator: ArithmeticOperator, a: bigint, b: bigint): Value {
  switch (operator) {
    case '+':
      return intOf(a + b)
    case '-':
      return intOf(a - b)
    case '*':
      return intOf(a * b)
    case '/':
      if (b === 0n) throw domainFailure('Division by zero')
      return intOf(a / b)
    case '**':
      return intPower(a, b)
  }
}

function intPower(base: bigint, exponent: bigint): Value {
  if (exponent < 0n) throw domainFailure('Int power with a negative exponent')
  if (base === 0n || base === 1n) return exponent === 0n ? 1 : Number(base)
  if (base === -1n) return exponent % 2n === 0n ? 1 : -1
  // Any other base is beyond Int from the 64th power on.
  if (exponent > 63n) throw domainFailure('Int overflow')
  return intOf(base ** exponent)
}

function floats(operator: ArithmeticOperator, a: number, b: number): Value {
  switch (operator) {
    case '+':
      return floatOf(a + b)
    case '-':
      return floatOf(a - b)
    case '*':
      return floatOf(a * b)
    case '/':
      if (b === 0) throw domainFailure('Division by zero')
      return floatOf(a / b)
    case '**':
      return floatOf(a ** b)
  }
}

/** Undefined: no such operation. */
function durationFirst(operator: ArithmeticOperator, a: Duration, b: Value): Value | undefined {
  if (b instanceof Duration) {
    if (operator === '+') return durationOf(a.ms + b.ms, a.us + b.us)
    if (operator === '-') return durationOf(a.ms - b.ms, a.us - b.us)
    if (operator === '/') return ratio(a, b)
    return undefined
  }
  if (operator === '+') return b instanceof Instant ? shifted(b, a, 1) : undefined
  if (!isNumeric(b)) return undefined
  if (operator === '*') return scaled(a, b)
  if (operator === '/') {
    if (asNumber(b) === 0) throw domainFailure('Division by zero')
    return roundedMicros(micros(a) / asNumber(b))
  }
  return undefined
}

function durationSecond(operator: ArithmeticOperator, a: Value, b: Value): Value | undefined {
  if (b instanceof Duration) {
    if (operator === '+' || operator === '-') return shifted(a, b, operator === '+' ? 1 : -1)
    return operator === '*' && isNumeric(a) ? scaled(b, a) : undefined
  }
  if (operator !== '-') return undefined
  if (a instanceof Instant) {
    const end = b instanceof Instant ? b : typeof b === 'string' ? readInstant(b) : undefined
    return end && subtractInstants(a, end)
  }
  return b instanceof Instant && typeof a === 'string' ? subtractInstants(readInstant(a), b) : undefined
}

function shifted(value: Value, by: Duration, sign: 1 | -1): Value | undefined {
  const start = value instanceof Instant ? value : typeof value === 'string' ? readInstant(value) : undefined
  if (start === undefined) return undefined
  const result = addDuration(start, by, sign)
  if (result === null) throw domainFailure('DateTime outside years 1 to 9999')
  return result
}

/** ISO 8601 text where a DateTime is needed. */
export function readInstant(text: string): Instant {
  const instant = instantFromText(text)
  if (instant === null) throw domainFailure('String is no ISO 8601 date')
  return instant
}

function micros(d: Duration): number {
  return d.ms * 1000 + d.us
}

function durationOf(ms: number, us: number): Duration {
  if (!Number.isSafeInteger(ms)) throw domainFailure('Duration out of range')
  return makeDuration(ms, us)
}

function ratio(a: Duration, b: Duration): Value {
  if (micros(b) === 0) throw domainFailure('Division by zero')
  return floatOf(micros(a) / micros(b))
}

function scaled(d: Duration, factor: Int | Float): Duration {
  if (!isInt(factor)) return roundedMicros(micros(d) * asNumber(factor))
  const product = (BigInt(d.ms) * 1000n + BigInt(d.us)) * BigInt(factor)
  if (product < INT_MIN || product > INT_MAX) throw domainFailure('Duration out of range')
  const ms = product / 1000n
  return durationOf(Number(ms), Number(product - ms * 1000n))
}

/** To the nearest microsecond, halves away from zero. */
function roundedMicros(value: number): Duration {
  if (!(Math.abs(value) < 2 ** 63)) throw domainFailure('Duration out of range')
  const whole = Math.sign(value) * Math.round(Math.abs(value))
  const ms = Math.trunc(whole / 1000)
  return durationOf(ms, whole - ms * 1000)
}
