/** The one JSON form of a failure outside the process: a line with the snake-case keys of spec 07 §9. */
import { hash } from 'node:crypto'
import type { EventFailure, Origin, Stage } from '../../results.ts'

const STAGES: ReadonlySet<unknown> = new Set(['normalization', 'interpretation', 'publishing', 'consumption'])

/** JSON text of a record as it was received; one nested deeper than that can be written is kept as its text. */
export function rawJson(raw: unknown): string {
  try {
    return JSON.stringify(raw ?? null, exact) ?? 'null'
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return JSON.stringify(deepText(raw))
  }
}

/** One JSON text without a line break. Values JSON cannot carry (bigint, functions) become text or null. */
export function deadLetterLine(failure: EventFailure): string {
  const fields = (raw: unknown) =>
    JSON.stringify(
      {
        raw,
        error: failure.error,
        stage: failure.stage,
        source: failure.source,
        handler: failure.handler,
        field: failure.field,
        entity_id: failure.entityId,
        entity_type: failure.entityType,
        event_id: failure.eventId,
        event_type: failure.eventType,
        sequence: failure.sequence,
        version: failure.version,
        at: failure.at,
        recoverable: failure.recoverable,
        origin: failure.origin,
        ...(failure.advisory ? { advisory: true } : {}),
      },
      exact,
    )
  const raw = failure.raw ?? null
  let line: string
  try {
    line = fields(raw)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Nested deeper than JSON.stringify can go: the record is kept as its text.
    line = fields(deepText(raw))
  }
  // Readers that split at Unicode line separators must still see one line.
  return line.replace(/[\u2028\u2029]/g, (c) => (c === '\u2028' ? '\\u2028' : '\\u2029'))
}

/** JSON text of plain data nested to any depth, with a stack of its own. */
function deepText(value: unknown): string {
  const parts: string[] = []
  // What is still to be written, last first: values, or text that stands as it is.
  const open: ({ value: unknown } | string)[] = [{ value }]
  while (open.length > 0) {
    const next = open.pop() as { value: unknown } | string
    if (typeof next === 'string') parts.push(next)
    else if (typeof next.value !== 'object' || next.value === null)
      parts.push(JSON.stringify(next.value, exact) ?? 'null')
    else {
      const list = Array.isArray(next.value)
      const entries = Object.entries(next.value)
      open.push(list ? ']' : '}')
      for (const [i, [key, item]] of entries.reverse().entries()) {
        open.push({ value: item })
        if (!list) open.push(`${JSON.stringify(key)}:`)
        if (i < entries.length - 1) open.push(',')
      }
      open.push(list ? '[' : '{')
    }
  }
  return parts.join('')
}

/** Ints beyond 2^53 keep their digits. */
function exact(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawNumber(String(value)) : value
}

function rawNumber(digits: string): unknown {
  const json = JSON as typeof JSON & { rawJSON?(text: string): unknown }
  return json.rawJSON ? json.rawJSON(digits) : digits
}

/** Name of a line: the first 12 hexadecimal digits of its SHA-256. Equal lines are the same failure. */
export function lineId(line: string): string {
  return hash('sha256', line, 'hex').slice(0, 12)
}

/**
 * The failure of a line; null if it is none (a line torn by a crash, foreign text). `parse` reads JSON; callers who need
 * Ints beyond 2^53 hand in an exact one.
 */
export function parseDeadLetterLine(line: string, parse: (text: string) => unknown = JSON.parse): EventFailure | null {
  let value: unknown
  try {
    value = parse(line)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const at = value as Record<string, unknown>
  if (!STAGES.has(at['stage']) || typeof at['error'] !== 'string') return null
  return {
    raw: at['raw'] ?? null,
    error: at['error'],
    stage: at['stage'] as Stage,
    source: text(at['source']) ?? 'unknown',
    handler: text(at['handler']),
    field: text(at['field']),
    entityId: text(at['entity_id']),
    entityType: text(at['entity_type']),
    eventId: text(at['event_id']),
    eventType: text(at['event_type']),
    sequence: whole(at['sequence']),
    version: text(at['version']),
    at: text(at['at']) ?? '',
    recoverable: at['recoverable'] === true,
    origin: originOf(at['origin']),
    ...(at['advisory'] === true ? { advisory: true as const } : {}),
  }
}

function originOf(value: unknown): Origin | null {
  if (typeof value !== 'object' || value === null) return null
  const origin = value as Record<string, unknown>
  const part = text(origin['part'])
  return part === null ? null : { part, line: whole(origin['line']), byte: whole(origin['byte']) }
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const whole = (value: unknown): number | null => (Number.isSafeInteger(value) ? (value as number) : null)
