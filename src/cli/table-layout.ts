/** Which columns a table shows, how wide, and how (spec 10 §7.2). */
import { isId } from '../core/named-id.ts'
import {
  cellText,
  type InstantStyle,
  isInstantText,
  isMidnight,
  printable,
  screenText,
  textWidth,
} from './table-text.ts'

/** Blanks between columns. */
export const GAP = 2
/** Narrowest useful width of a text that has to be cut. */
const READABLE = 12

export interface LayoutOptions {
  /** Columns that stay while others can go away. */
  readonly keep?: readonly string[]
}

export interface ShownColumn {
  readonly name: string
  readonly width: number
  /** Numbers stand to the right. */
  readonly right: boolean
  readonly text: (value: unknown) => string
}

export interface Layout {
  readonly columns: readonly ShownColumn[]
  /** Columns a narrow terminal has no room for. */
  readonly hidden: readonly string[]
}

type Cells = Readonly<Record<string, unknown>>

/**
 * Every column its widest cell, if the terminal has room for that. If not, instants lose what is below a second; columns
 * without any value stay away, then the last ones; and what is left gives way from the widest on. Numbers and instants are
 * whole or away: half of one says something else.
 */
export function layoutOf(
  names: readonly string[],
  rows: readonly Cells[],
  terminal: number | null,
  options: LayoutOptions = {},
): Layout {
  if (terminal === null) return { columns: names.map((name) => draftOf(name, rows, null, false)), hidden: [] }
  const keep = new Set(options.keep ?? [])
  const drafts = (short: boolean): Draft[] =>
    names.map((name, index) => draftOf(name, rows, { terminal, index, keep: keep.has(name) }, short))
  const whole = drafts(false)
  if (widthOf(whole.map(({ width }) => width)) <= terminal) return { columns: whole, hidden: [] }
  const all = drafts(true)
  const shown = columnsThatFit(all, terminal)
  shrink(shown, terminal - GAP * (shown.length - 1))
  return { columns: shown, hidden: all.filter((column) => !shown.includes(column)).map(({ name }) => name) }
}

interface Draft extends ShownColumn {
  width: number
  /** Narrowest useful width. */
  readonly least: number
  readonly empty: boolean
  readonly keep: boolean
}

function draftOf(
  name: string,
  rows: readonly Cells[],
  place: { terminal: number; index: number; keep: boolean } | null,
  short: boolean,
): Draft {
  const cells = rows.map((row) => row[name])
  const given = cells.filter((cell) => cell != null)
  const instants = given.length > 0 && given.every(isInstantText)
  const style: InstantStyle = instants && given.every(isMidnight) ? 'date' : short ? 'seconds' : 'whole'
  const text = place === null ? cellText : (value: unknown): string => screenText(value, style)
  const widest = cells.reduce<number>((most, cell) => Math.max(most, textWidth(text(cell))), 1)
  const width = Math.max(widest, textWidth(printable(name)))
  const right = given.length > 0 && given.every(isNumber)
  const isFirst = place?.index === 0
  const ids = isFirst && given.length > 0 && given.every(isUuid)
  const whole = instants || right || (ids && (place.keep || widest * 3 <= place.terminal))
  return {
    name,
    width: place === null ? width : Math.min(width, place.terminal),
    least: Math.min(width, whole ? Math.max(widest, Math.min(width, READABLE)) : READABLE),
    right,
    text,
    empty: rows.length > 0 && given.length === 0,
    keep: place?.keep === true,
  }
}

const widthOf = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width + GAP, -GAP)

/** The columns that fit when each may be cut to its least width; at least one. */
function columnsThatFit(all: readonly Draft[], terminal: number): Draft[] {
  const shown = [...all]
  const giving = [
    (column: Draft): boolean => column.empty && !column.keep,
    (column: Draft): boolean => !column.keep,
    (): boolean => true,
  ]
  while (shown.length > 1 && widthOf(shown.map(({ least }) => least)) > terminal) {
    const index = giving.map((gives) => shown.findLastIndex(gives)).find((found) => found >= 0) as number
    shown.splice(index, 1)
  }
  return shown
}

/** Takes from the widest columns until the rest fits; none gets narrower than is useful while another can give way. */
function shrink(columns: readonly Draft[], room: number): void {
  for (let excess = columns.reduce((sum, { width }) => sum + width, 0) - room; excess > 0; excess--) {
    const giving = columns.filter(({ width, least }) => width > least)
    const widest = (giving.length > 0 ? giving : columns).reduce((a, b) => (b.width > a.width ? b : a))
    if (widest.width <= 1) return
    widest.width -= 1
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint'
}

function isUuid(value: unknown): boolean {
  return typeof value === 'string' && isId(value)
}
