/** Tables for people: numbers to the right, null as `—`, long text cut to the terminal. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Output, Row } from './output.ts'
import { openScreen } from './pager.ts'
import { countText } from './summary.ts'
import { GAP, type Layout, type LayoutOptions, layoutOf } from './table-layout.ts'
import { cutText, padText, printable, screenText, textWidth } from './table-text.ts'

/** Rows looked at to choose the widths; later ones keep them, so that memory stays flat. */
const PAGE = 500
/** Columns that names of hidden columns get even on a very narrow terminal. */
const READABLE_NAMES = 20

export interface TableOptions extends LayoutOptions {
  /** One line per value, whatever room there is. */
  readonly records?: boolean
  /** What the last line of a table on a terminal says; null: nothing. */
  readonly footer?: (rows: number) => string | null
}

/**
 * Writes the rows as one table, page by page; a single row that is too wide for the terminal has a line for every value.
 * Returns the number of rows; an empty result is said on stderr.
 */
export async function writeTable(
  output: Output,
  rows: AsyncIterable<Row>,
  columns?: readonly string[],
  options: TableOptions = {},
): Promise<number> {
  const screen = openScreen(output)
  let layout: Layout | null = null
  let page: Row[] = []
  let written = 0
  const flush = async (last: boolean): Promise<void> => {
    const names = columns ?? Object.keys(page[0] ?? {})
    const fitted = layoutOf(names, page, output.width, options)
    const single = last && written === 0 && page.length === 1
    if (options.records === true || (single && fitted.hidden.length > 0)) {
      await screen.write(page.map((row, i) => recordText(output, names, row, single ? null : written + i + 1)).join(''))
    } else {
      await screen.write(render(output, layout ?? fitted, page, layout === null))
      layout ??= fitted
    }
    written += page.length
    page = []
    // Stores in this process answer at once: Ctrl-C is heard here.
    await turn()
  }
  try {
    for await (const row of rows) {
      page.push(row)
      if (page.length >= PAGE) await flush(false)
      if (screen.closed) return written
    }
    if (page.length > 0) await flush(true)
    if (written === 0) output.note('no rows')
    else if (output.width !== null && !output.quiet) await screen.write(closing(output, layout, written, options))
  } finally {
    await screen.end()
  }
  return written
}

/** The lines below a table on a terminal: how many rows, what is not shown. */
function closing(output: Output, layout: Layout | null, rows: number, options: TableOptions): string {
  const footer = options.footer?.(rows) ?? null
  const lines = footer === null ? [] : [footer]
  if (layout !== null && layout.hidden.length > 0) lines.push(hiddenLine(layout.hidden, output.width ?? 80))
  return lines.map((line) => `${output.paint.dim(line)}\n`).join('')
}

/** Names as far as one line holds them. */
function hiddenLine(hidden: readonly string[], width: number): string {
  const before = `${countText(hidden.length, 'column')} not shown (--columns, --records): `
  return before + cutText(hidden.map(printable).join(', '), Math.max(READABLE_NAMES, width - before.length))
}

/** A small table held in memory, as text. */
export function tableText(
  output: Output,
  rows: readonly Row[],
  columns?: readonly string[],
  options: LayoutOptions = {},
): string {
  if (rows.length === 0) return ''
  const layout = layoutOf(columns ?? Object.keys(rows[0] as Row), rows, output.width, options)
  if (layout.hidden.length > 0) output.note(`not shown: ${layout.hidden.map(printable).join(', ')}; -o json has all`)
  return render(output, layout, rows, true)
}

function render(output: Output, { columns }: Layout, rows: readonly Row[], head: boolean): string {
  const { paint } = output
  const blank = ' '.repeat(GAP)
  // What is painted is not counted: cells are filled up first.
  const line = (cells: readonly string[]): string => `${cells.join(blank).trimEnd()}\n`
  const lines = rows.map((row) =>
    line(
      columns.map(({ name, width, right, text }) => {
        const value = row[name]
        const cell = padText(text(value), width, right)
        return value == null ? cell.replace('—', paint.dim('—')) : cell
      }),
    ),
  )
  if (!head) return lines.join('')
  return (
    line(columns.map(({ name, width, right }) => boldText(paint.bold, padText(printable(name), width, right)))) +
    lines.join('')
  )
}

/** Blanks behind a headline are left plain, so that they can be cut off at the end of the line. */
function boldText(bold: (text: string) => string, padded: string): string {
  return padded.replace(/\S.*\S|\S/, bold)
}

/** One row, a line per value and nothing cut. */
function recordText(output: Output, names: readonly string[], row: Row, number: number | null): string {
  const { paint } = output
  const width = Math.max(0, ...names.map((name) => textWidth(printable(name))))
  const lines = names.map((name) => {
    const value = row[name]
    const text = screenText(value)
    return `${paint.bold(padText(printable(name), width))}${' '.repeat(GAP)}${value == null ? paint.dim(text) : text}\n`
  })
  const head = number === null ? '' : `${number === 1 ? '' : '\n'}${paint.dim(`row ${number}`)}\n`
  return head + lines.join('')
}
