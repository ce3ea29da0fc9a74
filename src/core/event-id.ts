/** The content hash that names an event (spec 03 §4); bit-compatible with the reference. */
import { hash } from 'node:crypto'
import { Duration, Instant } from './instant.ts'
import { Float, type Value } from './value.ts'

/** `e_` and the hash of `<event type>|<payload>`. */
export function eventIdOf(text: string): string {
  return `e_${hash('sha256', text)}`
}

/**
 * One value with its kind, as the payload has it. Strings are escaped as JSON does, which leaves everything but quotes,
 * backslashes and controls as it is.
 */
export function tagged(value: Value): string {
  switch (typeof value) {
    case 'string':
      return `{"String":${JSON.stringify(value)}}`
    case 'number':
      return Number.isSafeInteger(value) ? `{"Int":${value}}` : `{"Float":${floatDigits(value)}}`
    case 'boolean':
      return value ? '{"Bool":true}' : '{"Bool":false}'
    case 'bigint':
      return `{"Int":${value}}`
    default:
      return value === null || value === undefined ? '"Null"' : taggedObject(value)
  }
}

function taggedObject(value: Exclude<Value, null | boolean | number | bigint | string>): string {
  if (value instanceof Instant) return `{"DateTime":"${value.toString().slice(0, -6)}Z"}`
  if (value instanceof Float) return `{"Float":${floatDigits(value.value)}}`
  if (value instanceof Duration) {
    const secs = Math.floor(value.ms / 1000)
    return `{"Duration":{"secs":${secs},"nanos":${(value.ms - secs * 1000) * 1_000_000 + value.us * 1000}}}`
  }
  if (Array.isArray(value)) {
    let text = ''
    for (const item of value as readonly Value[]) text += (text === '' ? '' : ',') + tagged(item)
    return `{"Array":[${text}]}`
  }
  const object = value as Readonly<Record<string, Value>>
  let text = ''
  for (const key of Object.keys(object).sort(compareUtf8)) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${tagged(object[key] as Value)}`
  }
  return `{"Object":{${text}}}`
}

/** Shortest exact digits: plain from 10⁻⁵ up to 10¹⁶, with `.0` if whole, else with an exponent. */
function floatDigits(n: number): string {
  const size = Math.abs(n)
  if (size === 0) return Object.is(n, -0) ? '-0.0' : '0.0'
  if (size >= 1e-5 && size < 1e16) {
    const text = String(n)
    return Number.isInteger(n) ? `${text}.0` : text
  }
  return n.toExponential()
}

/** Order of the UTF-8 bytes, which is the order of code points. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates stand for code points above U+FFFF and so come after U+E000–U+FFFF.
    const xHigh = x >= 0xd800 && x <= 0xdfff
    const yHigh = y >= 0xd800 && y <= 0xdfff
    if (xHigh !== yHigh) return xHigh ? 1 : -1
    return x - y
  }
  return a.length - b.length
}
