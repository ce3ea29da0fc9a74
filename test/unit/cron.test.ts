import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Instant, instantFromText } from '../../src/core/instant.ts'
import { cronFault } from '../../src/core/pipeline/slots.ts'
import { nextSlots, previousSlot, slotsBetween } from '../../src/orchestration/cron.ts'
import type { Schedule } from '../../src/orchestration/model.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const at = (text: string): Instant => instantFromText(text)!
const schedule = (given: Partial<Schedule>): Schedule => ({
  cron: null,
  everyMs: null,
  timezone: 'UTC',
  start: null,
  end: null,
  overlap: 'queue',
  missed: 'last',
  windowMs: DAY,
  jitterMs: 0,
  ...given,
})
const next = (given: Partial<Schedule>, after: string, n: number): string[] =>
  nextSlots(schedule(given), at(after), n).map((slot) => slot.toDate().toISOString())

describe('clock times are literal', () => {
  test('a local time the day lacks gives no slot', () => {
    expect(next({ cron: '30 2 * * *', timezone: 'Europe/Berlin' }, '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ])
  })
  test('one it has twice gives two', () => {
    expect(next({ cron: '30 1 * * *', timezone: 'America/New_York' }, '2026-10-31T12:00:00Z', 3)).toEqual([
      '2026-11-01T05:30:00.000Z',
      '2026-11-01T06:30:00.000Z',
      '2026-11-02T06:30:00.000Z',
    ])
  })
  test('a whole day that a zone skipped', () => {
    expect(next({ cron: '0 12 * * *', timezone: 'Pacific/Apia' }, '2011-12-29T00:00:00Z', 3)).toEqual([
      '2011-12-29T22:00:00.000Z',
      '2011-12-30T22:00:00.000Z',
      '2011-12-31T22:00:00.000Z',
    ])
  })
  test('half an hour that a zone moves', () => {
    expect(next({ cron: '15 2 * * *', timezone: 'Australia/Lord_Howe' }, '2026-10-03T00:00:00Z', 2)).toEqual([
      '2026-10-04T15:15:00.000Z',
      '2026-10-05T15:15:00.000Z',
    ])
  })
})

describe('cron texts', () => {
  test.each(['@hourly', '@daily', '@weekly', '@monthly', '*/15 * * * *', '0 9-17/2 1,15 jan-jun mon-fri', '0 0 * * 7'])(
    '%s can be read',
    (text) => {
      expect(cronFault(text)).toBeNull()
    },
  )
  test.each([
    '',
    '0 2 * *',
    '0 0 2 * * *',
    '60 * * * *',
    '0 24 * * *',
    '0 0 L * *',
    '0 0 * * mon#1',
    '0 0 ? * *',
    '5/10 * * * *',
    '*/0 * * * *',
    '@yearly',
    'a b c d e',
  ])("'%s' cannot", (text) => {
    expect(cronFault(text)).not.toBeNull()
  })
  test('aliases', () => {
    expect(next({ cron: '@daily' }, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-02T00:00:00.000Z'])
    expect(next({ cron: '@weekly' }, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-04T00:00:00.000Z'])
    expect(next({ cron: '@monthly' }, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-02-01T00:00:00.000Z'])
    expect(next({ cron: '@hourly' }, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-01T01:00:00.000Z'])
  })
  test('a day that few years have, and one that none has', () => {
    const leap = { cron: '0 0 29 2 *', timezone: 'Europe/Berlin' }
    expect(next(leap, '2026-01-01T00:00:00Z', 2)).toEqual(['2028-02-28T23:00:00.000Z', '2032-02-28T23:00:00.000Z'])
    expect(previousSlot(schedule(leap), at('2026-01-01T00:00:00Z'))?.toString()).toBe('2024-02-28T23:00:00+00:00')
    const never = { cron: '0 0 30 2 *', timezone: 'Europe/Berlin' }
    expect(next(never, '2026-01-01T00:00:00Z', 2)).toEqual([])
    expect(previousSlot(schedule(never), at('2026-01-01T00:00:00Z'))).toBeNull()
  })
})

describe('every', () => {
  test('counts from the start, or from the epoch', () => {
    expect(next({ everyMs: 90 * MINUTE }, '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-01-01T01:30:00.000Z',
      '2026-01-01T03:00:00.000Z',
    ])
    expect(next({ everyMs: 90 * MINUTE, start: '2026-01-01T00:10:00Z' }, '2025-01-01T00:00:00Z', 2)).toEqual([
      '2026-01-01T00:10:00.000Z',
      '2026-01-01T01:40:00.000Z',
    ])
  })
})

test('start and end are included, and nothing lies beyond them', () => {
  const both = { start: '2026-01-02T00:00:00Z', end: '2026-01-04T00:00:00Z' }
  for (const given of [
    { ...both, cron: '@daily' },
    { ...both, everyMs: DAY },
  ]) {
    expect(next(given, '2025-01-01T00:00:00Z', 9)).toHaveLength(3)
    expect(previousSlot(schedule(given), at('2026-01-01T12:00:00Z'))).toBeNull()
    expect(previousSlot(schedule(given), at('2026-01-04T12:00:00Z'))?.toString()).toBe('2026-01-04T00:00:00+00:00')
  }
})

const field = (least: number, most: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    { weight: 3, arbitrary: fc.integer({ min: least, max: most }).map(String) },
    fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
    fc
      .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
      .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 }).map((list) => list.join(',')),
  )
const crons = fc.tuple(
  field(0, 59),
  fc.oneof(field(0, 23), field(0, 3)),
  fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, field(1, 31)),
  fc.oneof({ weight: 5, arbitrary: fc.constant('*') }, field(1, 12)),
  fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, field(0, 6)),
)
/** Days around clock changes, and one without. */
const places = fc.constantFrom(
  ['Europe/Berlin', '2026-03-28T06:00:00Z'],
  ['Europe/Berlin', '2026-10-24T06:00:00Z'],
  ['America/New_York', '2026-11-01T00:00:00Z'],
  ['America/New_York', '2026-03-08T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T06:00:00Z'],
  ['Pacific/Apia', '2011-12-29T12:00:00Z'],
  ['America/St_Johns', '2006-10-28T12:00:00Z'],
  ['Asia/Kolkata', '2026-05-31T00:00:00Z'],
  ['UTC', '2027-02-28T00:00:00Z'],
)

/** Fields of one part of a cron that a number is in. */
function holds(text: string, value: number, least: number): boolean {
  return text.split(',').some((item) => {
    if (item === '*') return true
    if (item.startsWith('*/')) return (value - least) % Number(item.slice(2)) === 0
    const [low = 0, high = low] = item.split('-').map(Number)
    return value >= low && value <= high
  })
}

/** Every minute is asked what the clock on the wall shows. */
function slowly(
  [minute, hour, day, month, weekday]: readonly string[],
  zone: string,
  from: number,
  to: number,
): number[] {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  const found: number[] = []
  for (let ms = Math.floor(from / MINUTE + 1) * MINUTE; ms <= to; ms += MINUTE) {
    const shown: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(ms)) shown[type] = Number(value)
    const weekdayShown = new Date(Date.UTC(shown.year!, shown.month! - 1, shown.day!)).getUTCDay()
    const dayFits = holds(day!, shown.day!, 1)
    const weekdayFits = holds(weekday!, weekdayShown, 0)
    const dateFits = day !== '*' && weekday !== '*' ? dayFits || weekdayFits : dayFits && weekdayFits
    if (!holds(minute!, shown.minute!, 0) || !holds(hour!, shown.hour!, 0)) continue
    if (holds(month!, shown.month!, 1) && dateFits) found.push(ms)
  }
  return found
}

describe('against a slow reading, minute by minute', () => {
  test('slots between two instants, the next ones and the one before', () => {
    fc.assert(
      fc.property(crons, places, fc.integer({ min: 0, max: 26 * 60 }), (fields, [zone = '', day = ''], length) => {
        const from = at(day).ms
        const to = from + length * MINUTE
        const given = schedule({ cron: fields.join(' '), timezone: zone })
        const wanted = slowly(fields, zone, from, to)
        expect(slotsBetween(given, new Instant(from), new Instant(to)).map(({ ms }) => ms)).toEqual(wanted)
        const ahead = nextSlots(given, new Instant(from), 3).map(({ ms }) => ms)
        expect(ahead.filter((ms) => ms <= to)).toEqual(wanted.slice(0, 3))
        if (wanted.length > 0) expect(previousSlot(given, new Instant(to))?.ms).toBe(wanted.at(-1))
      }),
      { numRuns: 150 },
    )
  })

  test('neighbouring stretches give what the whole gives', () => {
    fc.assert(
      fc.property(crons, places, fc.integer({ min: 0, max: 4 * DAY }), (fields, [zone = '', day = ''], cut) => {
        const given = schedule({ cron: fields.join(' '), timezone: zone })
        const [a, b, c] = [at(day).ms, at(day).ms + cut, at(day).ms + 4 * DAY].map((ms) => new Instant(ms))
        expect([...slotsBetween(given, a!, b!), ...slotsBetween(given, b!, c!)]).toEqual(slotsBetween(given, a!, c!))
      }),
      { numRuns: 50 },
    )
  })
})
