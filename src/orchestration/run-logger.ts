/** A logger whose lines name their run (spec 10 §9): to follow one run through the lines of many processes. */
import type { LogFields, Logger, LoggerName, LogTarget } from '../ports/logger.ts'
import type { RunRow } from '../ports/runs.ts'

/** Ids and names; a line's own fields of these names do not win over them. */
export function runLogger(
  logger: Logger,
  run: Pick<RunRow, 'runId' | 'op' | 'step' | 'pipeline'>,
  /** Number of the chunk within the run. */
  chunk?: number,
): Logger {
  const named = {
    run_id: run.runId,
    op: run.op,
    ...(run.pipeline === null ? {} : { pipeline: run.pipeline }),
    ...(run.step === null ? {} : { step: run.step }),
    ...(chunk === undefined ? {} : { chunk }),
  }
  const at =
    (target: LogTarget, level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}): void =>
      target[level](message, { ...fields, ...named })
  const bound = (target: Logger): Logger => ({
    debug: at(target, 'debug'),
    info: at(target, 'info'),
    warn: at(target, 'warn'),
    error: at(target, 'error'),
    child: (name: LoggerName) => bound(target.child(name)),
  })
  return bound(logger)
}
