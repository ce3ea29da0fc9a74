/**
 * Treating what is stored of an event (spec 05 §5.2–5.3): values of planned paths give way to what the treatment leaves of
 * them, hints to tokens, and the row's note says so, so that repeating changes nothing. Pure.
 */
import type { Hints, NormalizedEvent, StoredKinds } from '../event.ts'
import type { EvalContext } from '../expression/context.ts'
import { parseJson, stringifyJson } from '../expression/json.ts'
import { Fault } from '../fault.ts'
import { canonicalHint } from '../hints.ts'
import { Instant, instantFromText } from '../instant.ts'
import { fieldValue, isMark } from '../kinds.ts'
import { getOwn, setOwn } from '../raw-path.ts'
import type { Value } from '../value.ts'
import type { Digests } from './digest.ts'
import { NoteDraft, readNote } from './note.ts'
import { PathTreatment } from './paths.ts'
import type { EventPlan, PrivacyPlan } from './plan.ts'

export { type RowNote, readNote } from './note.ts'
export { treated } from './paths.ts'

/** Columns of a ledger row that treatments look at. */
export interface TreatableRow {
  readonly sequence: number
  readonly source: string
  readonly eventType: string
  readonly timestamp: string
  readonly data: string
  readonly raw: string
  readonly hints: string
  readonly kinds: string | null
  readonly redaction: string | null
}
/** Those that a treatment writes. */
export type TreatedColumns = Pick<TreatableRow, 'sequence' | 'data' | 'raw' | 'hints' | 'kinds'> & {
  readonly redaction: string
}
/** A hint that gave way to a token, of whatever entity type: its row in the identity table has to follow. */
export interface HintToken {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
  readonly token: string
}
export interface RowChange {
  readonly row: TreatedColumns
  /** Fields of `data` and paths of the raw record that were changed. */
  readonly fields: number
  readonly tokens: readonly HintToken[]
}

/**
 * The row as it may stay; null: nothing of it changes. `known`: for plans of relations the tokens of whom it is about, so
 * that targets of the same type who are somebody else keep their names.
 */
export function treatRow(
  row: TreatableRow,
  plan: PrivacyPlan,
  digests: Digests,
  options: { readonly known?: ReadonlySet<string> } = {},
): RowChange | null {
  const event = plan.of(row.source, row.eventType)
  return event === null ? null : new RowTreatment(row, plan, event, digests, options.known ?? null).result()
}

/** An event on its way into the ledger as it may be stored; itself if nothing of it changes. */
export function treatEvent(
  event: NormalizedEvent,
  plan: PrivacyPlan,
  digests: Digests,
  options: { readonly known?: ReadonlySet<string> } = {},
): NormalizedEvent {
  const { source, eventType, dataJson, kindsJson, rawJson, hintsJson, redactionJson = null } = event
  const change = treatRow(
    {
      sequence: 0,
      source,
      eventType,
      timestamp: event.timestamp.toString(),
      data: dataJson,
      raw: rawJson,
      hints: hintsJson,
      kinds: kindsJson,
      redaction: redactionJson,
    },
    plan,
    digests,
    options,
  )
  if (change === null) return event
  const { data, raw, hints, kinds, redaction } = change.row
  const stored = parseJson(data) as Record<string, Value>
  const before = parseJson(dataJson) as Record<string, Value>
  const notes = kinds === null ? {} : (JSON.parse(kinds) as StoredKinds)
  const values: Record<string, Value> = {}
  for (const field of Object.keys(stored)) {
    // What was not touched keeps the value it has, with its kind.
    const isSame = stringifyJson(stored[field]) === stringifyJson(before[field])
    setOwn(values, field, isSame ? getOwn(event.data, field) : fieldValue(stored, field, getOwn(notes, field)))
  }
  return {
    ...event,
    data: values,
    hints: JSON.parse(hints) as Hints,
    dataJson: data,
    kindsJson: kinds,
    hintsJson: hints,
    rawJson: raw,
    redactionJson: redaction,
  }
}

/** One row and one plan. */
class RowTreatment {
  readonly #row: TreatableRow
  readonly #plan: PrivacyPlan
  readonly #event: EventPlan
  readonly #digests: Digests
  readonly #note: NoteDraft
  readonly #data: Record<string, Value>
  readonly #kinds: Record<string, StoredKinds[string]>
  readonly #hints: Record<string, Record<string, string>>
  readonly #tokens: HintToken[] = []
  readonly #context: EvalContext
  readonly #known: ReadonlySet<string> | null

  constructor(
    row: TreatableRow,
    plan: PrivacyPlan,
    event: EventPlan,
    digests: Digests,
    known: ReadonlySet<string> | null,
  ) {
    this.#row = row
    this.#plan = plan
    this.#event = event
    this.#digests = digests
    this.#known = known
    this.#note = new NoteDraft(readNote(row.redaction))
    this.#data = parseJson(row.data) as Record<string, Value>
    this.#kinds = row.kinds === null ? {} : (JSON.parse(row.kinds) as Record<string, StoredKinds[string]>)
    this.#hints = JSON.parse(row.hints) as Record<string, Record<string, string>>
    const now = instantFromText(row.timestamp) ?? new Instant(0)
    this.#context = { raw: null, event: null, entity: null, value: null, now }
  }

  result(): RowChange | null {
    const named = this.#named()
    const isOurs = (field: string): boolean => named === null || named.has(field)
    const notedBefore = this.#note.text()
    const fields = this.#treatData(isOurs)
    const raw = this.#treatRaw(isOurs)
    if (this.#plan.kind === 'erase') this.#forget(this.#plan.entityType)
    const redaction = this.#note.text()
    if (fields + raw.paths === 0 && redaction === notedBefore) return null
    const row = {
      sequence: this.#row.sequence,
      data: fields === 0 ? this.#row.data : stringifyJson(this.#data),
      raw: raw.text,
      hints: stringifyJson(this.#hints),
      kinds: Object.keys(this.#kinds).length === 0 ? null : JSON.stringify(this.#kinds),
      redaction,
    }
    return { row, fields: fields + raw.paths, tokens: this.#tokens }
  }

  /** For a plan of relations: the fields that name somebody it is about; null: all fields are meant. */
  #named(): ReadonlySet<string> | null {
    if (this.#plan.kind !== 'relate' || this.#known === null) return null
    const known = this.#known
    const named = new Set<string>()
    for (const group of this.#event.relates) {
      const isNamed = group.some((field) => {
        const token = this.#tokenOf(this.#plan.entityType, field)
        return token !== null && known.has(token)
      })
      if (isNamed) for (const field of group) named.add(field)
    }
    return named
  }

  #treatData(isOurs: (field: string) => boolean): number {
    let changed = 0
    for (const [path, treatment] of this.#event.fields) {
      if (!isOurs(path) || (treatment !== 'remove' && this.#note.data.has(path))) continue
      const isInstant = this.#event.instants.has(path)
      const tokens = Object.hasOwn(this.#data, path) ? this.#identified(path) : []
      const work = new PathTreatment(treatment, this.#digests, isInstant)
      if (!work.data(this.#data, this.#kinds, path)) continue
      changed += 1
      this.#note.data.add(path)
      this.#tokenize(path, tokens, treatment === 'remove')
    }
    return changed
  }

  /** What a field's value identifies, whoever it is: hints of the event, and targets of its relations. */
  #identified(field: string): readonly HintToken[] {
    const found: HintToken[] = []
    for (const entityType of new Set([...Object.keys(this.#hints), ...(this.#event.names.get(field) ?? [])])) {
      if (getOwn(getOwn(this.#note.hints, entityType) ?? {}, field) !== null) continue
      const own = getOwn(getOwn(this.#hints, entityType) ?? {}, field)
      const isTarget = this.#event.names.get(field)?.has(entityType) === true
      const value = own ?? (isTarget ? this.#canonical(entityType, field) : null)
      if (value !== null) found.push({ entityType, hintType: field, value, token: this.#digests.token(value) })
    }
    return found
  }

  /** Puts tokens in the place of hints, and where interpretation finds who a treated field names. */
  #tokenize(field: string, found: readonly HintToken[], isRemoved: boolean): void {
    const { entityType: subject } = this.#plan
    if (isRemoved) this.#drop(subject, field)
    for (const hint of found) {
      const { entityType, token } = hint
      const hints = getOwn(this.#hints, entityType)
      const isOwn = hints !== null && Object.hasOwn(hints, field)
      if (isRemoved && entityType === subject && !isOwn) continue
      if (this.#plan.kind === 'erase' && entityType === subject) continue
      this.#note.hints[entityType] ??= {}
      setOwn(this.#note.hints[entityType] as Record<string, string>, field, token)
      if (isOwn) setOwn(hints, field, token)
      this.#tokens.push(hint)
    }
    this.#mark(field)
  }

  /** Tokens of a type that a field's removal takes along. */
  #drop(entityType: string, field: string): void {
    const tokens = getOwn(this.#note.hints, entityType)
    const hints = getOwn(this.#hints, entityType)
    if (tokens !== null && (hints === null || !Object.hasOwn(hints, field))) delete tokens[field]
  }

  /** Leaves the mark of a treated field, by which readers know that its text tells nothing. */
  #mark(field: string): void {
    const tokens: Record<string, string> = {}
    for (const [entityType, fields] of Object.entries(this.#note.hints)) {
      const token = getOwn(fields, field)
      if (token !== null) setOwn(tokens, entityType, token)
    }
    const isNeeded = Object.hasOwn(this.#data, field) || Object.keys(tokens).length > 0
    if (isNeeded) setOwn(this.#kinds, field, [tokens])
    else delete this.#kinds[field]
  }

  /** The event says nothing about the type any more. */
  #forget(entityType: string): void {
    const tokens = getOwn(this.#note.hints, entityType)
    if (getOwn(this.#hints, entityType) === null && tokens === null) return
    delete this.#hints[entityType]
    delete this.#note.hints[entityType]
    this.#note.removed.add(entityType)
    for (const [field, note] of Object.entries(this.#kinds)) if (isMark(note)) this.#mark(field)
  }

  #treatRaw(isOurs: (field: string) => boolean): { text: string; paths: number } {
    const { raw } = this.#row
    const todo = this.#event.raw.filter(
      ({ path, treatment, fields }) => fields.some(isOurs) && (treatment === 'remove' || !this.#note.raw.has(path)),
    )
    if (todo.length === 0) return { text: raw, paths: 0 }
    const record = parseJson(raw)
    if (typeof record !== 'object' || record === null) return { text: raw, paths: 0 }
    let paths = 0
    for (const { path, treatment } of todo) {
      const work = new PathTreatment(treatment, this.#digests, false)
      const isChanged = path === '' ? work.all(record) : work.raw(record as Record<string, unknown>, path)
      if (!isChanged) continue
      paths += 1
      this.#note.raw.add(path)
    }
    return { text: paths === 0 ? raw : stringifyJson(record), paths }
  }

  /** Token of what a field says about a type: the one it has, or that of its value. */
  #tokenOf(entityType: string, field: string): string | null {
    const mark = getOwn(this.#kinds, field)
    if (mark !== null && isMark(mark)) return getOwn(mark[0], entityType)
    const value = this.#canonical(entityType, field)
    return value === null ? null : this.#digests.token(value)
  }

  #canonical(entityType: string, field: string): string | null {
    const identity = this.#plan.identities.get(entityType)?.get(field)
    if (identity === undefined) return null
    try {
      const value = fieldValue(this.#data, field, getOwn(this.#kinds, field))
      return canonicalHint(identity, value, this.#context)
    } catch (error) {
      if (error instanceof Fault) return null
      throw error
    }
  }
}
