/**
 * What of an event is treated when an entity is redacted or erased, derived from the definitions (spec 05 §4.2 no. 4, §5.1):
 * fields of its data, paths of its raw record, hints. Pure.
 */
import type { DefinitionsObject, EntityDef, SourceDef, SourceEventDef } from '../definition/model.ts'
import { compileIdentities } from '../program/entity.ts'
import type { CompiledIdentity } from '../program/types.ts'
import { getOwn } from '../raw-path.ts'
import { inputsOf, rawInputs, relatedFields } from './flow.ts'

/** What becomes of a value; `remove`: its key goes with it. */
export type Treatment = 'redact' | 'hash' | 'mask' | 'remove'

/** One event type of one source, in all versions. Paths are joined with dots. */
export interface EventPlan {
  /** Paths into `data`. */
  readonly fields: ReadonlyMap<string, Treatment>
  /** Paths into the raw record with the planned fields made from them; empty path: all of it. */
  readonly raw: readonly { readonly path: string; readonly treatment: Treatment; readonly fields: readonly string[] }[]
  /** Fields of `data` that are hints of the type and among `fields`. */
  readonly hints: ReadonlySet<string>
  /** Of a plan of relations: fields that name one target together. */
  readonly relates: readonly (readonly string[])[]
  /** Entity types that a planned field names as targets of relations. */
  readonly names: ReadonlyMap<string, ReadonlySet<string>>
  /** Fields of `data` that hold instants by their mapping's type, which their JSON does not show. */
  readonly instants: ReadonlySet<string>
}

export interface PrivacyPlan {
  readonly entityType: string
  /** `relate`: events of others that name an entity of the type as target; told apart by who is named. */
  readonly kind: 'redact' | 'erase' | 'relate'
  /** How hints get their canonical form, by entity type and field. */
  readonly identities: ReadonlyMap<string, ReadonlyMap<string, CompiledIdentity>>
  /** Null: nothing of the type flows through such an event. */
  of(source: string, eventType: string): EventPlan | null
}

/** What a redaction of an entity treats in its events. The first definitions decide where treatments differ. */
export function redactionPlan(definitions: readonly DefinitionsObject[], entityType: string): PrivacyPlan {
  return planOf('redact', definitions, entityType, (plan) => plan.sensitive())
}

/** What an erasure removes from an event that stays for other entities. */
export function erasurePlan(definitions: readonly DefinitionsObject[], entityType: string): PrivacyPlan {
  return planOf('erase', definitions, entityType, (plan) => {
    plan.sensitive(() => 'remove')
    plan.ownHints('remove')
  })
}

/**
 * What names a target of the type in events of other entities, or of others of the type, by `relate` effects with hints
 * of their own. `redact`: only fields that a redaction of the target treats, by its treatments.
 */
export function relatePlan(
  definitions: readonly DefinitionsObject[],
  targetType: string,
  kind: 'erase' | 'redact' = 'erase',
): PrivacyPlan {
  const treatments = kind === 'redact' ? identityTreatments(definitions, targetType) : null
  return planOf('relate', definitions, targetType, (plan) =>
    plan.relations((field) => (treatments === null ? 'remove' : (treatments.get(field) ?? null))),
  )
}

/** Whether a redaction of an entity of the type has anything to treat. */
export function hasSensitive(definitions: readonly DefinitionsObject[], entityType: string): boolean {
  return definitions.some(({ entities }) =>
    Object.values(getOwn(entities, entityType)?.properties ?? {}).some(({ sensitive }) => sensitive !== undefined),
  )
}

/** Identity fields of the type that its redaction treats in some event, or by their names. */
export function identityTreatments(
  definitions: readonly DefinitionsObject[],
  entityType: string,
): ReadonlyMap<string, Treatment> {
  const found = new Map<string, Treatment>()
  const plan = redactionPlan(definitions, entityType)
  for (const { entities, sources } of definitions) {
    const entity = getOwn(entities, entityType)
    if (entity === null) continue
    for (const field of Object.keys(entity.identity)) {
      const property = getOwn(entity.properties ?? {}, field)
      if (property?.sensitive !== undefined && !found.has(field)) found.set(field, property.treatment ?? 'redact')
      for (const [source, { events }] of Object.entries(sources)) {
        for (const eventType of Object.keys(events)) {
          const treatment = plan.of(source, eventType)?.fields.get(field)
          if (treatment !== undefined && !found.has(field)) found.set(field, treatment)
        }
      }
    }
  }
  return found
}

function planOf(
  kind: PrivacyPlan['kind'],
  definitions: readonly DefinitionsObject[],
  entityType: string,
  fill: (plan: SetPlan) => void,
): PrivacyPlan {
  const drafts = new Drafts()
  const identities = new Map<string, Map<string, CompiledIdentity>>()
  for (const set of definitions) {
    for (const [type, entity] of Object.entries(set.entities)) {
      const own = identities.get(type) ?? new Map<string, CompiledIdentity>()
      identities.set(type, own)
      for (const [field, identity] of compileIdentities(entity)) if (!own.has(field)) own.set(field, identity)
    }
    const entity = getOwn(set.entities, entityType)
    const plan = new SetPlan(set, entityType, entity, drafts)
    fill(plan)
    plan.copies()
  }
  const plans = drafts.plans()
  return { entityType, kind, identities, of: (source, eventType) => plans.get(keyOf(source, eventType)) ?? null }
}

const keyOf = (source: string, eventType: string): string => `${source}\u0000${eventType}`

/** What hides more wins where one field flows into several properties of one definition set. */
const STRENGTH: Readonly<Record<Treatment, number>> = { mask: 0, hash: 1, redact: 2, remove: 3 }

/** One definition set on its way into the plan. */
class SetPlan {
  readonly #definitions: DefinitionsObject
  readonly #type: string
  readonly #entity: EntityDef | null
  readonly #drafts: Drafts
  readonly #related = new Map<string, ReturnType<typeof relatedFields>>()

  constructor(definitions: DefinitionsObject, type: string, entity: EntityDef | null, drafts: Drafts) {
    this.#definitions = definitions
    this.#type = type
    this.#entity = entity
    this.#drafts = drafts
  }

  /** What flows into sensitive properties. */
  sensitive(treatmentOf: (own: Treatment) => Treatment = (own) => own): void {
    const entity = this.#entity
    if (entity === null) return
    const inputs = inputsOf(this.#type, entity)
    for (const at of this.#events()) {
      const { eventType, event } = at
      const isHandled = inputs.handled.has(eventType)
      if (!isHandled && !Object.hasOwn(event.hints, this.#type)) continue
      const found = new Map<string, Treatment>()
      for (const [name, { sensitive, treatment = 'redact' }] of Object.entries(entity.properties ?? {})) {
        if (sensitive === undefined) continue
        const paths = [
          ...(inputs.into(name).get(eventType) ?? []),
          ...(Object.hasOwn(event.mappings, name) ? [name] : []),
        ]
        // An expression over the whole event may read any field.
        for (const path of paths.includes('') ? Object.keys(event.mappings) : paths) {
          const before = found.get(path)
          if (before === undefined || STRENGTH[before] < STRENGTH[treatment]) found.set(path, treatment)
        }
      }
      for (const [path, treatment] of found) this.#add(path, treatmentOf(treatment), at)
    }
  }

  /** The hint fields of the type. */
  ownHints(treatment: Treatment): void {
    for (const at of this.#events()) {
      for (const field of getOwn(at.event.hints, this.#type) ?? []) this.#add(field, treatment, at)
    }
  }

  /** Fields of `relate` effects that name targets of the type. */
  relations(treatmentOf: (field: string) => Treatment | null): void {
    const related = relatedFields(this.#definitions, this.#type)
    for (const at of this.#events()) {
      for (const group of related.get(at.eventType) ?? []) {
        const treated = group.filter((field) => treatmentOf(field) !== null)
        if (treated.length === 0) continue
        this.#drafts.of(at.source, at.eventType).relates.set(group.join('\u0000'), group)
        for (const field of treated) this.#add(field, treatmentOf(field) as Treatment, at)
      }
    }
  }

  /** Further fields that hold a treated value of the raw record as it is. What is computed from one is somebody's decision. */
  copies(): void {
    for (const { source, eventType, event } of this.#events()) {
      const draft = this.#drafts.of(source, eventType)
      for (const [field, { from, compute, type }] of Object.entries(event.mappings)) {
        if (from === undefined || compute !== undefined) continue
        for (const [raw, { treatment, fields }] of [...draft.raw]) {
          const path = raw.startsWith(`${from}.`) ? field + raw.slice(from.length) : field
          const holds = raw === from || path !== field || (raw !== '' && from.startsWith(`${raw}.`))
          if (!holds || draft.fields.has(path) || draft.fields.has(field)) continue
          draft.fields.set(path, treatment)
          if (type === 'datetime') draft.instants.add(path)
          for (const [key, group] of draft.relates) {
            if (group.some((one) => fields.has(one))) draft.relates.set(key, [...group, path])
          }
          fields.add(path)
          if ((getOwn(event.hints, this.#type) ?? []).includes(path)) draft.hints.add(path)
          for (const target of this.#targets(eventType, path)) {
            draft.names.set(path, (draft.names.get(path) ?? new Set()).add(target))
          }
        }
      }
    }
  }

  #add(path: string, treatment: Treatment, { source, definition, eventType, event }: SourceEvent): void {
    const draft = this.#drafts.of(source, eventType)
    // The definitions that came first have decided.
    if (!draft.fields.has(path)) draft.fields.set(path, treatment)
    const decided = draft.fields.get(path) as Treatment
    for (const raw of rawInputs(event, path)) {
      // The column of the row tells the same, and without them the record could not be read any more.
      if (raw === definition.event_type || raw === definition.timestamp) continue
      const before = draft.raw.get(raw)
      if (before === undefined) draft.raw.set(raw, { treatment: decided, fields: new Set([path]) })
      else {
        before.fields.add(path)
        if (STRENGTH[before.treatment] < STRENGTH[decided]) before.treatment = decided
      }
    }
    for (const target of this.#targets(eventType, path)) {
      const targets = draft.names.get(path) ?? new Set()
      draft.names.set(path, targets.add(target))
    }
    if ((getOwn(event.hints, this.#type) ?? []).includes(path)) draft.hints.add(path)
    if (getOwn(event.mappings, path)?.type === 'datetime') draft.instants.add(path)
  }

  /** Entity types that the field names in `relate` effects of this event. */
  #targets(eventType: string, field: string): string[] {
    return Object.keys(this.#definitions.entities).filter((target) => {
      let related = this.#related.get(target)
      if (related === undefined) {
        related = relatedFields(this.#definitions, target)
        this.#related.set(target, related)
      }
      return related.get(eventType)?.some((group) => group.includes(field))
    })
  }

  *#events(): Generator<SourceEvent> {
    for (const [source, definition] of Object.entries(this.#definitions.sources)) {
      for (const [eventType, event] of Object.entries(definition.events)) yield { source, definition, eventType, event }
    }
  }
}

interface SourceEvent {
  readonly source: string
  readonly definition: SourceDef
  readonly eventType: string
  readonly event: SourceEventDef
}

interface Draft {
  readonly fields: Map<string, Treatment>
  readonly raw: Map<string, { treatment: Treatment; readonly fields: Set<string> }>
  readonly names: Map<string, Set<string>>
  readonly hints: Set<string>
  readonly relates: Map<string, readonly string[]>
  readonly instants: Set<string>
}

class Drafts {
  readonly #drafts = new Map<string, Draft>()

  of(source: string, eventType: string): Draft {
    const key = keyOf(source, eventType)
    let draft = this.#drafts.get(key)
    if (draft === undefined) {
      draft = {
        fields: new Map(),
        raw: new Map(),
        names: new Map(),
        hints: new Set(),
        relates: new Map(),
        instants: new Set(),
      }
      this.#drafts.set(key, draft)
    }
    return draft
  }

  plans(): ReadonlyMap<string, EventPlan> {
    return new Map(
      [...this.#drafts]
        .filter(([, { fields }]) => fields.size > 0)
        .map(([key, { fields, raw, names, hints, relates, instants }]) => [
          key,
          {
            fields,
            raw: [...raw].map(([path, { treatment, fields }]) => ({ path, treatment, fields: [...fields] })),
            names,
            hints,
            relates: [...relates.values()],
            instants,
          },
        ]),
    )
  }
}
