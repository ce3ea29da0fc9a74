/** Problems of hand-written SQL under the lines they are in. */
import type { Paint } from './colour.ts'
import { printable, textWidth } from './table-text.ts'

interface Problem {
  readonly message: string
  readonly line: number
  readonly column: number
}

const sources = new WeakMap<object, string>()

/** Notes the text that an error with positions is about. */
export function withSql<T>(error: T, sql: string): T {
  if (typeof error === 'object' && error !== null) sources.set(error, sql)
  return error
}

/** All problems, each with its line and a caret below its place; null if the error is of another kind. */
export function sqlProblems(error: unknown, paint: Paint, width: number | null): string | null {
  if (typeof error !== 'object' || error === null) return null
  const sql = sources.get(error)
  const problems = problemsOf(error)
  if (sql === undefined || problems.length === 0) return null
  const lines = sql.split(/\r\n|\r|\n/)
  const shown = problems.map(({ message, line, column }) => {
    const number = `${line} | `
    const { text, caret } = excerpt(lines[line - 1] ?? '', column, Math.max(30, (width ?? 120) - number.length))
    return [
      printable(message),
      `${paint.dim(number)}${text}`,
      `${' '.repeat(number.length + caret)}${paint.red('^')}`,
    ].join('\n')
  })
  const head = problems.length === 1 ? '' : `${problems.length} problems in the SQL\n`
  return head + shown.join('\n')
}

/** As much of the line around the place as there is room for, and how far into it the place is. */
function excerpt(line: string, column: number, room: number): { text: string; caret: number } {
  const at = Math.min(Math.max(0, column - 1), line.length)
  const start = at < room - 10 ? 0 : at - Math.floor(room / 2)
  const before = `${start > 0 ? '…' : ''}${printable(line.slice(start, at))}`
  const rest = printable(line.slice(at, start + room - 2))
  return { text: `${before}${rest}${start + room - 2 < line.length ? '…' : ''}`, caret: textWidth(before) }
}

function problemsOf(error: object): readonly Problem[] {
  const details = (error as { details?: { errors?: unknown } }).details
  if (!Array.isArray(details?.errors)) return []
  return details.errors.filter(
    (item): item is Problem =>
      typeof item?.message === 'string' && Number.isInteger(item?.line) && Number.isInteger(item?.column),
  )
}
