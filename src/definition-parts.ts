/**
 * Builders for the parts of an entity (spec 01 §1.1). They can stand wherever the object form can:
 * `new Entity('member', {…, properties: {tier: new Property('string', {default: 'basic'})}})`.
 */
import { stringify } from 'yaml'
import type { z } from 'zod'
import { Issues } from './core/definition/issues.ts'
import type {
  Cardinality,
  EffectDef,
  HandlerDef,
  IdentityDef,
  Issue,
  PropertyDef,
  PropertyType,
  RelationshipDef,
  StateDef,
  TimeRuleDef,
} from './core/definition/model.ts'
import { isMap } from './core/definition/plain.ts'
import { readerOf } from './core/definition/read.ts'
import { entityParts } from './core/definition/shape.ts'
import { resultOf, type ValidateOptions, type ValidationResult } from './core/definition/validate.ts'
import { parseYamlTree } from './core/definition/yaml-tree.ts'
import type {
  EffectInput,
  HandlerInput,
  IdentityFieldInput,
  PropertyInput,
  RelateInput,
  RelationshipInput,
  StateInput,
  TimeRuleInput,
  ValueSourceInput,
} from './definition-types.ts'
import { DefinitionError } from './errors.ts'

/** The plain data of a YAML text (spec 01 §1.2); throws `DefinitionError` with line and column if it cannot be read. */
export function parseYaml(text: string): unknown {
  const { value, faults } = parseYamlTree(text)
  if (faults.length === 0) return value ?? null
  const issues: Issue[] = faults.map(({ code, message, line, column }) => {
    return { severity: 'error', code, path: '', message, place: `${line}:${column}` }
  })
  throw definitionError(resultOf(issues))
}

/** The error of a check that failed: every finding in `details.issues`, the errors as text in `details.errors`. */
export function definitionError(result: ValidationResult): DefinitionError {
  const [first = 'definitions are invalid'] = result.errors
  const more = result.errors.length > 1 ? ` (and ${result.errors.length - 1} more)` : ''
  return new DefinitionError(`${first}${more}`, { details: { errors: result.errors, issues: result.issues } })
}

/** One part in object form. `I` is what may be written, `T` the canonical form. */
export class Part<I, T> {
  /** The object form as given. */
  readonly input: I
  readonly #shape: z.ZodType

  constructor(input: I, shape: z.ZodType) {
    this.input = withoutParts(input) as I
    this.#shape = shape
  }

  /** Canonical object form; what is invalid is left out. */
  toObject(): T {
    return readerOf(this.#shape)(this.input, [], new Issues()) as T
  }

  /** The object form as YAML text. */
  toYaml(): string {
    return stringify(this.toObject(), { lineWidth: 0, aliasDuplicateObjects: false })
  }

  /** Checks the shape alone; names, references and expressions are checked with the whole set. */
  validate(options: ValidateOptions = {}): ValidationResult {
    const issues = new Issues()
    readerOf(this.#shape)(this.input, [], issues)
    return resultOf(issues.list, options)
  }
}

/** `T`, in which any object may be given as the builder of it. */
export type Buildable<T> =
  | T
  | Part<T, unknown>
  | (T extends readonly (infer U)[]
      ? readonly Buildable<U>[]
      : T extends object
        ? { readonly [K in keyof T]: Buildable<T[K]> }
        : never)

const MAX_DEPTH = 64

/** A copy in which every builder is replaced by its object form. */
export function withoutParts(value: unknown, depth = 0): unknown {
  if (value instanceof Part) return value.input
  if (depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((item) => withoutParts(item, depth + 1))
  if (!isMap(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutParts(item, depth + 1)]))
}

/** A typed property (spec 01 §2.2). */
export class Property extends Part<PropertyInput, PropertyDef> {
  constructor(type: PropertyType, options: Omit<PropertyInput, 'type'> = {}) {
    super({ ...options, type }, entityParts.property)
  }
  static fromObject(value: PropertyInput): Property {
    return new Property(value.type, value)
  }
  static fromYaml(text: string): Property {
    return Property.fromObject(parseYaml(text) as PropertyInput)
  }
}

type IdentityInput = Readonly<Record<string, IdentityFieldInput | null>>

/** The identity block of an entity: its fields by name (spec 01 §2.1). */
export class Identity extends Part<IdentityInput, Record<string, IdentityDef>> {
  constructor(fields: IdentityInput) {
    super(fields, entityParts.identity)
  }
  static fromObject(value: IdentityInput): Identity {
    return new Identity(value)
  }
  static fromYaml(text: string): Identity {
    return new Identity(parseYaml(text) as IdentityInput)
  }
}

/** A state; without handlers and time rules it is terminal (spec 01 §2.3). */
export class State extends Part<StateInput, StateDef> {
  constructor(state: Buildable<StateInput> = {}) {
    super(state as StateInput, entityParts.state)
  }
  static fromObject(value: Buildable<StateInput> | null): State {
    return new State(value ?? {})
  }
  static fromYaml(text: string): State {
    return State.fromObject(parseYaml(text) as StateInput | null)
  }
}

/** What an event does to the entity (spec 01 §2.3). */
export class Handler extends Part<HandlerInput, HandlerDef> {
  constructor(effects: readonly Buildable<EffectInput>[], options: { guard?: string } = {}) {
    super({ ...options, effects } as HandlerInput, entityParts.handler)
  }
  static fromObject(value: Buildable<HandlerInput>): Handler {
    const { effects, ...options } = withoutParts(value) as HandlerInput
    return new Handler(effects, options as { guard?: string })
  }
  static fromYaml(text: string): Handler {
    return Handler.fromObject(parseYaml(text) as HandlerInput)
  }
}

type Condition = { condition?: string }

/** One effect (spec 01 §2.4). */
export class Effect extends Part<EffectInput, EffectDef> {
  constructor(effect: EffectInput) {
    super(effect, entityParts.effect)
  }
  static fromObject(value: EffectInput): Effect {
    return new Effect(value)
  }
  static fromYaml(text: string): Effect {
    return new Effect(parseYaml(text) as EffectInput)
  }
  static create(): Effect {
    return new Effect('create')
  }
  static transition(to: string, options: Condition = {}): Effect {
    return new Effect({ transition: { to, ...options } })
  }
  /** Exactly one of `from`, `value`, `compute` says what is assigned. */
  static set(property: string, source: ValueSourceInput & Condition): Effect {
    return new Effect({ set: { property, ...source } } as EffectInput)
  }
  static increment(property: string, options: { by?: number } & Condition = {}): Effect {
    return new Effect({ increment: { property, ...options } })
  }
  static relate(type: string, options: Omit<RelateInput, 'type'>): Effect {
    return new Effect({ relate: { type, ...options } })
  }
}

type Effects = readonly Buildable<EffectInput>[]

/** Fires by itself when its time has come (spec 01 §2.5). */
export class TimeRule extends Part<TimeRuleInput, TimeRuleDef> {
  constructor(rule: Buildable<TimeRuleInput>) {
    super(rule as TimeRuleInput, entityParts.timeRule)
  }
  static fromObject(value: Buildable<TimeRuleInput>): TimeRule {
    return new TimeRule(value)
  }
  static fromYaml(text: string): TimeRule {
    return new TimeRule(parseYaml(text) as TimeRuleInput)
  }
  static inactivity(threshold: string, effects: Effects): TimeRule {
    return new TimeRule({ type: 'inactivity', threshold, effects })
  }
  static expiration(threshold: string, effects: Effects): TimeRule {
    return new TimeRule({ type: 'expiration', threshold, effects })
  }
  static stateDuration(threshold: string, effects: Effects): TimeRule {
    return new TimeRule({ type: 'state_duration', threshold, effects })
  }
}

/** Edges to another entity type (spec 01 §2.7). */
export class Relationship extends Part<RelationshipInput, RelationshipDef> {
  constructor(relationship: Buildable<RelationshipInput>) {
    super(relationship as RelationshipInput, entityParts.relationship)
  }
  static fromObject(value: Buildable<RelationshipInput>): Relationship {
    return new Relationship(value)
  }
  static fromYaml(text: string): Relationship {
    return new Relationship(parseYaml(text) as RelationshipInput)
  }
  static of(
    cardinality: Cardinality,
    type: string,
    target: string,
    options: Buildable<Omit<RelationshipInput, 'type' | 'target' | 'cardinality'>> = {},
  ): Relationship {
    return new Relationship({ ...(withoutParts(options) as object), type, target, cardinality } as RelationshipInput)
  }
}
