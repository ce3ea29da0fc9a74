/**
 * Instants and durations with microsecond precision (spec 02 §2, 03 §2, 04 §1).
 * One type for the whole engine; text appears only at the edges.
 */
import { floatText } from './number-text.ts'

const MS_PER_DAY = 86_400_000
/** 0001-01-01T00:00:00Z and the millisecond after 9999-12-31T23:59:59.999Z. */
const MIN_MS = -62_135_596_800_000
const MAX_MS = 253_402_300_800_000

/** A UTC instant, years 1–9999: whole milliseconds since the epoch (floored) and 0–999 microseconds beyond them. */
export class Instant {
  readonly ms: number
  readonly us: number
  #text: string | undefined

  constructor(ms: number, us = 0) {
    this.ms = ms
    this.us = us
  }

  /** Canonical text `YYYY-MM-DDTHH:MM:SS[.fff|.ffffff]+00:00`, which sorts chronologically. */
  toString(): string {
    this.#text ??= format(this.ms, this.us)
    return this.#text
  }

  toJSON(): string {
    return this.toString()
  }

  toDate(): Date {
    return new Date(this.ms)
  }
}

/** A signed length of time: whole milliseconds (floored) and 0–999 microseconds. */
export class Duration {
  readonly ms: number
  readonly us: number

  constructor(ms: number, us = 0) {
    this.ms = ms
    this.us = us
  }

  /** Seconds as a number, the JSON form. */
  toJSON(): number {
    const micros = this.ms * 1000 + this.us
    return Number.isSafeInteger(micros) ? micros / 1_000_000 : this.ms / 1000
  }
}

/** Seconds with as many digits as needed, e.g. `90s`, `-1.5s`. */
export function durationText(d: Duration): string {
  const past = d.ms < 0
  // Away from zero: -1.5 s is held as -1500 ms, -0.0005 s as -1 ms and 500 us.
  const ms = past ? -d.ms - (d.us > 0 ? 1 : 0) : d.ms
  const us = past && d.us > 0 ? 1000 - d.us : d.us
  const seconds = Math.floor(ms / 1000)
  const fraction = `${pad3(ms - seconds * 1000)}${pad3(us)}`.replace(/0+$/, '')
  return `${past ? '-' : ''}${BigInt(seconds)}${fraction === '' ? '' : `.${fraction}`}s`
}

/** Negative, zero or positive: order of two instants or of two durations. */
export function compareTime(a: { ms: number; us: number }, b: { ms: number; us: number }): number {
  return a.ms - b.ms || a.us - b.us
}

export function sameInstant(a: Instant | null, b: Instant | null): boolean {
  return a === b || (a !== null && b !== null && a.ms === b.ms && a.us === b.us)
}

export function laterOf(a: Instant, b: Instant): Instant
export function laterOf(a: Instant | null, b: Instant | null): Instant | null
export function laterOf(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null) return b
  if (b === null) return a
  return compareTime(a, b) >= 0 ? a : b
}

/** `a + d`; null outside years 1–9999. */
export function addDuration(a: Instant, d: Duration, sign: 1 | -1 = 1): Instant | null {
  return makeInstant(a.ms + sign * d.ms, a.us + sign * d.us)
}

export function subtractInstants(a: Instant, b: Instant): Duration {
  return makeDuration(a.ms - b.ms, a.us - b.us)
}

/** Normalizes microseconds into 0–999; null outside years 1–9999. */
export function makeInstant(ms: number, us: number): Instant | null {
  const carry = Math.floor(us / 1000)
  const whole = ms + carry
  if (!(whole >= MIN_MS && whole < MAX_MS)) return null
  // Adding 0 turns -0 into 0.
  return new Instant(whole + 0, us - carry * 1000)
}

export function makeDuration(ms: number, us: number): Duration {
  const carry = Math.floor(us / 1000)
  return new Duration(ms + carry + 0, us - carry * 1000)
}

/** A duration of whole units; `null` when the text is not `<digits><d|h|m|s>` (spec 01 §2.5). Zero is allowed here. */
export function parseDurationText(text: string): Duration | null {
  const match = /^(\d+)([dhms])$/.exec(text.trim())
  if (!match) return null
  const unit = { d: MS_PER_DAY, h: 3_600_000, m: 60_000, s: 1000 }[match[2] as 'd' | 'h' | 'm' | 's']
  const ms = Number(match[1]) * unit
  return Number.isSafeInteger(ms) ? new Duration(ms) : null
}

export function instantFromDate(date: Date): Instant | null {
  const ms = date.getTime()
  return Number.isNaN(ms) ? null : makeInstant(ms, 0)
}

/** Unix epoch by magnitude: below 1e11 seconds, 1e14 milliseconds, 1e17 microseconds, else nanoseconds (spec 03 §2). */
export function instantFromEpoch(value: number | bigint): Instant | null {
  if (typeof value === 'bigint') return epochFromDecimal(value < 0n, String(value < 0n ? -value : value), '')
  const size = Math.abs(value)
  if (Number.isInteger(value) && size < 1e14) return makeInstant(size < 1e11 ? value * 1000 : value, 0)
  if (!(size < 1e22)) return null
  // The shortest decimal text is what the sender wrote; working on it keeps microseconds exact.
  const [whole = '', fraction = ''] = floatText(size).split('.')
  return epochFromDecimal(value < 0, whole, fraction)
}

/** Epoch given as decimal text: at least 9 digits with optional sign and fraction; null for anything else. */
export function instantFromEpochText(text: string): Instant | null {
  const match = /^([+-]?)(\d{9,})(?:\.(\d+))?$/.exec(text)
  return match && epochFromDecimal(match[1] === '-', match[2] as string, match[3] ?? '')
}

function epochFromDecimal(negative: boolean, digits: string, fraction: string): Instant | null {
  const whole = digits.replace(/^0+/, '')
  // The last instant of year 9999 has 21 digits in nanoseconds.
  if (whole.length > 21) return null
  const size = Number(whole)
  const unit = size < 1e11 ? 0 : size < 1e14 ? 3 : size < 1e17 ? 6 : 9
  // Units of 10^-unit seconds as nanoseconds; further digits only matter for rounding towards the past.
  const places = 9 - unit
  let nanos = BigInt(whole + fraction.slice(0, places).padEnd(places, '0'))
  if (negative) nanos = /[1-9]/.test(fraction.slice(places)) ? -nanos - 1n : -nanos
  return fromNanos(nanos)
}

/** Cut below the microsecond, towards the past. */
function fromNanos(nanos: bigint): Instant | null {
  const micros = floorDiv(nanos, 1000n)
  const ms = floorDiv(micros, 1000n)
  return makeInstant(Number(ms), Number(micros - ms * 1000n))
}

function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b
  return a % b < 0n ? q - 1n : q
}

const EXTENDED =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)?)?$/
const BASIC =
  /^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(?:(\d{2})(?:\.(\d{1,9}))?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)?$/

/** RFC 3339 and the ISO 8601 forms of spec 03 §2; null if the text is none of them or no real date. No epochs. */
export function instantFromText(text: string): Instant | null {
  // Most texts are `YYYY-MM-DDTHH:MM:SS…` and need no pattern.
  const first = text.charCodeAt(0)
  if (!(first >= 0x30 && first <= 0x39)) return null
  return fromRfc3339(text) ?? fromPattern(text)
}

/** Value of the two digits at `at`; NaN if they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30
  const ones = text.charCodeAt(at + 1) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Whole seconds, an optional fraction and a zone; null for every other form, valid or not. */
function fromRfc3339(text: string): Instant | null {
  const length = text.length
  if (length < 20 || length > 35) return null
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return null
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a) return null
  const separator = text.charCodeAt(10)
  if (separator !== 0x54 && separator !== 0x20 && separator !== 0x74) return null

  let micros = 0
  let at = 19
  if (text.charCodeAt(at) === 0x2e) {
    let weight = 100_000
    for (at = 20; at < 29; at++) {
      const digit = text.charCodeAt(at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      micros += digit * weight
      // Digits beyond the microsecond are cut.
      weight = weight === 1 ? 0 : weight / 10
    }
    if (at === 20) return null
  }
  const zone = text.charCodeAt(at)
  let offset = 0
  if (zone === 0x5a || zone === 0x7a) {
    if (at + 1 !== length) return null
  } else {
    if ((zone !== 0x2b && zone !== 0x2d) || at + 6 !== length || text.charCodeAt(at + 3) !== 0x3a) return null
    offset = offsetMs(zone === 0x2d, twoDigits(text, at + 1), twoDigits(text, at + 4))
  }
  return fromParts(
    twoDigits(text, 0) * 100 + twoDigits(text, 2),
    twoDigits(text, 5),
    twoDigits(text, 8),
    twoDigits(text, 11),
    twoDigits(text, 14),
    twoDigits(text, 17),
    micros,
    offset,
  )
}

function fromPattern(text: string): Instant | null {
  const m = EXTENDED.exec(text) ?? BASIC.exec(text)
  if (!m) return null
  const part = (index: number): number => Number(m[index] ?? 0)
  const micros = Number((m[7] ?? '').slice(0, 6).padEnd(6, '0'))
  return fromParts(
    part(1),
    part(2),
    part(3),
    part(4),
    part(5),
    part(6),
    micros,
    offsetMs(m[8] === '-', part(9), part(10)),
  )
}

/** NaN if there is no such offset. */
function offsetMs(west: boolean, hours: number, minutes: number): number {
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN
  return (hours * 60 + minutes) * (west ? -60_000 : 60_000)
}

/**
 * The instant of a calendar date and time `offset` milliseconds ahead of UTC; second 60 is the first instant of the next
 * minute. Null if a part is NaN or out of range.
 */
export function fromParts(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  micros: number,
  offset: number,
): Instant | null {
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return null
  if (!(hour <= 23 && minute <= 59 && second <= 60 && Math.abs(offset) < MS_PER_DAY)) return null
  const whole = daysFromCivil(year, month, day) * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000
  return makeInstant(whole - offset, second === 60 ? 0 : micros)
}

/** Anything spec 03 §2 accepts as an instant; null otherwise. */
export function instantFromValue(value: unknown): Instant | null {
  if (typeof value === 'string') return instantFromText(value) ?? instantFromEpochText(value)
  if (typeof value === 'number' || typeof value === 'bigint') return instantFromEpoch(value)
  if (value instanceof Instant) return value
  if (value instanceof Date) return instantFromDate(value)
  return isTemporal(value) ? fromNanos(value.epochNanoseconds) : null
}

/** A Temporal instant has the member by its class; a plain object that holds it is data. */
function isTemporal(value: unknown): value is { epochNanoseconds: bigint } {
  if (typeof value !== 'object' || value === null || Object.hasOwn(value, 'epochNanoseconds')) return false
  return typeof (value as { epochNanoseconds?: unknown }).epochNanoseconds === 'bigint'
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days since 1970-01-01 of a proleptic Gregorian date. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yoe = y - era * 400
  const doy = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const doe = yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy
  return era * 146_097 + doe - 719_468
}

/** Calendar parts of an instant, in UTC. */
export interface CalendarDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** The inverse of `daysFromCivil`. */
export function civilFromDays(days: number): CalendarDate {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const doe = shifted - era * 146_097
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365)
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const shiftedMonth = Math.floor((5 * doy + 2) / 153)
  const day = doy - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return { year: yoe + era * 400 + (month <= 2 ? 1 : 0), month, day }
}

/** 0 Monday … 6 Sunday; day 0 of the epoch was a Thursday. */
export function weekdayOf(days: number): number {
  return (((days + 3) % 7) + 7) % 7
}

const pad2 = (n: number): string => (n < 10 ? `0${n}` : `${n}`)
const pad3 = (n: number): string => (n < 10 ? `00${n}` : n < 100 ? `0${n}` : `${n}`)

function format(ms: number, us: number): string {
  const days = Math.floor(ms / MS_PER_DAY)
  const { year, month, day } = civilFromDays(days)
  const rest = ms - days * MS_PER_DAY
  const seconds = Math.floor(rest / 1000)
  const milli = rest - seconds * 1000
  const minutes = Math.floor(seconds / 60)
  const hour = Math.floor(minutes / 60)
  const date = `${year < 1000 ? String(year).padStart(4, '0') : year}-${pad2(month)}-${pad2(day)}`
  const time = `${pad2(hour)}:${pad2(minutes - hour * 60)}:${pad2(seconds - minutes * 60)}`
  const fraction = us !== 0 ? `.${pad3(milli)}${pad3(us)}` : milli !== 0 ? `.${pad3(milli)}` : ''
  return `${date}T${time}${fraction}+00:00`
}
