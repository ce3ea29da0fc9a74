/** From raw records to normalized events (spec 03 §1–§7). A pure function of records and definitions. */
import { CoercionFailure, coerce } from './coerce.ts'
import type { Hints, LedgerEvent, NormalizedEvent, RawRecord, StoredEvent, StoredKinds, TreatedMark } from './event.ts'
import { eventIdOf, tagged } from './event-id.ts'
import type { EvalContext } from './expression/context.ts'
import { parseJson, stringifyJson } from './expression/json.ts'
import { Fault, faultOf } from './fault.ts'
import { canonicalHint, hintOf } from './hints.ts'
import { Instant, instantFromText, instantFromValue } from './instant.ts'
import { checkDepth, checkJson, isPlain } from './json-check.ts'
import { asFloat, isMark, type KindNote, noteOf, withNote } from './kinds.ts'
import type { RowNote } from './privacy/note.ts'
import type { CompiledEvent, CompiledMapping, CompiledSource, Program } from './program/types.ts'
import { getOwn, readRaw, setOwn } from './raw-path.ts'
import { schemaViolation } from './schema-check.ts'
import { Float, type Value } from './value.ts'

/** Why one record, or one field of it, did not normalize. Never contains values. */
export interface NormalizeFailure {
  /** Position in the records given. */
  readonly index: number
  readonly error: string
  /** Raw path, mapped field or identity field at fault. */
  readonly field: string | null
  /** Normalized event type and id, as far as they were known. */
  readonly eventType: string | null
  readonly eventId: string | null
  /** The event was ingested all the same (`schemaValidation: 'warn'`). */
  readonly advisory?: true
}

export interface NormalizedBatch {
  readonly events: NormalizedEvent[]
  /** For each event the index of its record. */
  readonly indexes: number[]
  readonly failures: NormalizeFailure[]
}

type RawObject = Readonly<Record<string, unknown>>

/** Normalizes records independently of each other, in order. `wall` is used only with `expressionClock: 'wall'`. */
export function normalizeBatch(
  program: Program,
  source: CompiledSource,
  records: readonly RawRecord[],
  wall: Instant,
): NormalizedBatch {
  const batch: NormalizedBatch = { events: [], indexes: [], failures: [] }
  const work = new Normalizer(source, program.wallClock ? wall : null)
  for (let index = 0; index < records.length; index++) {
    try {
      batch.events.push(work.normalize(records[index] as RawRecord))
      batch.indexes.push(index)
      if (work.advisory !== null) batch.failures.push(work.failure(index, work.advisory, true))
    } catch (error) {
      batch.failures.push(work.failure(index, faultOf(error, work.field), false))
    }
  }
  return batch
}

/** The steps of spec 03 §1; what is known so far of the record in hand is kept for its failure. */
class Normalizer {
  field: string | null = null
  advisory: Fault | null = null
  #eventType: string | null = null
  #eventId: string | null = null
  readonly #source: CompiledSource
  readonly #wall: Instant | null
  readonly #context: EvalContext
  /** Values and JSON texts of the mapped fields of the record in hand. */
  readonly #values: Value[] = []
  readonly #texts: string[] = []
  #kinds: Record<string, KindNote> | null = null

  constructor(source: CompiledSource, wall: Instant | null) {
    this.#source = source
    this.#wall = wall
    this.#context = { raw: null, event: null, entity: null, value: null, now: EPOCH }
  }

  failure(index: number, fault: Fault, advisory: boolean): NormalizeFailure {
    const failure: NormalizeFailure = {
      index,
      error: fault.message,
      field: fault.field,
      eventType: this.#eventType,
      eventId: this.#eventId,
    }
    return advisory ? { ...failure, advisory: true } : failure
  }

  normalize(record: RawRecord): NormalizedEvent {
    this.field = null
    this.advisory = null
    this.#eventType = null
    this.#eventId = null
    const source = this.#source

    let raw = objectOf(record)
    let rawJson: string
    if (record.text !== undefined) {
      rawJson = record.text
      checkDepth(raw, rawJson)
    } else if (checkJson(raw)) rawJson = JSON.stringify(raw)
    else {
      // What is kept must read back as what was used, so the values are taken from the text that is kept.
      rawJson = stringifyJson(raw)
      raw = parseJson(rawJson) as RawObject
    }

    const rawType = readRaw(raw, source.eventType)
    if (typeof rawType !== 'string') {
      throw new Fault(`'${source.eventType.whole}' must hold the event type as text`, source.eventType.whole)
    }
    const event = source.byRawType.get(rawType)
    if (event === undefined) {
      throw new Fault(`unknown event type for source '${source.name}'`, source.eventType.whole)
    }
    this.#eventType = event.type

    const timestamp = instantFromValue(readRaw(raw, source.timestamp))
    if (timestamp === null) {
      throw new Fault(`'${source.timestamp.whole}' is missing or no valid timestamp`, source.timestamp.whole)
    }
    this.#context.raw = raw
    this.#context.now = this.#wall ?? timestamp

    const data: Record<string, Value> = {}
    const dataJson = this.#map(event, raw, data)
    this.#checkSchema(event, data)
    const eventId = this.#identify(event, raw)
    this.#eventId = eventId
    const hints: Record<string, Record<string, string>> = {}
    const hintsJson = this.#hint(event, hints)
    return {
      eventId,
      eventType: event.type,
      timestamp,
      source: source.name,
      data,
      hints,
      dataJson,
      kindsJson: this.#kinds === null ? null : JSON.stringify(this.#kinds),
      hintsJson,
      rawJson,
    }
  }

  /** Step 5: fills `data` and the lists of values and texts, returns the JSON of `data`. */
  #map(event: CompiledEvent, raw: RawObject, data: Record<string, Value>): string {
    const { mappings } = event
    this.#kinds = null
    let json = ''
    for (let i = 0; i < mappings.length; i++) {
      const mapping = mappings[i] as CompiledMapping
      this.field = mapping.field
      let value = mapping.default
      const found =
        mapping.path !== null
          ? (readRaw(raw, mapping.path) as Value)
          : mapping.compute !== null
            ? mapping.compute(this.#context)
            : null
      if (found !== null) value = mapping.type === null ? found : coerced(found, mapping)
      const text = this.#textOf(value, mapping)
      this.#values[i] = value
      this.#texts[i] = text
      setOwn(data, mapping.field, value)
      json += (i === 0 ? '{' : ',') + mapping.jsonKey + text
    }
    this.field = null
    return mappings.length === 0 ? '{}' : `${json}}`
  }

  /** The JSON of one field, with its kind noted where text and declared type do not tell it. */
  #textOf(value: Value, mapping: CompiledMapping): string {
    switch (typeof value) {
      case 'string':
        return JSON.stringify(value)
      case 'boolean':
        return value ? 'true' : 'false'
      case 'number':
        if (Number.isSafeInteger(value)) return `${value}`
        // A text such as 1e999 reads as infinity.
        if (!Number.isFinite(value)) throw new Fault(`'${mapping.field}' is no finite number`, mapping.field)
        break
      case 'bigint':
        return `${value}`
      default:
        if (value === null) return 'null'
    }
    const note = mapping.type === null ? noteOf(value) : null
    if (note !== null) {
      this.#kinds ??= {}
      setOwn(this.#kinds, mapping.field, note)
    }
    if (typeof value === 'number') return `${value}`
    if (value instanceof Float) return `${value.value}`
    return value instanceof Instant ? `"${value}"` : stringifyJson(value)
  }

  /** Step 6. */
  #checkSchema(event: CompiledEvent, data: Readonly<Record<string, Value>>): void {
    if (event.schema === null) return
    const violation = schemaViolation(event.schema, data)
    if (violation === null) return
    if (!event.schemaAdvisory) throw violation
    this.advisory = violation
  }

  /** Step 7. */
  #identify(event: CompiledEvent, raw: RawObject): string {
    const { parts, listed, head } = event.identifier
    let payload = `${head}[`
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as (typeof parts)[number]
      const value = part.path === null ? (this.#values[part.mapping] as Value) : (readRaw(raw, part.path) as Value)
      if (value === null && listed) throw new Fault(`event_id field '${part.name}' is missing`, part.name)
      if (i > 0) payload += ','
      payload += part.jsonHead
      if (typeof value === 'string' && part.mapping >= 0) payload += `{"String":${this.#texts[part.mapping]}}]`
      else payload += `${tagged(value)}]`
    }
    return eventIdOf(`${payload}]`)
  }

  /** Step 8: fills `hints`, returns their JSON. */
  #hint(event: CompiledEvent, hints: Record<string, Record<string, string>>): string {
    let json = ''
    for (const { entityType, jsonKey, fields } of event.hints) {
      let own: Record<string, string> | null = null
      let text = ''
      for (const field of fields) {
        const hint = canonicalHint(field.identity, this.#values[field.mapping] as Value, this.#context)
        if (hint === null) continue
        own ??= {}
        setOwn(own, field.identity.field, hint)
        text += (text === '' ? '{' : ',') + field.jsonKey + JSON.stringify(hint)
      }
      if (own === null) continue
      setOwn(hints, entityType, own)
      json += `${json === '' ? '{' : ','}${jsonKey}${text}}`
    }
    return json === '' ? '{}' : `${json}}`
  }
}

/** Before the first record; no expression sees it. */
const EPOCH = new Instant(0)

/** Step 1. */
function objectOf({ value, problem }: RawRecord): RawObject {
  if (problem !== undefined) throw new Fault(problem, null)
  if (typeof value !== 'object' || value === null || !isPlain(value)) {
    throw new Fault('record must be an object', null)
  }
  return value as RawObject
}

function coerced(value: Value, mapping: CompiledMapping): Value {
  const result = coerce(value, mapping.type as NonNullable<CompiledMapping['type']>)
  if (result instanceof CoercionFailure) throw new Fault(result.message, mapping.field)
  return result
}

/** The event of a ledger row with the values it had when it was normalized (spec 03 §7). */
export function decodeEvent(program: Program, row: StoredEvent): LedgerEvent {
  const data = parseJson(row.data) as Record<string, Value>
  const event = program.sources.get(row.source)?.byType.get(row.eventType)
  if (event !== undefined) {
    for (const { field, type } of event.typed) {
      const value = getOwn(data, field)
      if (type === 'number') setOwn(data, field, asFloat(value))
      else if (typeof value === 'string') setOwn(data, field, instantFromText(value) ?? value)
    }
  }
  const treated = row.kinds === null ? null : applyKinds(data, JSON.parse(row.kinds) as StoredKinds)
  const { sequence, eventId, eventType, source } = row
  const timestamp = instantFromText(row.timestamp)
  if (timestamp === null) throw new Error(`ledger row ${sequence} has no valid timestamp`)
  const decoded = { sequence, eventId, eventType, timestamp, source, data }
  return treated === null ? decoded : { ...decoded, treated }
}

/** Gives fields the kinds that are noted of them, and returns what is noted of treated ones. */
function applyKinds(data: Record<string, Value>, kinds: StoredKinds): Record<string, TreatedMark[0]> | null {
  let treated: Record<string, TreatedMark[0]> | null = null
  for (const field of Object.keys(kinds)) {
    const note = kinds[field] as StoredKinds[string]
    if (isMark(note)) {
      treated ??= {}
      setOwn(treated, field, note[0])
    } else setOwn(data, field, withNote(getOwn(data, field), note))
  }
  return treated
}

/**
 * Hints of a stored event under the program's identity blocks, for identity resets (spec 03 §6). `note`: of its row, which
 * says of which entity types it tells nothing any more (spec 05 §5.3).
 */
export function rehint(
  program: Program,
  event: LedgerEvent,
  wall?: Instant,
  note: Pick<RowNote, 'removed'> | null = null,
): { hints: Hints; hintsJson: string } | { error: string; field: string } {
  const hints: Record<string, Record<string, string>> = {}
  const compiled = program.sources.get(event.source)?.byType.get(event.eventType)
  if (compiled === undefined) return { hints, hintsJson: '{}' }
  const now = program.wallClock && wall !== undefined ? wall : event.timestamp
  const context: EvalContext = { raw: null, event: null, entity: null, value: null, now }
  try {
    for (const { entityType, fields } of compiled.hints) {
      if (note?.removed.includes(entityType)) continue
      let own: Record<string, string> | null = null
      for (const { identity } of fields) {
        const hint = hintOf(identity, entityType, event, context)
        if (hint === null) continue
        own ??= {}
        setOwn(own, identity.field, hint)
      }
      if (own !== null) setOwn(hints, entityType, own)
    }
  } catch (error) {
    const fault = faultOf(error, null)
    return { error: fault.message, field: fault.field ?? '' }
  }
  return { hints, hintsJson: JSON.stringify(hints) }
}
