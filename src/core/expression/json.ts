/** JSON text and values (spec 02 §2): Ints beyond ±2⁵³ keep every digit. */
import { toInt } from '../value.ts'

/**
 * A number that the host may not read exactly, of 16 digits or more, or not read at all, with an exponent of three
 * digits. Inside a text, where it is harmless, it only costs time.
 */
const UNSAFE_NUMBER = /[:,[]\s*-?(?:\d{16}|[\d.]+[eE]\+?\d{3})/
const INTEGER = /^-?\d+$/

interface ReviverContext {
  source?: string
}

/**
 * Reads JSON text. Numbers without fraction and exponent are exact (`bigint` beyond ±2⁵³) as far as they are Ints; all
 * others are doubles. Numbers beyond the doubles become null, as infinities never occur. Throws `SyntaxError` as `JSON.parse`.
 */
export function parseJson(text: string): unknown {
  // Records begin with `{`; anything else may be a bare number.
  if (text.startsWith('{') && !UNSAFE_NUMBER.test(text)) return JSON.parse(text)
  return JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown)
}

function exactNumber(_key: string, value: unknown, context: ReviverContext): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context.source
  if (source !== undefined && source.length <= 20 && INTEGER.test(source)) return toInt(BigInt(source)) ?? value
  return Number.isFinite(value) ? value : null
}

/**
 * JSON text of a value: DateTime as ISO text, Duration in seconds, Ints with all digits, what JSON does not know as null.
 * Throws `RangeError` when the value is nested too deeply or its text is too long for the host.
 */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return JSON.stringify(value, rawBigint) ?? 'null'
  }
}

/** `JSON.rawJSON` is newer than the type declarations of the language level. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

function rawBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawJSON(String(value)) : value
}
