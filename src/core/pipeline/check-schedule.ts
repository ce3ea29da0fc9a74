/** Schedules: P06, P07 and PW1 (spec 10 §3.5). */
import type { Check } from '../definition/check.ts'
import type { Path } from '../definition/path.ts'
import { Instant, instantFromText } from '../instant.ts'
import { didYouMean } from '../spelling.ts'
import type { PipelineBody } from './body.ts'
import type { Schedule } from './model.ts'
import { scheduleOf } from './normalize.ts'
import { clockTimes, cronFault, nextSlots } from './slots.ts'
import { Zone } from './zone.ts'

/** The instant of time rules and retention: one of the words or an instant. */
export function checkProcessingTime(
  check: Check,
  path: Path,
  text: string | null | undefined,
  words: readonly string[],
): void {
  if (text === null || text === undefined || words.includes(text) || instantFromText(text) !== null) return
  check.issues.add('E01', path, `expected ${words.join(', ')} or an instant, found '${text}'`)
}

type Given = NonNullable<PipelineBody['schedule']>

export function checkSchedule(check: Check, path: Path, given: Given): void {
  if (check.damaged(path) || !readable(check, path, given)) return
  const schedule = scheduleOf(given)
  const from = schedule.start === null ? new Instant(0) : instantFromText(schedule.start)!
  // The first slot may be the start itself.
  if (nextSlots(schedule, new Instant(from.ms - 1), 1).length === 0) {
    check.issues.add('P06', path, 'the schedule is never due')
    return
  }
  if (schedule.missed === 'all' && schedule.overlap !== 'queue') {
    const message = `the schedule's 'missed: all' requires 'overlap: queue', not ${schedule.overlap}`
    check.issues.add('P07', [...path, 'missed'], message)
  }
  if (schedule.jitterMs > 0 && schedule.jitterMs >= shortest(schedule, from)) {
    check.issues.add(
      'P07',
      [...path, 'jitter'],
      "the schedule's jitter must be shorter than the time between two slots",
    )
  }
  const change = clockChange(schedule)
  if (change !== null) check.issues.add('PW1', [...path, 'cron'], change)
}

function readable(check: Check, path: Path, given: Given): boolean {
  const faults: [key: string | null, message: string][] = []
  if (given.cron && given.every) faults.push([null, "the schedule has both 'cron' and 'every': exactly one is needed"])
  if (!given.cron && !given.every) faults.push([null, "the schedule needs exactly one of 'cron' and 'every'"])
  if (given.cron) {
    const fault = cronFault(given.cron)
    if (fault !== null) faults.push(['cron', `the schedule's cron '${given.cron}' cannot be read: ${fault}`])
  }
  if (given.timezone && Zone.of(given.timezone) === null) {
    const guess = didYouMean(given.timezone, Intl.supportedValuesOf('timeZone'))
    faults.push(['timezone', `unknown time zone '${given.timezone}' of the schedule${guess}`])
  }
  for (const key of ['start', 'end'] as const) {
    const text = given[key]
    if (text && instantFromText(text) === null) {
      faults.push([key, `the schedule's ${key} '${text}' is no instant: write 2026-01-31T06:00:00Z`])
    }
  }
  for (const [key, message] of faults) check.issues.add('P06', key === null ? path : [...path, key], message)
  return faults.length === 0
}

/** Time between the two closest slots, of the next hundred. */
function shortest(schedule: Schedule, from: Instant): number {
  if (schedule.everyMs !== null) return schedule.everyMs
  const slots = nextSlots({ ...schedule, timezone: 'UTC' }, from, 100)
  return Math.min(...slots.slice(1).map((slot, i) => slot.ms - slots[i]!.ms))
}

/** The years whose clock changes are looked at. */
const LOOKED_AT = [Date.UTC(2026, 0), Date.UTC(2028, 0)] as const

/** What a clock change does to the times of a cron; null if nothing. Times of every hour keep their distance. */
function clockChange(schedule: Schedule): string | null {
  const { cron, timezone } = schedule
  const zone = Zone.of(timezone)
  if (cron === null || zone === null || /^@hourly$|^\S+\s+\*\s/i.test(cron.trim())) return null
  let before: number | null = null
  for (const { from, offset } of zone.stretches(...LOOKED_AT)) {
    if (before !== null && before !== offset) {
      const [low, high] = [from + Math.min(before, offset), from + Math.max(before, offset)]
      for (const local of clockTimes(cron, low, high)) {
        const [date, time] = new Date(local).toISOString().split('T') as [string, string]
        const what = before < offset ? 'does not exist: no slot' : 'comes twice: two slots'
        return `${time.slice(0, 5)} in ${timezone} ${what} on days like ${date}`
      }
    }
    before = offset
  }
  return null
}
