/**
 * What a redaction makes of the state of an entity: values give way where they lie, so that states, instants and all else of
 * its history stay (spec 05 §5). Values that a replay would compute from treated ones are computed again. Pure.
 */
import { conform, isRedacted, Violation } from '../coerce.ts'
import { blocksOf } from '../definition/visit.ts'
import type { EntityView } from '../expression/context.ts'
import { equal } from '../expression/equality.ts'
import type { PropertyRow } from '../history.ts'
import type { Instant } from '../instant.ts'
import { pathsRead } from '../lineage.ts'
import type { CompiledEntity, Program } from '../program/types.ts'
import { getOwn, setOwn } from '../raw-path.ts'
import type { Value } from '../value.ts'
import type { Digests } from './digest.ts'
import { inputsOf } from './flow.ts'
import { treated } from './paths.ts'
import type { PrivacyPlan, Treatment } from './plan.ts'

type Properties = Readonly<Record<string, Value>>

/** Event fields a plan treats, by event type. */
export type TreatedFields = (eventType: string) => ReadonlyMap<string, Treatment>

/** The fields of an event type that plans treat, whatever source it is from. */
export function treatedFields(program: Program, plans: readonly PrivacyPlan[]): TreatedFields {
  const found = new Map<string, Map<string, Treatment>>()
  for (const [source, { events }] of Object.entries(program.definitions.sources)) {
    for (const eventType of Object.keys(events)) {
      const fields = found.get(eventType) ?? new Map<string, Treatment>()
      found.set(eventType, fields)
      for (const plan of plans)
        for (const [path, how] of plan.of(source, eventType)?.fields ?? []) fields.set(path, how)
    }
  }
  return (eventType) => found.get(eventType) ?? NONE
}

const NONE: ReadonlyMap<string, Treatment> = new Map()

/** What of an entity type holds values of treated fields. */
export class StateTreatment {
  readonly #entity: CompiledEntity
  readonly #digests: Digests
  /** Stored texts may be treated already. */
  readonly #again: boolean
  readonly #properties = new Map<string, Treatment>()
  readonly #computed = new Set<string>()
  readonly #edges = new Map<string, Map<string, Treatment>>()

  /** `own`: the type is the subject's, so that its sensitive properties are treated, whatever they come from. */
  constructor(
    entity: CompiledEntity,
    fields: TreatedFields,
    digests: Digests,
    options: { readonly own: boolean; readonly again: boolean },
  ) {
    this.#entity = entity
    this.#digests = digests
    this.#again = options.again
    const { definition, type } = entity
    const inputs = inputsOf(type, definition)
    for (const [name, property] of Object.entries(definition.properties ?? {})) {
      if (options.own && property.sensitive !== undefined) this.#properties.set(name, property.treatment ?? 'redact')
      else {
        const how = strongest(flows(inputs.into(name), fields))
        if (how === null) continue
        if (property.compute === undefined) this.#properties.set(name, how)
        else this.#computed.add(name)
      }
    }
    // A value that was computed from a sensitive property that no event feeds.
    for (const { name } of entity.computed) {
      if (this.#properties.has(name)) continue
      const read = pathsRead(definition.properties?.[name]?.compute ?? '', 'entity').map(
        (path) => path.split('.')[0] ?? '',
      )
      if (read.some((one) => this.#properties.has(one) || this.#computed.has(one))) this.#computed.add(name)
    }
    this.#fillEdges(fields)
  }

  /** Nothing of the type holds such values. */
  get isEmpty(): boolean {
    return this.#properties.size === 0 && this.#computed.size === 0 && this.#edges.size === 0
  }

  /** The values as they may stay; null: they stay as they are. */
  row(row: PropertyRow, properties: Properties): Properties | null {
    if (row.kind === 'relationship') {
      const columns = this.#edges.get(row.type)
      return columns === undefined ? null : this.#replaced(properties, columns)
    }
    return this.state({ ...row, properties }, row.validFrom)
  }

  /** The same for the working state, whose computed properties are those of `now`. */
  state(view: EntityView, now: Instant): Properties | null {
    const replaced = this.#replaced(view.properties, this.#properties)
    if (this.#computed.size === 0) return replaced
    const next: Record<string, Value> = { ...(replaced ?? view.properties) }
    const entity = { ...view, properties: next }
    for (const { name, rule, compute } of this.#entity.computed) {
      if (!this.#computed.has(name) || compute === null) continue
      let value: Value | Violation = null
      try {
        value = conform(compute({ raw: null, event: null, entity, value: null, now }), rule)
      } catch {
        // Nothing can be said of what was made unreadable.
      }
      setOwn(next, name, value instanceof Violation ? null : value)
    }
    const isSame =
      replaced === null && [...this.#computed].every((name) => equal(next[name] ?? null, view.properties[name] ?? null))
    return isSame ? null : next
  }

  #replaced(properties: Properties, treatments: ReadonlyMap<string, Treatment>): Properties | null {
    let next: Record<string, Value> | null = null
    for (const [name, how] of treatments) {
      const value = getOwn(properties, name)
      if (value === null || (this.#again && typeof value === 'string' && isRedacted(value))) continue
      next ??= { ...properties }
      setOwn(next, name, treated(value, how, this.#digests) ?? null)
    }
    return next
  }

  #fillEdges(fields: TreatedFields): void {
    for (const { event, effects } of blocksOf(this.#entity.type, this.#entity.definition)) {
      for (const effect of effects) {
        if (effect.kind !== 'relate') continue
        for (const [name, { from, compute }] of Object.entries(effect.body.properties ?? {})) {
          const text = compute ?? from ?? ''
          const events = new Map(event === null ? [] : [[event, new Set(pathsRead(text, 'event'))]])
          const ofEntity = pathsRead(text, 'entity').map((path) => path.split('.')[0] ?? '')
          const found = flows(events, fields)
          for (const one of ofEntity) {
            const how = this.#properties.get(one) ?? (this.#computed.has(one) ? 'redact' : null)
            if (how !== null) found.push(how)
          }
          const how = strongest(found)
          if (how === null) continue
          const columns = this.#edges.get(effect.body.type) ?? new Map<string, Treatment>()
          this.#edges.set(effect.body.type, columns.set(name, how))
        }
      }
    }
  }
}

const STRENGTH: readonly Treatment[] = ['mask', 'hash', 'redact', 'remove']

function strongest(found: readonly Treatment[]): Treatment | null {
  let most: Treatment | null = null
  for (const how of found) if (most === null || STRENGTH.indexOf(how) > STRENGTH.indexOf(most)) most = how
  return most
}

/** Treatments of the fields among these that are treated, as a whole or in a part of them. */
function flows(inputs: ReadonlyMap<string, ReadonlySet<string>>, fields: TreatedFields): Treatment[] {
  const found: Treatment[] = []
  for (const [eventType, paths] of inputs) {
    for (const [field, how] of fields(eventType)) {
      for (const path of paths) {
        if (path === '' || path === field || path.startsWith(`${field}.`) || field.startsWith(`${path}.`))
          found.push(how)
      }
    }
  }
  return found
}
