/**
 * Normalizing the raw record of a row again of which something was treated (spec 05 §5.2–5.3): treated fields keep what the
 * row has of them, and no treatment makes a record fail. Pure.
 */
import { CoercionFailure, coerce } from '../coerce.ts'
import type { Hints, NormalizedEvent, StoredKinds } from '../event.ts'
import type { EvalContext } from '../expression/context.ts'
import { parseJson, stringifyJson } from '../expression/json.ts'
import { Fault } from '../fault.ts'
import { hintOf } from '../hints.ts'
import { type Instant, instantFromText, instantFromValue } from '../instant.ts'
import { fieldValue, isMark, noteOf } from '../kinds.ts'
import type { CompiledEvent, CompiledMapping, CompiledSource, Program } from '../program/types.ts'
import { getOwn, readRaw, setOwn } from '../raw-path.ts'
import { schemaViolation } from '../schema-check.ts'
import type { Value } from '../value.ts'
import { rawInputs } from './flow.ts'
import type { RowNote } from './note.ts'

/** Columns of the row. */
export interface NotedRow {
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string
  readonly data: string
  readonly kinds: string | null
  readonly raw: string
}

/**
 * The event of a row with a note, under its own id. `advisory`: what the schema would have to say, where it only warns.
 * Throws a `Fault` for what no treatment has to do with.
 */
export function normalizeTreated(
  program: Program,
  source: CompiledSource,
  row: NotedRow,
  note: RowNote,
  wall: Instant,
): { readonly event: NormalizedEvent; readonly advisory: Fault | null } {
  return new TreatedRecord(program, source, row, note).normalize(wall)
}

class TreatedRecord {
  readonly #program: Program
  readonly #source: CompiledSource
  readonly #row: NotedRow
  readonly #note: RowNote
  readonly #raw: Readonly<Record<string, unknown>>
  readonly #stored: Readonly<Record<string, Value>>
  readonly #storedKinds: StoredKinds
  readonly #data: Record<string, Value> = {}
  readonly #json: Record<string, unknown> = {}
  readonly #kinds: Record<string, StoredKinds[string]> = {}
  /** Fields with something treated in them, or behind them. */
  readonly #touched = new Set<string>()

  constructor(program: Program, source: CompiledSource, row: NotedRow, note: RowNote) {
    this.#program = program
    this.#source = source
    this.#row = row
    this.#note = note
    const raw = parseJson(row.raw)
    this.#raw = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {}
    this.#stored = parseJson(row.data) as Record<string, Value>
    this.#storedKinds = row.kinds === null ? {} : (JSON.parse(row.kinds) as StoredKinds)
  }

  normalize(wall: Instant): { event: NormalizedEvent; advisory: Fault | null } {
    const event = this.#eventOf()
    const timestamp = this.#timestamp()
    const now = this.#program.wallClock ? wall : timestamp
    const context: EvalContext = { raw: this.#raw, event: null, entity: null, value: null, now }
    const inputs = inputsOf(this.#program, this.#source, event)
    for (const [index, mapping] of event.mappings.entries()) {
      const isTouched =
        this.#note.data.some((path) => overlaps(path, mapping.field)) ||
        (inputs[index] ?? []).some((path) => this.#isTreated(path))
      if (isTouched) this.#keep(mapping, context)
      else this.#map(mapping, context)
    }
    const violation = schemaViolation(
      (event.schema ?? []).filter(({ field }) => !this.#touched.has(field)),
      this.#data,
    )
    if (violation !== null && !event.schemaAdvisory) throw violation
    const hints = this.#hints(event, context)
    return {
      event: {
        eventId: this.#row.eventId,
        eventType: event.type,
        timestamp,
        source: this.#source.name,
        data: this.#data,
        hints,
        dataJson: stringifyJson(this.#json),
        kindsJson: Object.keys(this.#kinds).length === 0 ? null : JSON.stringify(this.#kinds),
        hintsJson: JSON.stringify(hints),
        rawJson: this.#row.raw,
      },
      advisory: violation,
    }
  }

  /** What the record says it is; where a treatment took that along, what the row says. */
  #eventOf(): CompiledEvent {
    const { eventType, name, byRawType, byType } = this.#source
    const rawType = readRaw(this.#raw, eventType)
    const named = typeof rawType === 'string' ? byRawType.get(rawType) : undefined
    const event = named ?? (this.#isTreated(eventType.whole) ? byType.get(this.#row.eventType) : undefined)
    if (event === undefined) throw new Fault(`unknown event type for source '${name}'`, eventType.whole)
    return event
  }

  #timestamp(): Instant {
    const { timestamp: path } = this.#source
    const found = instantFromValue(readRaw(this.#raw, path))
    const timestamp = found ?? (this.#isTreated(path.whole) ? instantFromText(this.#row.timestamp) : null)
    if (timestamp === null) throw new Fault(`'${path.whole}' is missing or no valid timestamp`, path.whole)
    return timestamp
  }

  #isTreated(path: string): boolean {
    return this.#note.raw.some((one) => overlaps(one, path))
  }

  /** A field that no treatment has to do with, as for any other record. */
  #map(mapping: CompiledMapping, context: EvalContext): void {
    this.#put(mapping, this.#found(mapping, context))
  }

  /** A field with something treated: what the row has of it; of one that the row does not have, what can be read. */
  #keep(mapping: CompiledMapping, context: EvalContext): void {
    const { field, type } = mapping
    this.#touched.add(field)
    const note = getOwn(this.#storedKinds, field)
    if (Object.hasOwn(this.#stored, field)) {
      const isTreatedHere = this.#note.data.some((path) => overlaps(path, field))
      const value = getOwn(this.#stored, field)
      const again = isTreatedHere || type === null ? null : coerce(value, type)
      if (again === null || again instanceof CoercionFailure) {
        setOwn<unknown>(this.#json, field, value)
        setOwn(this.#data, field, fieldValue(this.#stored, field, note))
        if (note !== null) setOwn(this.#kinds, field, note)
      } else {
        setOwn<unknown>(this.#json, field, again)
        setOwn(this.#data, field, again)
      }
      return
    }
    // Removed, and it stays so; others may be named by it all the same.
    if (this.#note.data.includes(field)) {
      if (note !== null && isMark(note)) setOwn(this.#kinds, field, note)
      return
    }
    let value: Value = null
    try {
      value = this.#found(mapping, context)
    } catch {
      // Nothing can be made of what the treatment left.
    }
    this.#put(mapping, value)
    setOwn(this.#kinds, field, [this.#tokens(field)])
  }

  #found(mapping: CompiledMapping, context: EvalContext): Value {
    const { path, compute, type, field } = mapping
    const found = path !== null ? (readRaw(this.#raw, path) as Value) : compute !== null ? compute(context) : null
    if (found === null) return mapping.default
    const value = type === null ? found : coerce(found, type)
    if (value instanceof CoercionFailure) throw new Fault(value.message, field)
    if (typeof value === 'number' && !Number.isFinite(value)) throw new Fault(`'${field}' is no finite number`, field)
    return value
  }

  #put({ field, type }: CompiledMapping, value: Value): void {
    setOwn(this.#data, field, value)
    setOwn<unknown>(this.#json, field, value)
    const note = type === null ? noteOf(value) : null
    if (note !== null) setOwn(this.#kinds, field, note)
  }

  #tokens(field: string): Record<string, string> {
    const tokens: Record<string, string> = {}
    for (const [entityType, fields] of Object.entries(this.#note.hints)) {
      const token = getOwn(fields, field)
      if (token !== null) setOwn(tokens, entityType, token)
    }
    return tokens
  }

  #hints({ hints: compiled }: CompiledEvent, context: EvalContext): Hints {
    const treated: Record<string, Record<string, string>> = {}
    for (const [field, note] of Object.entries(this.#kinds)) if (isMark(note)) setOwn(treated, field, { ...note[0] })
    const hints: Record<string, Record<string, string>> = {}
    for (const { entityType, fields } of compiled) {
      if (this.#note.removed.includes(entityType)) continue
      for (const { identity } of fields) {
        const hint = hintOf(identity, entityType, { data: this.#data, treated }, context)
        if (hint === null) continue
        if (!Object.hasOwn(hints, entityType)) setOwn(hints, entityType, {})
        setOwn(hints[entityType] as Record<string, string>, identity.field, hint)
      }
    }
    return hints
  }
}

/** Whether one path is the other, or leads to a part of it. Positions in lists do not tell them apart. */
function overlaps(a: string, b: string): boolean {
  if (a === b || a === '' || b === '') return true
  const [left, right] = [steps(a), steps(b)]
  const shared = Math.min(left.length, right.length)
  for (let i = 0; i < shared; i++) if (left[i] !== right[i]) return false
  return true
}

const steps = (path: string): string[] => path.split('.').filter((step) => !/^\d{1,9}$/.test(step))

const known = new WeakMap<CompiledEvent, readonly (readonly string[])[]>()

/** The raw paths that each mapping of an event reads. */
function inputsOf({ definitions }: Program, { name }: CompiledSource, event: CompiledEvent) {
  let inputs = known.get(event)
  if (inputs === undefined) {
    const definition = getOwn(definitions.sources, name)?.events[event.type]
    inputs = event.mappings.map(({ field }) => (definition === undefined ? [] : rawInputs(definition, field)))
    known.set(event, inputs)
  }
  return inputs
}
