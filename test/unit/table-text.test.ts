/** Text on a terminal: widths, cuts, what is harmless, which columns fit (spec 10 §7.2). */
import { describe, expect, it } from 'vitest'
import { layoutOf } from '../../src/cli/table-layout.ts'
import { cutText, padText, printable, screenText, textWidth } from '../../src/cli/table-text.ts'

describe('widths', () => {
  it.each([
    ['plain', 5],
    ['日本語', 6],
    ['한국어', 6],
    ['👍', 2],
    ['👩‍👩‍👧', 2],
    ['🇩🇪', 2],
    ['e\u0301', 1],
    ['Ångström', 8],
    ['', 0],
  ])('%s takes %i columns', (text, width) => {
    expect(textWidth(text)).toBe(width)
  })

  it('cuts between characters as people see them, and never beyond the room', () => {
    expect(cutText('日本語テスト', 6)).toBe('日本…')
    expect(cutText('日本語テスト', 5)).toBe('日本…')
    expect(cutText('ab👩‍👩‍👧cd', 4)).toBe('ab…')
    expect(cutText('ne\u0301e\u0301e', 3)).toBe('ne\u0301…')
    for (const text of ['日本語テスト', 'plain text', '👍👍👍', 'e\u0301e\u0301e\u0301']) {
      for (let width = 1; width < 14; width++) {
        expect(textWidth(cutText(text, width))).toBeLessThanOrEqual(width)
        expect(textWidth(padText(text, width))).toBe(width)
      }
    }
  })
})

describe('what reaches the terminal', () => {
  it('is no control character and nothing that turns the writing around', () => {
    expect(printable('a\u001b]0;x\u0007b\u009b2J')).toBe('a\\u001b]0;x\\u0007b\\u009b2J')
    expect(printable('a\nb\tc')).toBe('a⏎b c')
    expect(printable('invoice\u202efdp.exe\u200b\u2066')).toBe('invoice\\u202efdp.exe\\u200b\\u2066')
  })

  it('has instants for eyes', () => {
    expect(screenText('2024-01-15T09:00:00.125+00:00')).toBe('2024-01-15 09:00:00.125Z')
    expect(screenText('2024-01-15T09:00:00.125+00:00', 'seconds')).toBe('2024-01-15 09:00:00Z')
    expect(screenText('2024-01-15T00:00:00+00:00', 'date')).toBe('2024-01-15')
    expect(screenText('2024-01-15')).toBe('2024-01-15')
  })
})

describe('layout', () => {
  const row = {
    customer_id: '02d3093d-855d-48c5-8895-a3bfcce50e7d',
    email: 'somebody.with.a.long.name@example.com',
    nothing: null,
    cents: 123_456_789,
    big: 12_345_678_901_234_567_890n,
    paid: true,
    valid_from: '2024-01-15T09:00:00.125+00:00',
    born: '1990-01-15T00:00:00+00:00',
  }
  const names = Object.keys(row)

  it('leaves everything whole where nothing is cut', () => {
    const { columns, hidden } = layoutOf(names, [row], null)
    expect(hidden).toEqual([])
    expect(columns.find(({ name }) => name === 'valid_from')?.text(row.valid_from)).toBe(row.valid_from)
    expect(columns.filter(({ right }) => right).map(({ name }) => name)).toEqual(['cents', 'big'])
  })

  it('never cuts numbers and instants, drops empty columns first, and keeps what it is told to keep', () => {
    for (let width = 10; width < 200; width++) {
      const { columns, hidden } = layoutOf(names, [row], width, { keep: ['valid_from'] })
      const taken = columns.reduce((sum, column) => sum + column.width + 2, -2)
      expect(taken).toBeLessThanOrEqual(Math.max(width, 12))
      expect(columns.length + hidden.length).toBe(names.length)
      if (hidden.length > 0) expect(hidden).toContain('nothing')
      if (columns.length > 1) {
        expect(columns.map(({ name }) => name)).toContain('valid_from')
        for (const { name, width: room, text } of columns) {
          if (['cents', 'big', 'valid_from', 'born'].includes(name))
            expect(text(row[name as keyof typeof row]).length).toBeLessThanOrEqual(room)
        }
      }
    }
    expect(layoutOf(names, [row], 200).hidden).toEqual([])
  })
})
