/**
 * The instants at which a pipeline is due (spec 10 §3.5). Clock times are literal: a local time that a day lacks gives
 * no slot, one that it has twice gives two. Pure: the caller says what the time is.
 */
import { Cron } from 'croner'
import { Instant, instantFromText } from '../instant.ts'
import type { Schedule } from './model.ts'
import { Zone } from './zone.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** The last instant there is. */
const END = 253_402_300_799_000
/** Slots before this are not looked for. */
const BEGIN = 0
/** Five fields whose meaning everybody agrees on: no seconds, no years, no L, W, # and ?. */
const VALUE = '(?:\\d{1,2}|[a-z]{3})'
const ITEM = `(?:\\*(?:/\\d+)?|${VALUE}(?:-${VALUE}(?:/\\d+)?)?)`
const FIELDS = new RegExp(`^${ITEM}(?:,${ITEM})*(?:\\s+${ITEM}(?:,${ITEM})*){4}$`)
const WORDS = ['@hourly', '@daily', '@weekly', '@monthly']

const crons = new Map<string, Cron>()

/** The reader of a cron text; its times are those of a clock without zone. Throws where it cannot be read. */
function cronOf(text: string): Cron {
  let cron = crons.get(text)
  if (cron === undefined) {
    const trimmed = text.trim().toLowerCase()
    if (!WORDS.includes(trimmed) && !FIELDS.test(trimmed)) {
      throw new TypeError(`expected five fields of numbers, *, -, / and commas, or one of ${WORDS.join(', ')}`)
    }
    cron = new Cron(trimmed, { timezone: 'UTC', paused: true, mode: '5-part' })
    if (crons.size >= 1000) crons.clear()
    crons.set(text, cron)
  }
  return cron
}

/** Why a cron text cannot be read; null if it can. */
export function cronFault(text: string): string | null {
  try {
    cronOf(text)
    return null
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'it cannot be read'
  }
}

/** Times of a cron on a clock without zone, from `from` up to but not including `to`. */
export function* clockTimes(text: string, from: number, to: number): Generator<number> {
  const cron = cronOf(text)
  let at = cron.nextRun(new Date(from - 1))
  while (at !== null && at.getTime() < to) {
    yield at.getTime()
    at = cron.nextRun(at)
  }
}

/** Bounds of a schedule, in milliseconds, both included. */
function boundsOf(schedule: Schedule): { start: number; end: number } {
  const start = schedule.start === null ? null : instantFromText(schedule.start)
  const end = schedule.end === null ? null : instantFromText(schedule.end)
  return {
    // A slot is a whole millisecond: what follows the start within one is the next.
    start: start === null ? BEGIN : start.ms + (start.us > 0 ? 1 : 0),
    end: Math.min(end?.ms ?? END, END),
  }
}

/** Slots from `from` to `to`, both included, in order. */
function* slots(schedule: Schedule, from: number, to: number): Generator<number> {
  const { start, end } = boundsOf(schedule)
  const first = Math.max(from, start)
  const last = Math.min(to, end)
  if (first > last) return
  if (schedule.everyMs !== null) {
    const anchor = schedule.start === null ? 0 : start
    const step = schedule.everyMs
    for (let at = anchor + Math.ceil((first - anchor) / step) * step; at <= last; at += step) yield at
    return
  }
  const zone = Zone.of(schedule.timezone)
  if (schedule.cron === null || zone === null) return
  // A date that no year has: the clock is asked once, not for every stretch.
  const text = schedule.cron
  let due = nextClockTime(text, first - DAY)
  for (const { from: begin, to: stop, offset } of zone.stretches(first, last + 1)) {
    if (due === null) return
    if (due >= stop + offset + DAY) continue
    for (const local of clockTimes(text, begin + offset, stop + offset)) yield local - offset
    due = nextClockTime(text, stop + offset - DAY)
  }
}

function nextClockTime(text: string, from: number): number | null {
  return (
    cronOf(text)
      .nextRun(new Date(from - 1))
      ?.getTime() ?? null
  )
}

/** Slots after `after` up to and including `to`, in order. */
export function slotsBetween(schedule: Schedule, after: Instant, to: Instant): Instant[] {
  return Array.from(slots(schedule, after.ms + 1, to.ms), (ms) => new Instant(ms))
}

/** The first `n` slots after `after`; fewer if the schedule ends. */
export function nextSlots(schedule: Schedule, after: Instant, n: number): Instant[] {
  const found: Instant[] = []
  if (n < 1) return found
  for (const ms of slots(schedule, after.ms + 1, END)) {
    found.push(new Instant(ms))
    if (found.length >= n) break
  }
  return found
}

/** The last slot at or before `at`; null if there is none. */
export function previousSlot(schedule: Schedule, at: Instant): Instant | null {
  const { start, end } = boundsOf(schedule)
  const last = Math.min(at.ms, end)
  if (schedule.everyMs !== null) {
    const anchor = schedule.start === null ? 0 : start
    const slot = anchor + Math.floor((last - anchor) / schedule.everyMs) * schedule.everyMs
    return slot < start || slot > last ? null : new Instant(slot)
  }
  for (let to = last, span = HOUR; to >= start; to -= span, span *= 2) {
    const found = Array.from(slots(schedule, Math.max(to - span + 1, start), to)).at(-1)
    if (found !== undefined) return new Instant(found)
  }
  return null
}
