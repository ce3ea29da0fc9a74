/**
 * Instants and durations with microsecond precision (spec 02 §2, 03 §2, 04 §1).
 * One type for the whole engine; text appears only at the edges.
 */

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
    return this.ms / 1000 + this.us / 1_000_000
  }
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
  return new Instant(whole, us - carry * 1000)
}

export function makeDuration(ms: number, us: number): Duration {
  const carry = Math.floor(us / 1000)
  return new Duration(ms + carry, us - carry * 1000)
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
  const size = typeof value === 'bigint' ? (value < 0n ? -value : value) : Math.abs(value)
  const [perSecond, digits] = size < 1e11 ? [1, 0] : size < 1e14 ? [1e3, 3] : size < 1e17 ? [1e6, 6] : [1e9, 9]
  if (typeof value === 'bigint' || Number.isInteger(value)) {
    if (perSecond === 1) return makeInstant(Number(value) * 1000, 0)
    if (perSecond === 1e3) return makeInstant(Number(value), 0)
    const micros = digits === 6 ? BigInt(value) : floorDiv(BigInt(value), 1000n)
    const ms = floorDiv(micros, 1000n)
    return makeInstant(Number(ms), Number(micros - ms * 1000n))
  }
  if (!Number.isFinite(value)) return null
  // The shortest decimal text is what the sender wrote; working on it keeps microseconds exact.
  return epochFromDecimal(value.toFixed(9), digits)
}

/** Epoch given as decimal text: sign, digits, optional fraction. */
export function instantFromEpochText(text: string): Instant | null {
  const match = /^([+-]?)(\d{9,})(?:\.(\d+))?$/.exec(text)
  if (!match) return null
  const whole = match[2] as string
  const size = Number(whole)
  const digits = size < 1e11 ? 0 : size < 1e14 ? 3 : size < 1e17 ? 6 : 9
  return epochFromDecimal(text.replace('+', ''), digits)
}

function epochFromDecimal(text: string, digits: number): Instant | null {
  const negative = text.startsWith('-')
  const [whole = '0', fraction = ''] = (negative ? text.slice(1) : text).split('.')
  // value * 10^(6 - digits) microseconds, cut below the microsecond towards the past.
  const scaled = (whole + fraction.padEnd(15, '0').slice(0, 15)).padStart(16, '0')
  const shift = 15 - (6 - digits)
  let micros = BigInt(scaled.slice(0, scaled.length - shift) || '0')
  const rest = scaled.slice(scaled.length - shift)
  if (negative) micros = /[1-9]/.test(rest) ? -micros - 1n : -micros
  const ms = floorDiv(micros, 1000n)
  return makeInstant(Number(ms), Number(micros - ms * 1000n))
}

function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b
  return a % b < 0n ? q - 1n : q
}

const EXTENDED =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2})(?::?(\d{2}))?)?)?$/
const BASIC =
  /^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(?:(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2})(?::?(\d{2}))?)?$/

/** RFC 3339 and the ISO 8601 forms of spec 03 §2; null if the text is none of them or no real date. No epochs. */
export function instantFromText(text: string): Instant | null {
  const m = EXTENDED.exec(text) ?? BASIC.exec(text)
  if (!m) return null
  const year = Number(m[1])
  const month = Number(m[2])
  const day = Number(m[3])
  const hour = Number(m[4] ?? 0)
  const minute = Number(m[5] ?? 0)
  const second = Number(m[6] ?? 0)
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null
  if (hour > 23 || minute > 59 || second > 60) return null
  let ms = daysFromCivil(year, month, day) * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000
  let us = 0
  const fraction = m[7]
  if (fraction !== undefined && second < 60) {
    const micros = Number(fraction.padEnd(6, '0').slice(0, 6))
    const extra = Math.floor(micros / 1000)
    ms += extra
    us = micros - extra * 1000
  }
  if (m[9] !== undefined) {
    const oh = Number(m[10])
    const om = Number(m[11] ?? 0)
    if (oh > 23 || om > 59) return null
    const offset = (oh * 60 + om) * 60_000
    ms += m[9] === '-' ? offset : -offset
  }
  return makeInstant(ms, us)
}

/** Anything spec 03 §2 accepts as an instant; null otherwise. */
export function instantFromValue(value: unknown): Instant | null {
  if (typeof value === 'string') return instantFromText(value) ?? instantFromEpochText(value)
  if (typeof value === 'number' || typeof value === 'bigint') return instantFromEpoch(value)
  if (value instanceof Instant) return value
  if (value instanceof Date) return instantFromDate(value)
  if (typeof value === 'object' && value !== null && 'epochNanoseconds' in value) {
    const nanos = (value as { epochNanoseconds: unknown }).epochNanoseconds
    if (typeof nanos !== 'bigint') return null
    const micros = floorDiv(nanos, 1000n)
    const ms = floorDiv(micros, 1000n)
    return makeInstant(Number(ms), Number(micros - ms * 1000n))
  }
  return null
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

const pad = (n: number, width: number): string => String(n).padStart(width, '0')

function format(ms: number, us: number): string {
  const date = new Date(ms)
  const iso = date.toISOString() // years 1–9999 always give the four-digit form
  const milli = ms - Math.floor(ms / 1000) * 1000
  const head = iso.slice(0, 19)
  if (us !== 0) return `${head}.${pad(milli, 3)}${pad(us, 3)}+00:00`
  return milli === 0 ? `${head}+00:00` : `${head}.${pad(milli, 3)}+00:00`
}
