/** One raw record to one event (03 §1–6). */
import { createHash } from 'node:crypto'
import { checkSchema, coerce, literal } from './coerce.ts'
import { type Defs, type EntityDef, listOf } from './definitions.ts'
import { evaluate } from './expression.ts'
import { Failure, fromHost, rawPath, Span, Time, textOf, timeFrom, timeText, type V } from './values.ts'

export type HintMap = Record<string, Record<string, string>>
export interface OracleEvent {
  /** Position in the order of arrival, from 1; equal timestamps are ordered by it. */
  sequence: number
  eventId: string
  type: string
  source: string
  timestamp: Time
  data: Map<string, V>
  hints: HintMap
}

/** Throws `Failure` with the field at fault. */
export function normalize(defs: Defs, sourceName: string, record: unknown): Omit<OracleEvent, 'sequence'> {
  const source = defs.sources[sourceName]
  if (!source) throw new Error(`no source ${sourceName}`)
  const raw = fromHost(record)
  if (!(raw instanceof Map)) throw new Failure('not an object')
  const rawType = rawPath(raw, source.event_type)
  if (typeof rawType !== 'string') throw new Failure('event type', source.event_type)
  const match = Object.entries(source.events).find(([name, event]) => (event.raw_type ?? name) === rawType)
  if (!match) throw new Failure('unknown event type', source.event_type)
  const [type, event] = match
  const timestamp = timeFrom(rawPath(raw, source.timestamp))
  if (!timestamp) throw new Failure('timestamp', source.timestamp)

  const data = new Map<string, V>()
  for (const [field, mapping] of Object.entries(event.mappings ?? {})) {
    try {
      let value: V = null
      if (mapping.from !== undefined) value = rawPath(raw, mapping.from)
      else if (mapping.compute !== undefined) {
        value = evaluate(mapping.compute, { event: (name) => raw.get(name) ?? null, now: timestamp })
      }
      if (mapping.type !== undefined) value = coerce(value, mapping.type)
      data.set(field, value ?? literal(mapping.default, mapping.type ?? null))
    } catch (error) {
      throw withField(error, field)
    }
  }
  const schema = defs.schemas?.[type]
  if (schema) checkSchema(data, schema.fields)

  const names = listOf(event.event_id) ?? listOf(source.event_id) ?? [...data.keys()]
  const pairs = names.map((name): [string, V] => {
    const value = data.has(name) ? (data.get(name) as V) : rawPath(raw, name)
    if (value === null && (event.event_id ?? source.event_id) !== undefined) throw new Failure('event_id field', name)
    return [name, value]
  })
  return {
    eventId: eventId(type, pairs),
    type,
    source: sourceName,
    timestamp,
    data,
    hints: hintsOf(defs, event.hints, data, timestamp),
  }
}

/** The hints that fields of `data` give, types without a value left out (03 §6). */
export function hintsOf(
  defs: Defs,
  wanted: Record<string, string | string[]>,
  data: Map<string, V>,
  timestamp: Time,
): HintMap {
  const hints: HintMap = {}
  for (const [entityType, fields] of Object.entries(wanted)) {
    for (const field of listOf(fields) ?? []) {
      const value = hintOf(defs.entities[entityType] as EntityDef, field, data.get(field) ?? null, timestamp)
      if (value !== null) hints[entityType] = { ...hints[entityType], [field]: value }
    }
  }
  return hints
}

function hintOf(entity: EntityDef, field: string, value: V, timestamp: Time): string | null {
  const identity = entity.identity[field] ?? {}
  if (typeof value === 'boolean') return null
  let hint = textOf(value)
  if (hint === null) return null
  if (identity.normalize !== undefined) {
    let result: V
    try {
      result = evaluate(identity.normalize, { value: hint, now: timestamp })
    } catch (error) {
      throw withField(error, field)
    }
    if (result === null) return null
    if (typeof result !== 'string' && typeof result !== 'bigint' && typeof result !== 'number') {
      throw new Failure('normalize', field)
    }
    hint = textOf(result) as string
  }
  if (identity.match === 'case_insensitive') hint = hint.toLowerCase()
  return hint === '' ? null : hint
}

function withField(error: unknown, field: string): unknown {
  return error instanceof Failure ? new Failure(error.message, field) : error
}

/** 03 §4. */
export function eventId(type: string, pairs: [string, V][]): string {
  const sorted = [...pairs].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const payload = `[${sorted.map(([name, value]) => `[${quote(name)},${tagged(value)}]`).join(',')}]`
  return `e_${createHash('sha256').update(`${type}|${payload}`).digest('hex')}`
}

function quote(text: string): string {
  // biome-ignore lint/complexity/useRegexLiterals: the range reads better as a text
  return `"${text.replace(new RegExp('["\\\\\\u0000-\\u001f]', 'g'), (c) => JSON.stringify(c).slice(1, -1))}"`
}

function tagged(value: V): string {
  if (value === null) return '"Null"'
  if (typeof value === 'boolean') return `{"Bool":${value}}`
  if (typeof value === 'bigint') return `{"Int":${value}}`
  if (typeof value === 'string') return `{"String":${quote(value)}}`
  if (typeof value === 'number') return `{"Float":${floatDigits(value)}}`
  if (value instanceof Time) return `{"DateTime":"${timeText(value).replace('+00:00', 'Z')}"}`
  if (value instanceof Span)
    return `{"Duration":{"secs":${value.us / 1_000_000n},"nanos":${(value.us % 1_000_000n) * 1000n}}}`
  if (Array.isArray(value)) return `{"Array":[${value.map(tagged).join(',')}]}`
  const keys = [...value.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{"Object":{${keys.map((key) => `${quote(key)}:${tagged(value.get(key) as V)}`).join(',')}}}`
}

function floatDigits(value: number): string {
  const size = Math.abs(value)
  if (value !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential()
  if (size < 1e-6) return '0.0'
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
