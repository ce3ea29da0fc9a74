/** Reading option values: one helper per kind, each with an error that names the option. */
import { type Duration, instantFromEpochText, instantFromText, parseDurationText } from '../core/instant.ts'
import type { Options } from './command.ts'
import { UsageError } from './errors.ts'

/** `asOf` → `--as-of`. */
function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`
}

export function flag(options: Options, name: string): boolean {
  return options[name] === true
}

export function text(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export function list(options: Options, name: string): string[] {
  const value = options[name]
  const texts = Array.isArray(value) ? (value as string[]) : typeof value === 'string' ? [value] : []
  return texts
    .flatMap((item) => item.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** A whole number of at least `least`. */
export function count(options: Options, name: string, least = 0): number | undefined {
  const value = text(options, name)
  if (value === undefined) return undefined
  const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`${flagName(name)} takes a whole number of at least ${least}`)
  }
  return number
}

/** An instant as text the engine reads; `now` is the present. */
export function instant(options: Options, name: string, now: () => Date = () => new Date()): string | undefined {
  const value = text(options, name)
  if (value === undefined) return undefined
  if (value === 'now') return now().toISOString()
  if (instantFromText(value) === null && instantFromEpochText(value) === null) {
    throw new UsageError(`${flagName(name)} takes an instant like 2024-06-01T12:00:00Z or 2024-06-01`)
  }
  return value
}

/** A duration like `30s`, `5m`, `2h`, `1d`; above zero. */
export function duration(options: Options, name: string): Duration | undefined {
  const value = text(options, name)
  if (value === undefined) return undefined
  const parsed = parseDurationText(value)
  if (parsed === null || parsed.ms <= 0)
    throw new UsageError(`${flagName(name)} takes a duration like 30s, 5m, 2h or 1d`)
  return parsed
}

/** JSON of an object, e.g. `--where '{"plan": "pro"}'`. */
export function jsonObject(options: Options, name: string): Record<string, unknown> | undefined {
  const value = text(options, name)
  if (value === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(value)
  } catch {
    throw new UsageError(`${flagName(name)} takes a JSON object, e.g. '{"plan": "pro"}'`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new UsageError(`${flagName(name)} takes a JSON object, e.g. '{"plan": "pro"}'`)
  }
  return parsed as Record<string, unknown>
}
