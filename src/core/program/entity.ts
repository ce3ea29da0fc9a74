/** Compiling one entity definition (spec 01 §2). */

import { conform, type ValueRule, Violation } from '../coerce.ts'
import type {
  DefinitionsObject,
  EdgePropertyDef,
  EffectDef,
  EntityDef,
  HandlerDef,
  PropertyDef,
  RelateDef,
  ValueSource,
} from '../definition/model.ts'
import { edgeProperties } from '../definition/relationships.ts'
import { type Compiled, compile } from '../expression/compile.ts'
import type { EvalContext } from '../expression/context.ts'
import { parse } from '../expression/parse.ts'
import { reads } from '../expression/reads.ts'
import { HANDLER, NORMALIZE, PROPERTY, type Scope, TIME_RULE } from '../expression/scope.ts'
import { parseDurationText } from '../instant.ts'
import { getOwn, setOwn, valueReader } from '../raw-path.ts'
import type { Value } from '../value.ts'
import type {
  CompiledEffect,
  CompiledEntity,
  CompiledHandler,
  CompiledIdentity,
  CompiledProperty,
  CompiledRelate,
  CompiledState,
  CompiledTimeRule,
} from './types.ts'

export type Identities = ReadonlyMap<string, ReadonlyMap<string, CompiledIdentity>>

export function compileIdentities(entity: EntityDef): Map<string, CompiledIdentity> {
  return new Map(
    Object.entries(entity.identity).map(([field, { match, normalize }]) => [
      field,
      {
        field,
        caseInsensitive: match === 'case_insensitive',
        normalize: normalize === undefined ? null : compile(normalize, NORMALIZE),
      },
    ]),
  )
}

export function compileEntity(
  definitions: DefinitionsObject,
  type: string,
  identities: Identities,
  wallClock: boolean,
): CompiledEntity {
  return new EntityCompiler(definitions, type, identities).compile(wallClock)
}

class EntityCompiler {
  readonly #definitions: DefinitionsObject
  readonly #type: string
  readonly #definition: EntityDef
  readonly #identities: Identities
  readonly #properties: Map<string, CompiledProperty>
  readonly #states = new Map<string, CompiledState>()
  readonly #relates = new Map<string, CompiledRelate[]>()

  constructor(definitions: DefinitionsObject, type: string, identities: Identities) {
    this.#definitions = definitions
    this.#type = type
    this.#definition = definitions.entities[type] as EntityDef
    this.#identities = identities
    this.#properties = new Map(
      Object.entries(this.#definition.properties ?? {}).map(([name, property]) => [
        name,
        {
          name,
          rule: ruleOf(property),
          compute: property.compute === undefined ? null : compile(property.compute, PROPERTY),
          inputs: propertiesRead(property.compute),
        },
      ]),
    )
  }

  compile(wallClock: boolean): CompiledEntity {
    const definition = this.#definition
    // Transitions refer to states, so the states exist before their handlers do.
    const parts = new Map<string, { when: Map<string, CompiledHandler>; rules: CompiledTimeRule[] }>()
    for (const name of Object.keys(definition.states)) {
      const part = { when: new Map<string, CompiledHandler>(), rules: [] }
      parts.set(name, part)
      this.#states.set(name, { name, ...part })
    }
    for (const [name, state] of Object.entries(definition.states)) {
      const part = parts.get(name)
      for (const [eventType, handler] of Object.entries(state.when ?? {})) {
        part?.when.set(eventType, this.#handler(handler, eventType))
      }
      for (const [index, rule] of (state.after ?? []).entries()) {
        part?.rules.push({
          name: `${name}.after[${index}]`,
          type: rule.type,
          threshold: parseDurationText(rule.threshold)?.ms ?? Number.POSITIVE_INFINITY,
          effects: rule.effects.map((effect) => this.#effect(effect, TIME_RULE, null)),
        })
      }
    }
    const always = new Map<string, CompiledHandler>()
    for (const [eventType, handler] of Object.entries(definition.always ?? {})) {
      always.set(eventType, this.#handler(handler, eventType))
    }
    return {
      type: this.#type,
      definition,
      wallClock,
      starts: this.#state(definition.starts),
      states: this.#states,
      always,
      identity: this.#identities.get(this.#type) ?? new Map(),
      properties: [...this.#properties.values()],
      computed: this.#computed(),
      initial: initialValues(definition.properties ?? {}),
      relates: this.#relates,
    }
  }

  #state(name: string): CompiledState {
    const state = this.#states.get(name)
    if (state === undefined) throw new Error(`entity '${this.#type}' has no state '${name}'`)
    return state
  }

  #property(name: string): CompiledProperty {
    const property = this.#properties.get(name)
    if (property === undefined) throw new Error(`entity '${this.#type}' has no property '${name}'`)
    return property
  }

  /** Computed properties, each after the computed ones it reads; the order of declaration otherwise. */
  #computed(): CompiledProperty[] {
    const ordered: CompiledProperty[] = []
    const seen = new Set<string>()
    const visit = (name: string): void => {
      const text = this.#definition.properties?.[name]?.compute
      if (text === undefined || seen.has(name)) return
      seen.add(name)
      for (const other of this.#property(name).inputs) if (this.#properties.has(other)) visit(other)
      ordered.push(this.#property(name))
    }
    for (const name of this.#properties.keys()) visit(name)
    return ordered
  }

  #handler(handler: HandlerDef, eventType: string): CompiledHandler {
    return {
      guard: handler.guard === undefined ? null : compile(handler.guard, HANDLER),
      effects: handler.effects.map((effect) => this.#effect(effect, HANDLER, eventType)),
      creates: handler.effects.includes('create'),
    }
  }

  #effect(effect: EffectDef, scope: Scope, eventType: string | null): CompiledEffect {
    if (effect === 'create') return { kind: 'create' }
    if ('transition' in effect) {
      const { to, condition } = effect.transition
      return { kind: 'transition', to: this.#state(to), condition: optional(condition, scope) }
    }
    if ('set' in effect) {
      const property = this.#property(effect.set.property)
      const read = valueSource(effect.set, property.rule, scope)
      return { kind: 'set', property, read, condition: optional(effect.set.condition, scope) }
    }
    if ('increment' in effect) {
      const { property, by = 1, condition } = effect.increment
      return { kind: 'increment', property: this.#property(property), by, condition: optional(condition, scope) }
    }
    const relate = this.#relate(effect.relate, scope, eventType)
    return { kind: 'relate', relate, condition: optional(effect.relate.condition, scope) }
  }

  #relate(relate: RelateDef, scope: Scope, eventType: string | null): CompiledRelate {
    const declared = (this.#definition.relationships ?? []).find(
      (one) => one.type === relate.type && one.target === relate.target,
    )
    const properties = declared === undefined ? {} : edgeProperties(this.#definitions, this.#type, declared)
    const initial = initialValues(properties)
    const identity = this.#identities.get(relate.target) ?? new Map<string, CompiledIdentity>()
    const fields = relate.hints === undefined ? null : getOwn(relate.hints, relate.target)
    const compiled: CompiledRelate = {
      type: relate.type,
      target: relate.target,
      single: declared?.cardinality === 'belongs_to' || declared?.cardinality === 'has_one',
      fields: fields === null ? null : identityFields(identity, fields),
      ownFields: fields === null && eventType !== null ? this.#ownFields(relate.target, eventType) : new Map(),
      properties: Object.entries(properties).map(([name, property]) => {
        const rule = ruleOf(property)
        const source = relate.properties === undefined ? null : getOwn(relate.properties, name)
        return {
          name,
          rule,
          initial: getOwn(initial, name),
          read: source === null ? null : valueSource(source, rule, scope),
        }
      }),
    }
    if (eventType !== null) {
      const list = this.#relates.get(eventType)
      if (list === undefined) this.#relates.set(eventType, [compiled])
      else list.push(compiled)
    }
    return compiled
  }

  /** The hint fields each source gives for the target, where `relate` relies on the event's own hints. */
  #ownFields(target: string, eventType: string): Map<string, readonly CompiledIdentity[]> {
    const bySource = new Map<string, readonly CompiledIdentity[]>()
    const identity = this.#identities.get(target) ?? new Map<string, CompiledIdentity>()
    for (const [source, { events }] of Object.entries(this.#definitions.sources)) {
      const event = getOwn(events, eventType)
      const fields = event === null ? null : getOwn(event.hints, target)
      if (fields !== null) bySource.set(source, identityFields(identity, fields))
    }
    return bySource
  }
}

function identityFields(
  identity: ReadonlyMap<string, CompiledIdentity>,
  fields: readonly string[],
): CompiledIdentity[] {
  return fields.flatMap((field) => identity.get(field) ?? [])
}

function ruleOf(property: PropertyDef | EdgePropertyDef): ValueRule {
  const { type, allowed, min, max } = property
  return { type, allowed, min, max, sensitive: 'sensitive' in property && property.sensitive !== undefined }
}

/** Defaults in the form the property holds them; null where there is none. */
function initialValues(properties: Readonly<Record<string, PropertyDef | EdgePropertyDef>>): Record<string, Value> {
  const values: Record<string, Value> = {}
  for (const [name, property] of Object.entries(properties)) {
    const value = conform(property.default ?? null, ruleOf(property))
    setOwn(values, name, value instanceof Violation ? null : value)
  }
  return values
}

/** Names below `entity` that an expression reads. */
function propertiesRead(text: string | undefined): string[] {
  if (text === undefined) return []
  return reads(parse(text)).flatMap(({ root, path }) => (root === 'entity' ? path.slice(0, 1) : []))
}

function optional(text: string | undefined, scope: Scope): Compiled | null {
  return text === undefined ? null : compile(text, scope)
}

/** `value` if the key is there (null included), else `from` as a path, else `compute`. */
function valueSource(source: ValueSource, rule: ValueRule, scope: Scope): Compiled {
  if (source.compute !== undefined) return compile(source.compute, scope)
  if (source.from !== undefined) return pathSource(source.from)
  const literal = source.value ?? null
  const conformed = conform(literal, rule)
  // A literal that does not conform is reported when the effect runs, like any other value.
  const value = conformed instanceof Violation ? literal : conformed
  return () => value
}

/** `event.<path>` or `entity.<path>` (spec 01 §2.4): a path, not an expression, so names may hold any character. */
function pathSource(from: string): Compiled {
  const [root = '', ...path] = from.split('.')
  return pathReader(root, path)
}

/** Reads what `path` below `root` (`event`, else the entity) leads to. */
export function pathReader(root: string, [name = '', ...rest]: readonly string[]): Compiled {
  const walk = valueReader(rest)
  const read = root === 'event' ? eventField : entityField
  return (context) => walk(read(context, name))
}

function eventField({ event }: EvalContext, name: string): Value {
  if (event === null) return null
  if (Object.hasOwn(event.data, name)) return event.data[name] ?? null
  switch (name) {
    case 'timestamp':
      return event.timestamp
    case 'event_type':
      return event.eventType
    case 'event_id':
      return event.eventId
    case 'source':
      return event.source
    default:
      return null
  }
}

function entityField({ entity }: EvalContext, name: string): Value {
  if (entity === null) return null
  if (Object.hasOwn(entity.properties, name)) return entity.properties[name] ?? null
  switch (name) {
    case 'state':
      return entity.state
    case 'id':
      return entity.id
    case 'created_time':
      return entity.createdTime
    case 'state_entered_time':
      return entity.stateEnteredTime
    case 'last_event_time':
      return entity.lastEventTime
    default:
      return null
  }
}
