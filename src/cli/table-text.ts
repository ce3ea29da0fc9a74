/** Text of values on one line of a terminal. */
import { jsonText } from './json.ts'

/** Text of a cell; null is a dash. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return '—'
  const text =
    typeof value === 'object' ? (value instanceof Date ? value.toISOString() : jsonText(value)) : String(value)
  return printable(text)
}

const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)\+00:00$/

/** True for instants in the canonical form of the engine. */
export function isInstantText(value: unknown): boolean {
  return typeof value === 'string' && INSTANT.test(value)
}

/** Text of a cell on a terminal, where instants are for eyes: `2024-01-15 09:00:00Z`. */
export function screenText(value: unknown): string {
  return typeof value === 'string' ? printable(value.replace(INSTANT, '$1 $2Z')) : cellText(value)
}

/** Control characters are shown, never sent to the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) =>
    c === '\n' ? '⏎' : c === '\t' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Columns a text takes on a terminal: wide East Asian characters and emoji count two, combining marks none. */
export function textWidth(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1
  return width
}

const graphemes = new Intl.Segmenter()
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u
