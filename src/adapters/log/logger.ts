/** The built-in logger: pino underneath, lines of spec 07 §10 on stderr or any stream. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { logFields } from '../../ports/log-fields.ts'
import type { LogFields, LogFormat, Logger, LoggerName, LogLevel, LogTarget } from '../../ports/logger.ts'
import { consoleLine } from './console-line.ts'
import { cleanFields } from './fields.ts'

export interface LoggerOptions {
  /** Default `INFO`. */
  level?: LogLevel
  /** Default `console`. */
  format?: LogFormat
  /** Default `process.stderr`. */
  stream?: { write(text: string): unknown }
  /** Takes the place of the built-in output; level and format are then its own business. */
  target?: LogTarget
  /** Time of a line; tests inject it. */
  clock?: () => Date
}

const PINO_LEVEL = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const
const LABEL: Record<string, LogLevel> = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' }

/**
 * A logger of its own (no state shared with other loggers of the process). Lines written before a `child` is taken carry
 * the name `defacto`.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  if (options.target !== undefined) return adoptLogger(options.target)
  const stream = options.stream ?? process.stderr
  const clock = options.clock ?? (() => new Date())
  const asJson = options.format === 'json'
  const destination: DestinationStream = {
    write(line: string): void {
      stream.write(asJson ? line : consoleLine(JSON.parse(line) as Record<string, unknown>))
    },
  }
  const root = pino(
    {
      level: PINO_LEVEL[options.level ?? 'INFO'],
      base: null,
      messageKey: 'message',
      timestamp: () => `,"timestamp":"${clock().toISOString()}"`,
      formatters: { level: (label) => ({ level: LABEL[label] ?? label.toUpperCase() }) },
    },
    destination,
  )
  return wrap(root, 'defacto')
}

function wrap(root: PinoLogger, name: string): Logger {
  const own = root.child({ logger: name })
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}): void => {
      if (own.isLevelEnabled(level)) own[level](cleanFields({ ...fields, ...logFields() }), message)
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (childName: LoggerName) => wrap(root, childName),
  }
}

/** Wraps an injected logger of four methods; the name of a child travels as the field `logger`. */
export function adoptLogger(target: LogTarget, name?: LoggerName): Logger {
  const fieldsOf = (fields?: LogFields): LogFields => {
    const clean = cleanFields({ ...fields, ...logFields() })
    return name === undefined ? clean : { logger: name, ...clean }
  }
  return {
    debug: (message, fields) => target.debug(message, fieldsOf(fields)),
    info: (message, fields) => target.info(message, fieldsOf(fields)),
    warn: (message, fields) => target.warn(message, fieldsOf(fields)),
    error: (message, fields) => target.error(message, fieldsOf(fields)),
    child: (childName) => adoptLogger(target, childName),
  }
}

/** Says nothing: for tests and for commands run with `--quiet`. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}
