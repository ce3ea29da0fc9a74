/** Whether a host value is JSON through and through (spec 04 §2.1): anything else is refused, never made text of. */
import { Fault } from './fault.ts'

/** Containers inside containers; the limit also ends the walk through a cycle. */
const MAX_DEPTH = 512

/**
 * Throws a `Fault` with the path of the first value that is not JSON. False: there are numbers that plain
 * `JSON.stringify` and `JSON.parse` would change (bigint, whole Floats beyond 2^53, negative zero).
 */
export function checkJson(record: Readonly<Record<string, unknown>>): boolean {
  const found = scan(record, 1)
  if (found === BAD) {
    const [path, what] = locate(record, [])
    throw new Fault(`'${path}' is not JSON: ${what}`, path)
  }
  return found === PLAIN
}

/** Throws a `Fault` if the value read from `text` is nested too deeply. */
export function checkDepth(value: unknown, text: string): void {
  // Each level takes an opening and a closing mark.
  if (text.length > 2 * MAX_DEPTH && tooDeep(value, 1)) throw new Fault(DEEP, null)
}

const PLAIN = 0
const CAREFUL = 1
const BAD = 2
const DEEP = `nested deeper than ${MAX_DEPTH} levels, or part of itself`

function scan(value: unknown, depth: number): typeof PLAIN | typeof CAREFUL | typeof BAD {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return PLAIN
    case 'number':
      if (Number.isSafeInteger(value)) return value === 0 && Object.is(value, -0) ? CAREFUL : PLAIN
      if (!Number.isFinite(value)) return BAD
      return Number.isInteger(value) ? CAREFUL : PLAIN
    case 'bigint':
      return CAREFUL
    case 'object':
      break
    default:
      return BAD
  }
  if (value === null) return PLAIN
  if (depth > MAX_DEPTH) return BAD
  let worst: typeof PLAIN | typeof CAREFUL = PLAIN
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = scan(value[i], depth + 1)
      if (found === BAD) return BAD
      if (found === CAREFUL) worst = CAREFUL
    }
    return worst
  }
  if (!isPlain(value)) return BAD
  for (const key of Object.keys(value)) {
    const found = scan((value as Record<string, unknown>)[key], depth + 1)
    if (found === BAD) return BAD
    if (found === CAREFUL) worst = CAREFUL
  }
  return worst
}

/** An object literal, of whatever realm, or one without a prototype; not an instance of a class, and no `toJSON`. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf')
}

/** Path and name of the first value that `scan` refused. */
function locate(value: unknown, path: string[]): [string, string] {
  const here = path.join('.')
  if (typeof value === 'number') return [here, 'no finite number']
  if (typeof value !== 'object' || value === null) return [here, typeof value]
  if (path.length >= MAX_DEPTH) return [path.slice(0, 3).join('.'), DEEP]
  if (!Array.isArray(value) && !isPlain(value)) {
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
    return [here, typeof name === 'string' ? name : 'object']
  }
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value)
  for (const key of keys) {
    const item = (value as Record<string | number, unknown>)[key]
    if (scan(item, path.length + 2) === BAD) return locate(item, [...path, String(key)])
  }
  return [here, 'unreadable value']
}

function tooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth > MAX_DEPTH) return true
  for (const item of Object.values(value)) if (tooDeep(item, depth + 1)) return true
  return false
}
