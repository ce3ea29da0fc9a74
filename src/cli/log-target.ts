/** The engine's log lines as remarks of a command, unless the configuration asks for log lines. */
import type { LogFields, LogTarget } from '../ports/logger.ts'
import type { Output } from './output.ts'
import { printable } from './table-text.ts'

/** Warnings of definitions belong to `check`, and commands report failures themselves. */
const NOT_HERE: readonly string[] = ['definition warning', 'ingest failures detected', 'build failures detected']

/** Warnings and errors as one line each; with `--verbose` everything. */
export function remarks(output: Output): LogTarget {
  const line = (message: string, fields: LogFields = {}): string => {
    const { logger, ...rest } = fields
    const pairs = Object.entries(rest).map(
      ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    return printable([...(output.verbose ? [`${logger ?? 'defacto'}:`] : []), message, ...pairs].join(' '))
  }
  const detail = (message: string, fields?: LogFields): void => {
    if (output.verbose) output.note(line(message, fields))
  }
  return {
    debug: detail,
    info: detail,
    warn: (message, fields) => {
      if (output.verbose || (!NOT_HERE.includes(message) && !output.quiet)) output.warn(line(message, fields))
    },
    error: (message, fields) => output.warn(line(message, fields)),
  }
}
