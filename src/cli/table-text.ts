/** Text of values on one line of a terminal. */
import { jsonText } from './json.ts'

/** Text of a cell; null is a dash. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return '—'
  const text =
    typeof value === 'object' ? (value instanceof Date ? value.toISOString() : jsonText(value)) : String(value)
  return printable(text)
}

const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?\+00:00$/

/** True for instants in the canonical form of the engine. */
export function isInstantText(value: unknown): boolean {
  return typeof value === 'string' && INSTANT.test(value)
}

/** How a column shows its instants: as dates if all of them are midnights, to the second where room is short. */
export type InstantStyle = 'date' | 'seconds' | 'whole'

/** True if nothing but the date says anything. */
export function isMidnight(value: unknown): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT00:00:00\+00:00$/.test(value)
}

/** Text of a cell on a terminal, where instants are for eyes: `2024-01-15 09:00:00Z`. */
export function screenText(value: unknown, style: InstantStyle = 'whole'): string {
  if (typeof value !== 'string') return cellText(value)
  const match = INSTANT.exec(value)
  if (match === null) return printable(value)
  const [, date = '', time = '', fraction = ''] = match
  return style === 'date' && isMidnight(value) ? date : `${date} ${time}${style === 'whole' ? fraction : ''}Z`
}

/** Control characters and those that turn the direction of writing are shown, never sent to the terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (c) => (c === '\n' ? '⏎' : c === '\t' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
}

/** Columns a text takes on a terminal: wide East Asian characters and emoji count two, combining marks none. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += segmentWidth(segment)
  return width
}

/** The text, or as much of it as fits with `…` behind it; what people see as one character stays whole. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (PLAIN.test(text)) return `${text.slice(0, Math.max(0, width - 1))}…`
  let kept = ''
  let room = width - 1
  for (const { segment } of graphemes.segment(text)) {
    room -= segmentWidth(segment)
    if (room < 0) break
    kept += segment
  }
  return `${kept}…`
}

/** The text cut and filled up to exactly this many columns. */
export function padText(text: string, width: number, right = false): string {
  const cut = cutText(text, width)
  const blanks = ' '.repeat(Math.max(0, width - textWidth(cut)))
  return right ? blanks + cut : cut + blanks
}

function segmentWidth(segment: string): number {
  return WIDE.test(segment) ? 2 : NARROWEST.test(segment) ? 0 : 1
}

const PLAIN = /^[\u0020-\u007e]*$/
const graphemes = new Intl.Segmenter()
const WIDE =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u
const NARROWEST = /^[\p{M}\u200c\u200d]+$/u
