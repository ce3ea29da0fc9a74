/** Tables for people: numbers to the right, null as `—`, long text cut to the terminal. */
import Table from 'cli-table3'
import type { Output, Row } from './output.ts'
import { cellText, textWidth } from './table-text.ts'

/** Rows looked at to choose the widths; later ones keep them, so that memory stays flat. */
const PAGE = 500
const GAP = 2
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
  return written
}

/** A small table held in memory, as text. */
export function tableText(output: Output, rows: readonly Row[], columns?: readonly string[]): string {
  if (rows.length === 0) return ''
  return render(output, layoutOf(columns ?? Object.keys(rows[0] as Row), rows, output.width), rows, true)
}

interface Layout {
  readonly columns: readonly string[]
  readonly widths: readonly number[]
  readonly right: readonly boolean[]
}

/** Chooses widths: every column its widest cell; too wide for the terminal, the widest give way first. */
function layoutOf(columns: readonly string[], rows: readonly Row[], terminal: number | null): Layout {
  const widths = columns.map((name) =>
    Math.max(1, textWidth(name), ...rows.map((row) => textWidth(cellText(row[name])))),
  )
  const right = columns.map(
    (name) => rows.some((row) => isNumber(row[name])) && rows.every((row) => row[name] == null || isNumber(row[name])),
  )
  if (terminal !== null) shrink(widths, terminal - GAP * (columns.length - 1))
  return { columns, widths, right }
}

function shrink(widths: number[], room: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - room
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= 6) return
    const second = Math.max(6, ...widths.filter((width) => width < widest))
    const many = widths.filter((width) => width === widest).length
    const cut = Math.max(1, Math.min(widest - second, Math.ceil(excess / many)))
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
  if (head) table.push(layout.columns.map((name) => paint.bold(name)))
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
