/** `parse_datetime` (spec 02 §7): a format becomes steps that read fields of the text one after the other. */
import { civilFromDays, daysFromCivil, fromParts, type Instant, makeInstant, weekdayOf } from '../../instant.ts'
import { wrongValue } from './function.ts'

const MONTHS = names('january february march april may june july august september october november december')
const WEEKDAYS = names('monday tuesday wednesday thursday friday saturday sunday')

function names(list: string): readonly string[] {
  return list.split(' ')
}

type Field =
  | 'year'
  | 'shortYear'
  | 'month'
  | 'day'
  | 'dayOfYear'
  | 'hour'
  | 'hour12'
  | 'afternoon'
  | 'minute'
  | 'second'
  | 'micros'
  | 'weekday'
  | 'epoch'
  | 'offset'

/** What was read so far and where the next step begins. */
class Reading {
  readonly text: string
  readonly fields = new Map<Field, number>()
  at = 0

  constructor(text: string) {
    this.text = text
  }

  /** False if the field was read before as something else. */
  put(field: Field, value: number): boolean {
    const before = this.fields.get(field)
    this.fields.set(field, value)
    return before === undefined || before === value
  }

  /** Consumes what a sticky pattern finds. */
  match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found !== null) this.at += found[0].length
    return found
  }
}

/** False: the text does not fit. */
type Step = (reading: Reading) => boolean
export type DateFormat = readonly Step[]

function literal(text: string): Step {
  return (reading) => {
    if (!reading.text.startsWith(text, reading.at)) return false
    reading.at += text.length
    return true
  }
}

function number(field: Field, pattern: RegExp): Step {
  return (reading) => {
    const found = reading.match(pattern)
    return found !== null && reading.put(field, Number(found[0]))
  }
}

/** A name, whole or by its first three letters, whatever the case; `first` is the number of the first name. */
function name(field: Field, list: readonly string[], first: number): Step {
  return (reading) => {
    const rest = reading.text.slice(reading.at, reading.at + 9).toLowerCase()
    const index = list.findIndex((one) => rest.startsWith(one.slice(0, 3)))
    const whole = list[index]
    if (whole === undefined) return false
    reading.at += rest.startsWith(whole) ? whole.length : 3
    return reading.put(field, index + first)
  }
}

function fraction(pattern: RegExp): Step {
  return (reading) => {
    const found = reading.match(pattern)
    return found !== null && reading.put('micros', Number((found[1] ?? '').slice(0, 6).padEnd(6, '0')))
  }
}

const offset: Step = (reading) => {
  const found = reading.match(/([Zz])|([+-])(\d{2}):?(\d{2})/y)
  if (found === null) return false
  const minutes = found[1] ? 0 : Number(found[3]) * 60 + Number(found[4])
  if (Number(found[4] ?? 0) > 59) return false
  return reading.put('offset', (found[2] === '-' ? -minutes : minutes) * 60_000)
}

const afternoon: Step = (reading) => {
  const found = reading.match(/([ap])m/iy)
  return found !== null && reading.put('afternoon', found[1]?.toLowerCase() === 'p' ? 1 : 0)
}

const STEPS: ReadonlyMap<string, Step> = new Map([
  ['Y', number('year', /\d{4}/y)],
  ['y', number('shortYear', /\d{2}/y)],
  ['m', number('month', /\d{1,2}/y)],
  ['d', number('day', /\d{1,2}/y)],
  ['e', number('day', / ?\d{1,2}/y)],
  ['j', number('dayOfYear', /\d{1,3}/y)],
  ['H', number('hour', /\d{1,2}/y)],
  ['I', number('hour12', /\d{1,2}/y)],
  ['M', number('minute', /\d{1,2}/y)],
  ['S', number('second', /\d{1,2}/y)],
  ['p', afternoon],
  ['b', name('month', MONTHS, 1)],
  ['B', name('month', MONTHS, 1)],
  ['a', name('weekday', WEEKDAYS, 0)],
  ['A', name('weekday', WEEKDAYS, 0)],
  ['s', number('epoch', /[+-]?\d{1,12}/y)],
  ['f', fraction(/(\d{1,9})/y)],
  ['.f', fraction(/(?:\.(\d{1,9}))?/y)],
  ['3f', fraction(/(\d{3})/y)],
  ['6f', fraction(/(\d{6})/y)],
  ['9f', fraction(/(\d{9})/y)],
  ['z', offset],
  [':z', offset],
  ['%', literal('%')],
])
const SHORTHANDS = new Map([
  ['F', '%Y-%m-%d'],
  ['T', '%H:%M:%S'],
  ['D', '%m/%d/%y'],
  ['R', '%H:%M'],
])

/** Throws a `Failure` for a `%` without a known letter. */
export function parseFormat(format: string): DateFormat {
  return format
    .split(/(%(?:\.f|[369]f|:z|[\s\S]|$))/)
    .filter((part) => part !== '')
    .flatMap((part) => {
      if (!part.startsWith('%')) return [literal(part)]
      const letter = part.slice(1)
      const shorthand = SHORTHANDS.get(letter)
      if (shorthand !== undefined) return parseFormat(shorthand)
      const step = STEPS.get(letter)
      if (step === undefined) throw wrongValue('parse_datetime', 'unknown field in the format')
      return [step]
    })
}

/** Throws a `Failure` if the text does not fit the format, or is no whole and real date. */
export function parseDate(text: string, format: DateFormat): Instant {
  const reading = new Reading(text)
  if (!format.every((step) => step(reading)) || reading.at !== text.length) {
    throw wrongValue('parse_datetime', 'String does not fit the format')
  }
  const instant = instantOf(reading.fields)
  if (instant === null) throw wrongValue('parse_datetime', 'no such date or time')
  return instant
}

function instantOf(fields: ReadonlyMap<Field, number>): Instant | null {
  const micros = fields.get('micros') ?? 0
  const epoch = fields.get('epoch')
  if (epoch !== undefined) return makeInstant(epoch * 1000, micros)

  const shortYear = fields.get('shortYear')
  const year = fields.get('year') ?? (shortYear === undefined ? undefined : shortYear + (shortYear < 70 ? 2000 : 1900))
  if (year === undefined) throw wrongValue('parse_datetime', 'the format has no year')
  const date = monthAndDay(year, fields)
  const hour = hourOf(fields)
  if (date === null || hour === null) return null
  const { month, day } = date
  if (month === undefined || day === undefined) throw wrongValue('parse_datetime', 'the format has no month or day')
  const weekday = fields.get('weekday')
  if (weekday !== undefined && weekday !== weekdayOf(daysFromCivil(year, month, day))) return null
  const [minute, second] = [fields.get('minute') ?? 0, fields.get('second') ?? 0]
  return fromParts(year, month, day, hour, minute, second, micros, fields.get('offset') ?? 0)
}

interface MonthAndDay {
  month?: number
  day?: number
}

function monthAndDay(year: number, fields: ReadonlyMap<Field, number>): MonthAndDay | null {
  const given = { month: fields.get('month'), day: fields.get('day') }
  const dayOfYear = fields.get('dayOfYear')
  if (dayOfYear === undefined) return given
  const date = civilFromDays(daysFromCivil(year, 1, 1) + dayOfYear - 1)
  const agrees =
    date.year === year && (given.month ?? date.month) === date.month && (given.day ?? date.day) === date.day
  return agrees ? date : null
}

/** Null if the parts contradict each other. Without `%p`, `%I` is the morning. */
function hourOf(fields: ReadonlyMap<Field, number>): number | null {
  const half = fields.get('afternoon')
  const hour12 = fields.get('hour12')
  if (hour12 !== undefined && (hour12 < 1 || hour12 > 12)) return null
  const fromHalf = hour12 === undefined ? undefined : (hour12 % 12) + 12 * (half ?? 0)
  const hour = fields.get('hour') ?? fromHalf ?? 0
  if (fromHalf !== undefined && fromHalf !== hour) return null
  if (half !== undefined && fields.has('hour') && (hour >= 12 ? 1 : 0) !== half) return null
  return hour
}
