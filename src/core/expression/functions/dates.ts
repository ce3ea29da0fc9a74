/** Functions over dates (spec 02 §7 "Dates"). All calendar parts are UTC. */
import {
  civilFromDays,
  type Duration,
  daysFromCivil,
  type Instant,
  makeDuration,
  makeInstant,
  subtractInstants,
  weekdayOf,
} from '../../instant.ts'
import type { Value } from '../../value.ts'
import { parseDate, parseFormat } from './date-format.ts'
import { type AnyFunction, instantArg, plain, prepared, stringArg, wrongValue } from './function.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

/** Whole units of the absolute length. */
function wholeUnits(d: Duration, unit: number): number {
  const size = d.ms < 0 ? makeDuration(-d.ms, -d.us) : d
  return Math.floor(size.ms / unit)
}

function between(name: string, unit: number): AnyFunction {
  return plain(2, (a = null, b = null) => wholeUnits(subtractInstants(instantArg(a, name), instantArg(b, name)), unit))
}

/** Whole days from `value` to `now`, towards zero; negative for the future. */
export function daysSince(value: Value, now: Instant): Value {
  if (value === null) return null
  const passed = subtractInstants(now, instantArg(value, 'days_since'))
  const days = wholeUnits(passed, DAY)
  return passed.ms < 0 ? 0 - days : days
}

function dayOf(instant: Instant): number {
  return Math.floor(instant.ms / DAY)
}

function part(name: string, read: (instant: Instant) => number): AnyFunction {
  return plain(1, (value = null) => read(instantArg(value, name)))
}

/** Milliseconds since the epoch at which the unit began that holds the instant. */
const UNIT_START: ReadonlyMap<string, (instant: Instant) => number> = new Map([
  ['year', (instant) => monthStart(instant, (month) => month - ((month - 1) % 12))],
  ['quarter', (instant) => monthStart(instant, (month) => month - ((month - 1) % 3))],
  ['month', (instant) => monthStart(instant, (month) => month)],
  ['week', (instant) => (dayOf(instant) - weekdayOf(dayOf(instant))) * DAY],
  ['day', ({ ms }) => Math.floor(ms / DAY) * DAY],
  ['hour', ({ ms }) => Math.floor(ms / HOUR) * HOUR],
  ['minute', ({ ms }) => Math.floor(ms / MINUTE) * MINUTE],
  ['second', ({ ms }) => Math.floor(ms / 1000) * 1000],
])

function monthStart(instant: Instant, first: (month: number) => number): number {
  const { year, month } = civilFromDays(dayOf(instant))
  return daysFromCivil(year, first(month), 1) * DAY
}

function unitStart(unit: Value): (instant: Instant) => number {
  const start = UNIT_START.get(stringArg(unit, 'date_trunc'))
  if (start === undefined) throw wrongValue('date_trunc', `unit must be one of ${[...UNIT_START.keys()].join(', ')}`)
  return start
}

export const DATE_FUNCTIONS: Readonly<Record<string, AnyFunction>> = {
  days_between: between('days_between', DAY),
  hours_between: between('hours_between', HOUR),
  minutes_between: between('minutes_between', MINUTE),
  year_of: part('year_of', (instant) => civilFromDays(dayOf(instant)).year),
  month_of: part('month_of', (instant) => civilFromDays(dayOf(instant)).month),
  day_of: part('day_of', (instant) => civilFromDays(dayOf(instant)).day),
  hour_of: part('hour_of', ({ ms }) => Math.floor(ms / HOUR) - Math.floor(ms / DAY) * 24),
  minute_of: part('minute_of', ({ ms }) => Math.floor(ms / MINUTE) - Math.floor(ms / HOUR) * 60),
  day_of_week: part('day_of_week', (instant) => weekdayOf(dayOf(instant))),
  date_trunc: prepared(unitStart, (value, start) => makeInstant(start(instantArg(value, 'date_trunc')), 0)),
  parse_datetime: prepared(
    (format) => parseFormat(stringArg(format, 'parse_datetime')),
    (text, format) => parseDate(stringArg(text, 'parse_datetime'), format),
  ),
}
