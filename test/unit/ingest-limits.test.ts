/** Limits of failures and windows of parts (spec 10 §3.2–3.3). */
import { describe, expect, it } from 'vitest'
import { isExceeded, isExceededInAll, isWorst, partsToHold } from '../../src/orchestration/ingest/threshold.ts'
import { windowParts } from '../../src/orchestration/ingest/window.ts'
import type { InputMark } from '../../src/ports/runs.ts'

const LIMITS = { maxRatio: 0.01, maxCount: null, minRecords: 100, action: 'fail', deadLetters: 'table' } as const

const mark = (part: string, read: number, failed: number): InputMark => ({
  pipeline: 'p',
  input: 'i',
  part,
  fingerprint: '',
  position: { at: null, read, failed },
  state: 'done',
  recordsRead: read,
  ingested: read - failed,
  duplicates: 0,
  failed,
  runId: 'r_1',
  updatedAt: '',
})

describe('limits', () => {
  it.each([
    [{ read: 99, failed: 98 }, {}, false],
    [{ read: 100, failed: 1 }, {}, false],
    [{ read: 100, failed: 2 }, {}, true],
    [{ read: 5, failed: 3 }, { maxCount: 3 }, false],
    [{ read: 5, failed: 4 }, { maxCount: 3 }, true],
    [{ read: 1, failed: 1 }, { maxCount: 0 }, true],
  ])('%o with %o: %s', (share, limits, exceeded) => {
    expect(isExceeded(share, { ...LIMITS, ...limits })).toBe(exceeded)
  })

  it('in the end nothing good is too much, nothing at all is not', () => {
    expect(isExceededInAll({ read: 1, failed: 1 }, LIMITS)).toBe(true)
    expect(isExceededInAll({ read: 2, failed: 1 }, LIMITS)).toBe(false)
    expect(isExceededInAll({ read: 0, failed: 0 }, LIMITS)).toBe(false)
  })

  it('hold the worst parts until the rest is good enough', () => {
    const marks = [mark('a', 1000, 5), mark('b', 50, 40), mark('c', 50, 10), mark('d', 1000, 0)]
    expect(partsToHold(marks, LIMITS).map(({ part }) => part)).toEqual(['b'])
    expect(partsToHold(marks, { ...LIMITS, maxCount: 4 }).map(({ part }) => part)).toEqual(['b', 'c', 'a'])
    expect(partsToHold([mark('a', 1000, 5)], LIMITS)).toEqual([])
    const large = [mark('a', 10_000, 50), mark('b', 10, 0)]
    expect(partsToHold(large, { ...LIMITS, maxCount: 9 }).map(({ part }) => part)).toEqual(['a'])
  })

  it('take the part with the most failures too many for the worst, not a small one that is all bad', () => {
    const marks = [mark('small', 1, 1), mark('large', 1000, 300), mark('good', 1000, 1)]
    const worst = marks.filter((one) => isWorst(one, marks, LIMITS))
    expect(worst.map(({ part }) => part)).toEqual(['large'])
  })
})

describe('windows', () => {
  const parts = [
    'x/till-2024-01-30.csv',
    'x/till-20240131.csv',
    'x/till-2024-02-01.csv',
    'x/till-2024-02-31.csv',
    'x/till.csv',
  ]
  const names = (from: string | null, to: string | null, window: string | null = 'till-{date}') =>
    windowParts(
      parts.map((part) => ({ part })),
      window,
      { from, to },
    ).map(({ part }) => part)

  it('take the parts of the days they touch', () => {
    expect(names('2024-01-31T00:00:00+00:00', '2024-02-01T00:00:00+00:00')).toEqual([parts[1]])
    expect(names('2024-01-30T12:00:00+00:00', '2024-01-31T00:00:01+00:00')).toEqual(parts.slice(0, 2))
    expect(names('2024-02-01T00:00:00+00:00', null)).toEqual([parts[2]])
  })

  it('take the parts of the months they touch', () => {
    const months = ['a-2024-01.csv', 'a-2024-02.csv', 'a-2024-13.csv'].map((part) => ({ part }))
    const take = (from: string, to: string) => windowParts(months, 'a-{date}', { from, to }).map(({ part }) => part)
    expect(take('2024-01-31T00:00:00+00:00', '2024-02-01T00:00:00+00:00')).toEqual(['a-2024-01.csv'])
    expect(take('2024-01-31T00:00:00+00:00', '2024-03-01T00:00:00+00:00')).toEqual(['a-2024-01.csv', 'a-2024-02.csv'])
    expect(take('2024-03-01T00:00:00+00:00', '2024-04-01T00:00:00+00:00')).toEqual([])
  })

  it('take all parts where the input or the run has none', () => {
    expect(names(null, null)).toEqual(parts)
    expect(names('2024-01-31T00:00:00+00:00', null, null)).toEqual(parts)
  })

  it('read the name as text, not as a pattern', () => {
    expect(
      windowParts([{ part: 'aXb2024-01-31' }], 'a.b{date}', { from: '2024-01-01T00:00:00+00:00', to: null }),
    ).toEqual([])
  })
})
