/** Tables for people: numbers to the right, null as `—`, long text cut to the terminal. */
import Table from 'cli-table3'
import type { Output, Row } from './output.ts'
import { cellText, isInstantText, printable, screenText, textWidth } from './table-text.ts'

/** Rows looked at to choose the widths; later ones keep them, so that memory stays flat. */
const PAGE = 500
const GAP = 2
/** Narrowest useful width of a column that has to be cut. */
const READABLE = 8
const BLANK = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
}

/** Writes the rows as one table, page by page. Returns their number; an empty result is said on stderr. */
export async function writeTable(
  output: Output,
  rows: AsyncIterable<Row>,
  columns?: readonly string[],
): Promise<number> {
  let layout: Layout | null = null
  let page: Row[] = []
  let written = 0
  const flush = async (): Promise<void> => {
    if (layout === null) {
      layout = layoutOf(columns ?? Object.keys(page[0] ?? {}), page, output.width)
      await output.write(render(output, layout, page, true))
    } else await output.write(render(output, layout, page, false))
    written += page.length
    page = []
  }
  for await (const row of rows) {
    page.push(row)
    if (page.length >= PAGE) await flush()
  }
  if (page.length > 0) await flush()
  if (written === 0) output.note('no rows')
  else sayHidden(output, layout)
  return written
}

/** A small table held in memory, as text. */
export function tableText(output: Output, rows: readonly Row[], columns?: readonly string[]): string {
  if (rows.length === 0) return ''
  const layout = layoutOf(columns ?? Object.keys(rows[0] as Row), rows, output.width)
  sayHidden(output, layout)
  return render(output, layout, rows, true)
}

function sayHidden(output: Output, layout: Layout | null): void {
  if (layout === null || layout.hidden.length === 0) return
  output.note(`not shown: ${layout.hidden.map(printable).join(', ')}; choose with --columns, or use -o json`)
}

interface Layout {
  readonly columns: readonly string[]
  readonly widths: readonly number[]
  readonly right: readonly boolean[]
  /** Columns a narrow terminal has no room for. */
  readonly hidden: readonly string[]
  readonly text: (value: unknown) => string
}

/**
 * Chooses widths: every column its widest cell. Too wide for the terminal, columns without any value stay away, then the
 * last ones, and what is left gives way from the widest on. Instants are whole or away: half of one says nothing.
 */
function layoutOf(names: readonly string[], rows: readonly Row[], terminal: number | null): Layout {
  const text = terminal === null ? cellText : screenText
  const all = names.map((name): Column => {
    const cells = rows.map((row) => row[name])
    const width = Math.max(1, textWidth(printable(name)), ...cells.map((cell) => textWidth(text(cell))))
    return {
      name,
      width: terminal === null ? width : Math.min(width, terminal),
      least: cells.some(isInstantText) ? width : Math.min(width, READABLE),
      empty: rows.length > 0 && cells.every((cell) => cell == null),
      right: cells.some(isNumber) && cells.every((cell) => cell == null || isNumber(cell)),
    }
  })
  const shown = terminal === null ? all : columnsThatFit(all, terminal)
  if (terminal !== null) shrink(shown, terminal - GAP * (shown.length - 1))
  return {
    columns: shown.map(({ name }) => name),
    widths: shown.map(({ width }) => width),
    right: shown.map(({ right }) => right),
    hidden: all.filter((column) => !shown.includes(column)).map(({ name }) => name),
    text,
  }
}

interface Column {
  readonly name: string
  width: number
  /** Narrowest useful width. */
  readonly least: number
  readonly empty: boolean
  readonly right: boolean
}

/** The columns that fit when each may be cut to its least width; at least one. */
function columnsThatFit(all: readonly Column[], terminal: number): Column[] {
  const shown = [...all]
  const needed = (): number => shown.reduce((sum, { least }) => sum + least + GAP, -GAP)
  while (shown.length > 1 && needed() > terminal) {
    const empty = shown.findLastIndex((column) => column.empty)
    shown.splice(empty < 0 ? shown.length - 1 : empty, 1)
  }
  return shown
}

/** Takes from the widest columns until the rest fits; none gets narrower than is useful while another can give way. */
function shrink(columns: readonly Column[], room: number): void {
  for (let excess = columns.reduce((sum, { width }) => sum + width, 0) - room; excess > 0; excess--) {
    const giving = columns.filter(({ width, least }) => width > least)
    const widest = (giving.length > 0 ? giving : columns).reduce((a, b) => (b.width > a.width ? b : a))
    if (widest.width <= 1) return
    widest.width -= 1
  }
}

function render(output: Output, layout: Layout, rows: readonly Row[], head: boolean): string {
  const { paint } = output
  const table = new Table({
    chars: BLANK,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    colWidths: [...layout.widths],
    colAligns: layout.right.map((numeric) => (numeric ? 'right' : 'left')),
  })
  if (head) table.push(layout.columns.map((name) => paint.bold(printable(name))))
  for (const row of rows) {
    table.push(layout.columns.map((name) => (row[name] == null ? paint.dim('—') : layout.text(row[name]))))
  }
  const text = table.toString()
  return `${text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint'
}
