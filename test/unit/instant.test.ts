import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addDuration,
  civilFromDays,
  compareTime,
  Duration,
  daysFromCivil,
  durationText,
  Instant,
  instantFromEpoch,
  instantFromEpochText,
  instantFromText,
  instantFromValue,
  laterOf,
  makeDuration,
  makeInstant,
  parseDurationText,
  sameInstant,
  subtractInstants,
  weekdayOf,
} from '../../src/core/instant.ts'

const read = (text: string): string | null => instantFromText(text)?.toString() ?? null

describe('ISO text (spec 03 §2)', () => {
  test.each([
    ['2024-01-15T10:00:00Z', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15t10:00:00z', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15 10:00:00Z', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15T10:00:00.5Z', '2024-01-15T10:00:00.500+00:00'],
    ['2024-01-15T10:00:00.123456789Z', '2024-01-15T10:00:00.123456+00:00'],
    ['2024-01-15T10:00:00.000001Z', '2024-01-15T10:00:00.000001+00:00'],
    ['2024-01-15T10:00:00.000000999Z', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15T10:00:00+02:00', '2024-01-15T08:00:00+00:00'],
    ['2024-01-15T10:00:00.25-05:30', '2024-01-15T15:30:00.250+00:00'],
    ['2024-01-15T10:00:00-00:00', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15T10:00:00+0200', '2024-01-15T08:00:00+00:00'],
    ['2024-01-15T10:00:00+02', '2024-01-15T08:00:00+00:00'],
    ['2024-01-15T10:00', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15T10:00:00', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15T10:00:00.123', '2024-01-15T10:00:00.123+00:00'],
    ['2024-01-15T10:00Z', '2024-01-15T10:00:00+00:00'],
    ['2024-01-15', '2024-01-15T00:00:00+00:00'],
    ['20240115T100000Z', '2024-01-15T10:00:00+00:00'],
    ['20240115T100000.5+0200', '2024-01-15T08:00:00.500+00:00'],
    ['20240115T1000', '2024-01-15T10:00:00+00:00'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00+00:00'],
    ['2016-12-31T23:59:60.9Z', '2017-01-01T00:00:00+00:00'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00+00:00'],
    ['2000-02-29', '2000-02-29T00:00:00+00:00'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00+00:00'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999+00:00'],
    ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999999+00:00'],
  ])('%s → %s', (text, expected) => {
    expect(read(text)).toBe(expected)
  })

  test.each([
    '',
    'soon',
    '2024-02-30',
    '2023-02-29T10:00:00Z',
    '1900-02-29',
    '2024-00-10T10:00:00Z',
    '2024-13-10T10:00:00Z',
    '2024-01-00T10:00:00Z',
    '2024-04-31T10:00:00Z',
    '2024-01-15T24:00:00Z',
    '2024-01-15T10:60:00Z',
    '2024-01-15T10:00:61Z',
    '2024-01-15T10:00:00+24:00',
    '2024-01-15T10:00:00+02:60',
    '2024-01-15T10:00:00.Z',
    '2024-01-15T10:00:00.1234567890Z',
    '2024-01-15T10:00:00,5Z',
    '2024-01-15T10:00:00ZZ',
    '2024-01-15T10:00:00 Z',
    ' 2024-01-15T10:00:00Z',
    '2024-01-15T10:00:00Z ',
    '2024-01-15T10:00:00Z\n',
    '2024-1-15',
    '24-01-15',
    '2024-01',
    '20240115',
    '2024-01-15T',
    '2024-01-15T10',
    '2024/01/15',
    '2024-01-15_10:00:00Z',
    '2024-01-15T10.00.00Z0000',
    '+2024-01-15T10:00:00Z',
    '12024-01-15T10:00:00Z',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    '9999-12-31T23:59:60Z',
    '٢٠٢٤-01-15',
    '1705312800',
  ])('%j is no instant', (text) => {
    expect(read(text)).toBe(null)
  })

  test('agrees with the host for every form that the host writes', () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date('0001-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59.999Z'),
          noInvalidDate: true,
        }),
        (date) => {
          const iso = date.toISOString()
          expect(instantFromText(iso)?.ms).toBe(date.getTime())
          const text = new Instant(date.getTime()).toString()
          expect(text).toBe(`${iso.endsWith('.000Z') ? iso.slice(0, 19) : iso.slice(0, 23)}+00:00`)
          const days = Math.floor(date.getTime() / 86_400_000)
          expect(weekdayOf(days)).toBe((date.getUTCDay() + 6) % 7)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('text sorts as time and reads back', () => {
    const instant = fc
      .tuple(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), fc.integer({ min: 0, max: 999 }))
      .map(([ms, us]) => new Instant(ms, us))
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        expect(sameInstant(instantFromText(a.toString()), a)).toBe(true)
        const [x, y] = [a.toString(), b.toString()]
        // Without a fraction, `+` follows the seconds, which sorts before `.`.
        expect(Math.sign(compareTime(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0)
      }),
    )
  })

  test('days and dates are inverse', () => {
    fc.assert(
      fc.property(fc.integer({ min: -719_162, max: 2_932_896 }), (days) => {
        const { year, month, day } = civilFromDays(days)
        expect(daysFromCivil(year, month, day)).toBe(days)
      }),
    )
  })
})

describe('epochs (spec 03 §2)', () => {
  test.each([
    [0, '1970-01-01T00:00:00+00:00'],
    [-0, '1970-01-01T00:00:00+00:00'],
    [1705312800, '2024-01-15T10:00:00+00:00'],
    [-1, '1969-12-31T23:59:59+00:00'],
    [1705312800.5, '2024-01-15T10:00:00.500+00:00'],
    [1705312800.123457, '2024-01-15T10:00:00.123457+00:00'],
    [-1.5, '1969-12-31T23:59:58.500+00:00'],
    [0.0000001, '1970-01-01T00:00:00+00:00'],
    [-0.0000001, '1969-12-31T23:59:59.999999+00:00'],
    [99_999_999_999, '5138-11-16T09:46:39+00:00'],
    [100_000_000_000, '1973-03-03T09:46:40+00:00'],
    [1705312800123, '2024-01-15T10:00:00.123+00:00'],
    [1705312800123.5, '2024-01-15T10:00:00.123500+00:00'],
    [-1705312800123, '1915-12-18T13:59:59.877+00:00'],
    [99_999_999_999_999, '5138-11-16T09:46:39.999+00:00'],
    [100_000_000_000_000, '1973-03-03T09:46:40+00:00'],
    [1705312800123456, '2024-01-15T10:00:00.123456+00:00'],
    [-1705312800123456, '1915-12-18T13:59:59.876544+00:00'],
    [1705312800123456789n, '2024-01-15T10:00:00.123456+00:00'],
    [-1705312800123456789n, '1915-12-18T13:59:59.876543+00:00'],
    [1e17, '1973-03-03T09:46:40+00:00'],
  ])('%s → %s', (epoch, expected) => {
    expect(instantFromEpoch(epoch)?.toString()).toBe(expected)
    expect(instantFromEpoch(epoch)?.ms).not.toBe(-0)
  })

  test.each([1e21, -1e21, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 10n ** 30n])('%s is no instant', (epoch) => {
    expect(instantFromEpoch(epoch)).toBe(null)
  })

  test.each([
    ['1705312800', '2024-01-15T10:00:00+00:00'],
    ['+1705312800', '2024-01-15T10:00:00+00:00'],
    ['-1705312800', '1915-12-18T14:00:00+00:00'],
    ['1705312800.1234567', '2024-01-15T10:00:00.123456+00:00'],
    ['1705312800123', '2024-01-15T10:00:00.123+00:00'],
    ['1705312800123456789', '2024-01-15T10:00:00.123456+00:00'],
    ['000000001', '1970-01-01T00:00:01+00:00'],
    ['-000000000.0000000000000000001', '1969-12-31T23:59:59.999999+00:00'],
  ])('text %s → %s', (text, expected) => {
    expect(instantFromEpochText(text)?.toString()).toBe(expected)
  })

  test.each(['12345678', '1705312800.', '.5', '1 705312800', '1e12345678', '9'.repeat(40), '', '-'])(
    'text %s is none',
    (text) => {
      expect(instantFromEpochText(text)).toBe(null)
    },
  )

  test('a huge text is refused without work', () => {
    expect(instantFromEpochText('9'.repeat(1_000_000))).toBe(null)
  })
})

describe('other values (spec 03 §2)', () => {
  test('dates of the host and of Temporal', () => {
    const instant = new Instant(5)
    class Temporal {
      get epochNanoseconds(): bigint {
        return -1n
      }
    }
    expect(instantFromValue(instant)).toBe(instant)
    expect(instantFromValue(new Date(1705312800123))?.toString()).toBe('2024-01-15T10:00:00.123+00:00')
    expect(instantFromValue(new Date(Number.NaN))).toBe(null)
    expect(instantFromValue(new Date(8.64e15))).toBe(null)
    expect(instantFromValue(new Temporal())?.toString()).toBe('1969-12-31T23:59:59.999999+00:00')
    expect(instantFromValue('1705312800')?.ms).toBe(1705312800000)
    expect(instantFromValue('2024-01-15')?.ms).toBe(1705276800000)
    expect(instantFromValue(5)?.ms).toBe(5000)
  })

  test('nothing else is an instant', () => {
    for (const value of [null, undefined, true, [], {}, { epochNanoseconds: 1n }, '', 'x', () => 1]) {
      expect(instantFromValue(value)).toBe(null)
    }
  })
})

describe('arithmetic', () => {
  const instant = (text: string): Instant => instantFromText(text) as Instant

  test('microseconds carry', () => {
    expect(addDuration(instant('2024-01-15T10:00:00.999999Z'), new Duration(0, 1))?.toString()).toBe(
      '2024-01-15T10:00:01+00:00',
    )
    expect(addDuration(instant('2024-01-15'), new Duration(0, 1), -1)?.toString()).toBe(
      '2024-01-14T23:59:59.999999+00:00',
    )
    expect(subtractInstants(instant('2024-01-15'), instant('2024-01-15T00:00:00.000001Z'))).toEqual(
      new Duration(-1, 999),
    )
  })

  test('stays within years 1 to 9999', () => {
    expect(addDuration(instant('9999-12-31T23:59:59.999999Z'), new Duration(0, 1))).toBe(null)
    expect(addDuration(instant('0001-01-01'), new Duration(0, 1), -1)).toBe(null)
    expect(makeInstant(Number.NaN, 0)).toBe(null)
  })

  test('later and same know null', () => {
    const [a, b] = [instant('2024-01-15'), instant('2024-01-16')]
    expect(laterOf(a, b)).toBe(b)
    expect(laterOf(b, a)).toBe(b)
    expect(laterOf(null, a)).toBe(a)
    expect(laterOf(a, null)).toBe(a)
    expect(sameInstant(null, null)).toBe(true)
    expect(sameInstant(a, null)).toBe(false)
    expect(sameInstant(a, instant('2024-01-15T00:00:00Z'))).toBe(true)
  })
})

describe('durations', () => {
  test.each([
    ['30d', 2_592_000_000],
    ['2h', 7_200_000],
    [' 90m ', 5_400_000],
    ['0s', 0],
  ])('%s', (text, ms) => {
    expect(parseDurationText(text)).toEqual(new Duration(ms))
  })

  test.each(['', 'd', '5', '1.5h', '-1d', '1d2h', '1 d', '1w', '1D', `${'9'.repeat(20)}d`])('%j is none', (text) => {
    expect(parseDurationText(text)).toBe(null)
  })

  test.each([
    [makeDuration(90_000, 0), '90s', 90],
    [makeDuration(1500, 0), '1.5s', 1.5],
    [makeDuration(-1500, 0), '-1.5s', -1.5],
    [makeDuration(0, -1), '-0.000001s', -0.000001],
    [makeDuration(0, 1_000_001), '1.000001s', 1.000001],
    [makeDuration(-999, -999), '-0.999999s', -0.999999],
    [makeDuration(0, 0), '0s', 0],
    [makeDuration(0, -0), '0s', 0],
  ])('text and seconds of %j', (duration, text, seconds) => {
    expect(durationText(duration)).toBe(text)
    expect(duration.toJSON()).toBe(seconds)
  })
})
