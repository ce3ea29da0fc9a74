/** Paths into raw records and into event data (spec 03 §1, 01 §2.4). Missing steps give null. */
import { Duration, Instant } from './instant.ts'
import { Float, type Value } from './value.ts'

/** The whole text is tried as a top-level key before its segments. */
export interface RawPath {
  readonly whole: string
  readonly segments: readonly Segment[]
}
interface Segment {
  readonly key: string
  /** The position it names in an array, or −1. */
  readonly index: number
}

export function rawPath(text: string): RawPath {
  return { whole: text, segments: text.split('.').map(segment) }
}

function segment(key: string): Segment {
  return { key, index: /^\d{1,9}$/.test(key) ? Number(key) : -1 }
}

export function readRaw(record: Readonly<Record<string, unknown>>, path: RawPath): unknown {
  if (Object.hasOwn(record, path.whole)) return record[path.whole] ?? null
  if (path.segments.length === 1) return null
  return walk(record, path.segments, 0)
}

function walk(start: unknown, segments: readonly Segment[], from: number): unknown {
  let at = start
  for (let i = from; i < segments.length; i++) {
    const { key, index } = segments[i] as Segment
    if (typeof at !== 'object' || at === null) return null
    if (Array.isArray(at)) at = index < 0 ? null : at[index]
    else if (at instanceof Instant || at instanceof Duration || at instanceof Float) return null
    else at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : null
  }
  return at ?? null
}

/** Reads `first`, then walks on by the rest of the path (the `from` of effects). */
export function valueReader(path: readonly string[]): (first: Value) => Value {
  const segments = path.map(segment)
  return segments.length === 0 ? (first) => first : (first) => walk(first, segments, 0) as Value
}

/** Sets an own property, whatever its name: `__proto__` would otherwise change the prototype. */
export function setOwn<T>(object: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}

/** An own property or null; inherited ones do not count. */
export function getOwn<T>(object: Readonly<Record<string, T>>, key: string): T | null {
  return Object.hasOwn(object, key) ? (object[key] as T) : null
}
