/**
 * Lines of CSV as RFC 4180 has it (spec 06 §7): CRLF at the end, which pandas, DuckDB and psql read as well as LF. Null is
 * empty, an empty text `""`, so that readers that look at quotes tell them apart; objects and lists are JSON text.
 */
import { stringifyJson } from './expression/json.ts'
import { instantFromDate } from './instant.ts'

const MUST_QUOTE = /[",\r\n]|^\s|\s$/

export function csvLine(cells: readonly unknown[]): string {
  let line = cellText(cells[0])
  for (let i = 1; i < cells.length; i++) line += `,${cellText(cells[i])}`
  return `${line}\r\n`
}

function cellText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      if (value === null || value === undefined) return ''
      return quoted(value instanceof Date ? String(instantFromDate(value)) : stringifyJson(value))
  }
}

/** `\.` alone on a line ends the data for older versions of psql. */
function quoted(text: string): string {
  if (text !== '' && text !== '\\.' && !MUST_QUOTE.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}
