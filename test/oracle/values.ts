/**
 * Values of the reference interpreter, chosen for obviousness: Int is always `bigint`, Float always `number`.
 * Nothing in this folder imports the engine; everything is written from the spec alone and simple on purpose.
 */
export type V = null | boolean | bigint | number | string | Time | Span | V[] | Map<string, V>

/** A failure of one record, event or firing; `field` as the spec names it. */
export class Failure extends Error {
  readonly field: string | null
  constructor(message: string, field: string | null = null) {
    super(message)
    this.field = field
  }
}

/** An instant: microseconds since the epoch. */
export class Time {
  readonly us: bigint
  constructor(us: bigint) {
    this.us = us
  }
}
/** A length of time in microseconds. */
export class Span {
  readonly us: bigint
  constructor(us: bigint) {
    this.us = us
  }
}

export const SECOND = 1_000_000n
export const DAY = 86_400n * SECOND
export const UNITS: Record<string, bigint> = { d: DAY, h: 3600n * SECOND, m: 60n * SECOND, s: SECOND }

/** A host value as received. */
export function fromHost(value: unknown): V {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(fromHost)
  if (typeof value === 'object') return new Map(Object.entries(value).map(([key, item]) => [key, fromHost(item)]))
  return value as boolean | bigint | string
}

export function numberText(value: number): string {
  const text = String(value === 0 ? 0 : value)
  return text.includes('e') ? BigInt(value).toString() : text
}

export function timeText(time: Time): string {
  const ms = floorDiv(time.us, 1000n)
  const us = time.us - floorDiv(time.us, SECOND) * SECOND
  const head = new Date(Number(ms)).toISOString().slice(0, 19)
  if (us === 0n) return `${head}+00:00`
  const six = us.toString().padStart(6, '0')
  return `${head}.${six.endsWith('000') ? six.slice(0, 3) : six}+00:00`
}

/** 03 §3.1, column `string`; null where the cell fails. */
export function textOf(value: V): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value instanceof Time) return timeText(value)
  return null
}

export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b
  return a % b < 0n ? q - 1n : q
}

const ISO = /^(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/

/** 03 §2 for ISO text; null if it is none, or no real date. */
export function timeFromIso(text: string): Time | null {
  const m = ISO.exec(text)
  if (!m) return null
  const basicDate = !text.slice(0, 8).includes('-')
  if (basicDate && (m[4] === undefined || text.slice(9, 13).includes(':'))) return null
  if (!basicDate && (text[4] !== '-' || text[7] !== '-')) return null
  const [year, month, day, hour, minute, second] = [m[1], m[2], m[3], m[4] ?? 0, m[5] ?? 0, m[6] ?? 0].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (year < 1 || hour > 23 || minute > 59 || second > 60) return null
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null
  let us = BigInt(date.getTime()) * 1000n + BigInt(hour * 3600 + minute * 60 + second) * SECOND
  if (second < 60) us += BigInt((m[7] ?? '').padEnd(6, '0').slice(0, 6))
  const zone = /^([+-])(\d\d):?(\d\d)?$/.exec(m[8] ?? '')
  if (zone) {
    const offset = BigInt(Number(zone[2]) * 60 + Number(zone[3] ?? 0)) * 60n * SECOND
    us += zone[1] === '-' ? offset : -offset
  }
  return inRange(us)
}

/** 03 §2 for anything a record can hold. */
export function timeFrom(value: V): Time | null {
  if (value instanceof Time) return value
  if (typeof value === 'string') {
    if (/^[+-]?\d{9,}(\.\d+)?$/.test(value) && timeFromIso(value) === null) return epoch(value)
    return timeFromIso(value)
  }
  if (typeof value === 'bigint') return epoch(value.toString())
  if (typeof value === 'number') return epoch(value.toFixed(9))
  return null
}

function epoch(text: string): Time | null {
  const [whole = '0', fraction = ''] = text.replace(/^[+-]/, '').split('.')
  const size = BigInt(whole)
  const digits = size < 10n ** 11n ? 0 : size < 10n ** 14n ? 3 : size < 10n ** 17n ? 6 : 9
  const nanos = size * 10n ** 9n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
  const signed = text.startsWith('-') ? -nanos : nanos
  return inRange(floorDiv(floorDiv(signed, 10n ** BigInt(digits)), 1000n))
}

function inRange(us: bigint): Time | null {
  return us >= -62_135_596_800n * SECOND && us < 253_402_300_800n * SECOND ? new Time(us) : null
}

/** `==` of 02 §5.3. */
export function same(a: V, b: V): boolean {
  if (a === null || b === null) return a === b
  if ((typeof a === 'bigint' || typeof a === 'number') && (typeof b === 'bigint' || typeof b === 'number')) {
    // biome-ignore lint/suspicious/noDoubleEquals: exact comparison of a bigint with a double
    return a == b
  }
  if (a instanceof Time || b instanceof Time) {
    const x = a instanceof Time ? a : typeof a === 'string' ? timeFromIso(a) : null
    const y = b instanceof Time ? b : typeof b === 'string' ? timeFromIso(b) : null
    return x !== null && y !== null && x.us === y.us
  }
  if (a instanceof Span && b instanceof Span) return a.us === b.us
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i] as V))
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && same(item, b.get(key) as V))
  }
  return a === b
}

/** One step of a path: member of an object, element of a list, null otherwise (02 §4, 03 §1). */
export function step(value: V, segment: string): V {
  if (value instanceof Map) return value.get(segment) ?? null
  if (Array.isArray(value) && /^\d+$/.test(segment)) return value[Number(segment)] ?? null
  return null
}

/** A path into a raw record: the whole text as a top-level key first (03 §1). */
export function rawPath(record: Map<string, V>, path: string): V {
  if (record.has(path)) return record.get(path) as V
  return path.split('.').reduce<V>(step, record)
}
