/** What differs between two definition sets (spec 09 §5). Pure. */
import { canonicalJson } from './canonical.ts'
import type { DefinitionsObject, EntityDef, SchemaDef, SourceDef } from './model.ts'

/** Names of what one kind gained and lost, and what changed in those both sets have. */
export interface KindDiff<T> {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** By name; only definitions that differ. */
  readonly modified: Readonly<Record<string, T>>
}

export interface EntityDiff {
  readonly addedProperties: readonly string[]
  readonly removedProperties: readonly string[]
  readonly changedProperties: readonly string[]
  /** A state is changed if any of its handlers or time rules is. */
  readonly addedStates: readonly string[]
  readonly removedStates: readonly string[]
  readonly changedStates: readonly string[]
  /** `<state>.<event>`, or `always.<event>`. */
  readonly addedHandlers: readonly string[]
  readonly removedHandlers: readonly string[]
  readonly changedHandlers: readonly string[]
  /** `<state>.after[<index>]`. */
  readonly addedTimeRules: readonly string[]
  readonly removedTimeRules: readonly string[]
  readonly changedTimeRules: readonly string[]
  /** Relationship types. */
  readonly addedRelationships: readonly string[]
  readonly removedRelationships: readonly string[]
  readonly changedRelationships: readonly string[]
  readonly identityChanged: boolean
  readonly startsChanged: boolean
}
export interface SourceDiff {
  readonly addedEvents: readonly string[]
  readonly removedEvents: readonly string[]
  readonly changedEvents: readonly string[]
  /** `event_type`, `timestamp` or `event_id` of the source itself. */
  readonly changedKeys: readonly string[]
}
export interface SchemaDiff {
  readonly addedFields: readonly string[]
  readonly removedFields: readonly string[]
  readonly changedFields: readonly string[]
}

/** Entity types at the top, the other versioned kinds beside them. */
export interface DefinitionsDiff extends KindDiff<EntityDiff> {
  readonly sources: KindDiff<SourceDiff>
  readonly schemas: KindDiff<SchemaDiff>
}

type Named<T> = Readonly<Record<string, T>>

/** What `after` has, lacks or says differently than `before`. Both in canonical form; pipelines take no part. */
export function diffDefinitions(before: DefinitionsObject, after: DefinitionsObject): DefinitionsDiff {
  return {
    ...kindDiff(before.entities, after.entities, entityDiff),
    sources: kindDiff(before.sources, after.sources, sourceDiff),
    schemas: kindDiff(before.schemas, after.schemas, schemaDiff),
  }
}

interface Names {
  added: string[]
  removed: string[]
  changed: string[]
}

function compare(before: Named<unknown> = {}, after: Named<unknown> = {}): Names {
  const kept = Object.keys(after).filter((name) => Object.hasOwn(before, name))
  return {
    added: Object.keys(after).filter((name) => !Object.hasOwn(before, name)),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
    changed: kept.filter((name) => canonicalJson(before[name]) !== canonicalJson(after[name])),
  }
}

function kindDiff<T, D>(before: Named<T>, after: Named<T>, diff: (a: T, b: T) => D): KindDiff<D> {
  const { added, removed, changed } = compare(before, after)
  return {
    added,
    removed,
    modified: Object.fromEntries(changed.map((name) => [name, diff(before[name]!, after[name]!)])),
  }
}

function entityDiff(before: EntityDef, after: EntityDef): EntityDiff {
  const properties = compare(before.properties, after.properties)
  const states = compare(before.states, after.states)
  const handlers = compare(handlersOf(before), handlersOf(after))
  const timeRules = compare(timeRulesOf(before), timeRulesOf(after))
  const relationships = compare(relationshipsByType(before), relationshipsByType(after))
  return {
    addedProperties: properties.added,
    removedProperties: properties.removed,
    changedProperties: properties.changed,
    addedStates: states.added,
    removedStates: states.removed,
    changedStates: states.changed,
    addedHandlers: handlers.added,
    removedHandlers: handlers.removed,
    changedHandlers: handlers.changed,
    addedTimeRules: timeRules.added,
    removedTimeRules: timeRules.removed,
    changedTimeRules: timeRules.changed,
    addedRelationships: relationships.added,
    removedRelationships: relationships.removed,
    changedRelationships: relationships.changed,
    identityChanged: canonicalJson(before.identity) !== canonicalJson(after.identity),
    startsChanged: before.starts !== after.starts,
  }
}

function handlersOf(entity: EntityDef): Named<unknown> {
  const handlers: [string, unknown][] = []
  for (const [state, { when = {} }] of Object.entries(entity.states)) {
    for (const [event, handler] of Object.entries(when)) handlers.push([`${state}.${event}`, handler])
  }
  for (const [event, handler] of Object.entries(entity.always ?? {})) handlers.push([`always.${event}`, handler])
  return Object.fromEntries(handlers)
}

function timeRulesOf(entity: EntityDef): Named<unknown> {
  return Object.fromEntries(
    Object.entries(entity.states).flatMap(([state, { after = [] }]) =>
      after.map((rule, i): [string, unknown] => [`${state}.after[${i}]`, rule]),
    ),
  )
}

/** One type may lead to several targets: what belongs to a type is compared together. */
function relationshipsByType(entity: EntityDef): Named<unknown> {
  const byType = new Map<string, unknown[]>()
  for (const relationship of entity.relationships ?? []) {
    byType.set(relationship.type, [...(byType.get(relationship.type) ?? []), relationship])
  }
  return Object.fromEntries(byType)
}

function sourceDiff(before: SourceDef, after: SourceDef): SourceDiff {
  const events = compare(before.events, after.events)
  const keys = (['event_type', 'timestamp', 'event_id'] as const).filter(
    (key) => canonicalJson(before[key]) !== canonicalJson(after[key]),
  )
  return { addedEvents: events.added, removedEvents: events.removed, changedEvents: events.changed, changedKeys: keys }
}

function schemaDiff(before: SchemaDef, after: SchemaDef): SchemaDiff {
  const fields = compare(before.fields, after.fields)
  return { addedFields: fields.added, removedFields: fields.removed, changedFields: fields.changed }
}
