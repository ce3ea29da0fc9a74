/**
 * Fields that every log line of some work carries, whoever writes it (spec 10 §9): one run can be followed through the
 * lines of many processes, and whoever logs below need not know that there are runs.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { LogFields } from './logger.ts'

const current = new AsyncLocalStorage<LogFields>()

/** Ids and names; added to those of the work around this one. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return current.run({ ...current.getStore(), ...fields }, work)
}

/** What the lines written here carry; a line's own fields of these names do not win over them. */
export function logFields(): LogFields | undefined {
  return current.getStore()
}
