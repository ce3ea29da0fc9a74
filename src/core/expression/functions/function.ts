/** What a function of the language is made of, and how it asks for its arguments (spec 02 §7). */
import { Instant, instantFromText } from '../../instant.ts'
import { Float, kindOf, type Value } from '../../value.ts'
import { domainFailure, type Failure, typeFailure } from '../errors.ts'

/** Called with the evaluated arguments; unless `nullable`, none of them is null. Throws `Failure`. */
export interface PlainFunction {
  readonly arity: readonly [least: number, most: number]
  readonly run: (...values: Value[]) => Value
  /** Null arguments are the function's own business. */
  readonly nullable?: true
}

/** A function of two arguments of which the second (a pattern, format or unit) is worth preparing once. */
export interface PreparedFunction<T> {
  readonly arity: readonly [2, 2]
  readonly prepare: (second: Value) => T
  readonly apply: (first: Value, prepared: T) => Value
}

/** Table entries hide what `prepare` makes. */
export type AnyFunction = PlainFunction | PreparedFunction<unknown>

export function prepared<T>(prepare: (second: Value) => T, apply: (first: Value, prepared: T) => Value): AnyFunction {
  return { arity: [2, 2], prepare, apply: apply as (first: Value, prepared: unknown) => Value }
}

export function plain(arity: number | readonly [number, number], run: (...values: Value[]) => Value): PlainFunction {
  return { arity: typeof arity === 'number' ? [arity, arity] : arity, run }
}

export function wrongType(name: string, expected: string, found: Value): Failure {
  return typeFailure(`'${name}' requires ${expected}, not ${kindOf(found)}`)
}

export function wrongValue(name: string, reason: string, detail: string | null = null): Failure {
  return domainFailure(`'${name}': ${reason}`, detail)
}

export function stringArg(value: Value, name: string): string {
  if (typeof value !== 'string') throw wrongType(name, 'String', value)
  return value
}

/** An Int as a number: exact within ±2⁵³, beyond that good enough for positions and counts. */
export function intArg(value: Value, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  if (typeof value === 'bigint') return Number(value)
  throw wrongType(name, 'Int', value)
}

/** A DateTime or ISO 8601 text. */
export function instantArg(value: Value, name: string): Instant {
  if (value instanceof Instant) return value
  if (typeof value !== 'string') throw wrongType(name, 'DateTime', value)
  const instant = instantFromText(value)
  if (instant === null) throw wrongValue(name, 'String is no ISO 8601 date')
  return instant
}

/** The number of a Float or small Int, the bigint of a large Int. */
export function numericArg(value: Value, name: string): { int: number | bigint } | { float: number } {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { int: value } : { float: value }
  if (typeof value === 'bigint') return { int: value }
  if (value instanceof Float) return { float: value.value }
  throw wrongType(name, 'Int or Float', value)
}
