/** RFC 4180 lines; null is empty, an empty text `""`, objects and lists are JSON text. */
import { jsonText } from './json.ts'

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' ? jsonText(value).replace(/^"|"$/g, '') : String(value)
  // Quotes tell an empty text from null.
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csvHeader(columns: readonly string[]): string {
  return `${columns.map(cell).join(',')}\r\n`
}

export function csvLine(columns: readonly string[], row: Readonly<Record<string, unknown>>): string {
  return `${columns.map((name) => cell(Object.hasOwn(row, name) ? row[name] : null)).join(',')}\r\n`
}
