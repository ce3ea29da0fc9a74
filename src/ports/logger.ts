/**
 * The logging port (spec 07 §10). One logger tree per instance; nothing is shared by the process.
 *
 * Contract: calls never throw and never wait; `fields` are counters, names, codes and ids, never contents of events.
 * Field names are snake case, as in the standard messages of the spec.
 */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR'
export type LogFormat = 'console' | 'json'
export type LogFields = Readonly<Record<string, unknown>>

/** The loggers of the package; `child` takes one of these names. */
export type LoggerName =
  | 'defacto.pipeline'
  | 'defacto.lifecycle'
  | 'defacto.storage'
  | 'defacto.dead_letter'
  | 'defacto.consumer'

/** What a user may inject: four methods, message first. */
export interface LogTarget {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export interface Logger extends LogTarget {
  /** A logger of the same output whose lines carry `name`. */
  child(name: LoggerName): Logger
}
