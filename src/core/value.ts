/**
 * Values of the expression language and of event data (spec 02 §2).
 *
 * Plain JSON is already a value, so nothing is converted on the hot path: a safe whole `number` is an Int, every other
 * `number` a Float. Only what JSON cannot show has a class: `Float` (a Float that looks whole), `Instant`, `Duration`;
 * Ints beyond ±2^53 are `bigint`. Build Floats with `toFloat` and Ints with `toInt` so that each value has one form.
 */
import { Duration, Instant } from './instant.ts'

export { floatText } from './number-text.ts'

export type ValueObject = { readonly [key: string]: Value }
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Instant
  | Duration
  | readonly Value[]
  | ValueObject

/** A Float whose value is a safe whole number, e.g. `5.0`. Any other Float is a plain `number`. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
  toJSON(): number {
    return this.value
  }
}

export type Kind = 'Null' | 'Bool' | 'Int' | 'Float' | 'String' | 'DateTime' | 'Duration' | 'Array' | 'Object'

export const INT_MIN = -(2n ** 63n)
export const INT_MAX = 2n ** 63n - 1n

export function kindOf(value: Value): Kind {
  switch (typeof value) {
    case 'string':
      return 'String'
    case 'number':
      return Number.isSafeInteger(value) ? 'Int' : 'Float'
    case 'boolean':
      return 'Bool'
    case 'bigint':
      return 'Int'
    default:
      if (value === null || value === undefined) return 'Null'
      if (value instanceof Instant) return 'DateTime'
      if (value instanceof Float) return 'Float'
      if (value instanceof Duration) return 'Duration'
      return Array.isArray(value) ? 'Array' : 'Object'
  }
}

/** The Float with this finite value, in its one representation. */
export function toFloat(n: number): number | Float {
  return Number.isSafeInteger(n) ? new Float(n) : n
}

/** The Int with this value in its one representation; null outside the Int range. */
export function toInt(n: bigint): number | bigint | null {
  if (n < INT_MIN || n > INT_MAX) return null
  const small = Number(n)
  return Number.isSafeInteger(small) ? small : n
}

/** The numeric value of an Int or Float as a double. */
export function asNumber(value: number | bigint | Float): number {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : value.value
}
