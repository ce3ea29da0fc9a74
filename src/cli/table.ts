/** Tables for people: numbers to the right, null as `—`, long text cut to the terminal. */
import Table from 'cli-table3'
import type { Output, Row } from './output.ts'
import { cellText, printable, textWidth } from './table-text.ts'

/** Rows looked at to choose the widths; later ones keep them, so that memory stays flat. */
const PAGE = 500
const GAP = 2
/** Narrowest useful width of a column that has to be cut. */
const READABLE = 10
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
}

/**
 * Chooses widths: every column its widest cell. Too wide for the terminal, the last columns stay away, and what is left
 * gives way from the widest on.
 */
function layoutOf(names: readonly string[], rows: readonly Row[], terminal: number | null): Layout {
  const wanted = names.map((name) =>
    Math.max(1, textWidth(printable(name)), ...rows.map((row) => textWidth(cellText(row[name])))),
  )
  const shown = terminal === null ? names.length : columnsThatFit(wanted, terminal)
  const columns = names.slice(0, shown)
  const widths = wanted.slice(0, shown)
  const right = columns.map(
    (name) => rows.some((row) => isNumber(row[name])) && rows.every((row) => row[name] == null || isNumber(row[name])),
  )
  if (terminal !== null) shrink(widths, terminal - GAP * (shown - 1))
  return { columns, widths, right, hidden: names.slice(shown) }
}

/** How many columns fit when each may be cut to a readable width; at least one. */
function columnsThatFit(wanted: readonly number[], terminal: number): number {
  let room = terminal + GAP
  const over = wanted.findIndex((width) => {
    room -= Math.min(width, READABLE) + GAP
    return room < 0
  })
  return over < 0 ? wanted.length : Math.max(1, over)
}

/** Takes from the widest columns until the rest fits; none gets narrower than is readable while another is wider. */
function shrink(widths: number[], room: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - room
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= 1) return
    const next = Math.max(1, ...widths.filter((width) => width < widest))
    const many = widths.filter((width) => width === widest).length
    const cut = Math.max(1, Math.min(widest - next, Math.ceil(excess / many)))
    for (let i = 0; i < widths.length && excess > 0; i++) {
      if (widths[i] !== widest) continue
      widths[i] = widest - cut
      excess -= cut
    }
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
    table.push(layout.columns.map((name) => (row[name] == null ? paint.dim('—') : cellText(row[name]))))
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
