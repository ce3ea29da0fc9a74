/** The one JSON form of a failure outside the process: a line with the snake-case keys of spec 07 §9. */
import { hash } from 'node:crypto'
import { recordJson } from '../../core/expression/record-json.ts'
import type { EventFailure, Origin, Stage } from '../../results.ts'

const STAGES: ReadonlySet<unknown> = new Set(['normalization', 'interpretation', 'publishing', 'consumption'])

/** One JSON text without a line break. Values JSON cannot carry (bigint, functions) become text or null. */
export function deadLetterLine(failure: EventFailure): string {
  const fields = JSON.stringify({
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
  })
  const line = `{"raw":${recordJson(failure.raw)},${fields.slice(1)}`
  // Readers that split at Unicode line separators must still see one line.
  return line.replace(/[\u2028\u2029]/g, (c) => (c === '\u2028' ? '\\u2028' : '\\u2029'))
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
