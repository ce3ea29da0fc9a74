/** Context fields made fit for a log line: plain JSON, no secrets, no clash with the line's own keys. */
import type { LogFields } from '../../ports/logger.ts'

const OWN_KEYS = new Set(['timestamp', 'level', 'logger', 'message'])
const SECRET_KEY = /password|passwd|secret|token|api_?key|credential|authorization|redaction_?key|signing_?key/i
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi

/** Masks the password of every connection string inside a text. */
export function maskUrls(text: string): string {
  return text.includes('://') ? text.replace(URL_PASSWORD, '$1:***@') : text
}

/** Fields as they may appear in a line: a key of the line itself gets the prefix `field_`; secrets show as `***`. */
export function cleanFields(fields: LogFields): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const name = OWN_KEYS.has(key) ? `field_${key}` : key === '__proto__' ? 'field___proto__' : key
    clean[name] = SECRET_KEY.test(key) && value !== null ? '***' : cleanValue(value)
  }
  return clean
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return maskUrls(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Error) return maskUrls(value.message)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (Array.isArray(value)) return value.map(cleanValue)
  if (typeof value === 'object' && value !== null) {
    // Classes with their own text form (instants) say it themselves; plain maps are cleaned key by key.
    if ('toJSON' in value && typeof value.toJSON === 'function') return cleanValue(value.toJSON())
    return cleanFields(value as LogFields)
  }
  return typeof value === 'function' || typeof value === 'symbol' ? null : value
}
