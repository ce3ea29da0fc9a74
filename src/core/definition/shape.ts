/**
 * The one model of what definitions look like (spec 01 §2–4). Reading (`read.ts`) and the editors' JSON Schema
 * (`json-schema.ts`) both follow it. Names, references and expressions are checked in `validate.ts`.
 */
import { z } from 'zod'
import { pipelineShape } from '../pipeline/shape.ts'
import { type Rule, rules } from './rules.ts'

export const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
export const PROPERTY_TYPES = ['string', 'number', 'integer', 'boolean', 'datetime'] as const
export const CARDINALITIES = ['has_many', 'has_one', 'belongs_to', 'many_to_many'] as const

const text = (about: string) => z.string().describe(about)
const expression = (about: string) => z.string().describe(`${about} (expression)`)
const names = <T extends z.ZodType>(node: T) => z.record(z.string().regex(NAME), node)
const optional = <T extends z.ZodType>(node: T) => node.nullish()
const typeOf = (about: string) =>
  z.enum(PROPERTY_TYPES).describe(about).register(rules, { code: 'E10', noun: 'invalid type' })
const literal = (about: string, rule: Rule = {}) =>
  z
    .union([z.string(), z.number(), z.boolean(), z.null()])
    .describe(about)
    .register(rules, { read: 'literal', ...rule })
const texts = (about: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .describe(about)
    .register(rules, { read: 'texts' })
const choice = (options: readonly [string, ...string[]], about: string, rule: Rule) =>
  z.enum(options).describe(about).register(rules, rule)
const allowed = () =>
  z
    .array(literal('Permitted value.'))
    .min(1)
    .describe('Closed set of permitted values; null always passes.')
    .register(rules, { empty: { code: 'E01', message: 'expected a non-empty list of literals' } })
const bounds = {
  min: optional(z.number().describe('Smallest permitted number (inclusive).')),
  max: optional(z.number().describe('Largest permitted number (inclusive).')),
}

const valueSource = {
  from: optional(text('Path `event.<path>` or `entity.<path>`; a missing value is null.')),
  value: literal('Literal; null clears the property. The presence of the key counts.', { keepsNull: true }).optional(),
  compute: optional(expression('Value over event.* and entity.*')),
}
const condition = optional(expression('The effect is skipped when this is false or null'))

const transition = z
  .strictObject({ to: text('State to enter; the current state is entered anew.'), condition })
  .describe('Enter a state.')
const set = z
  .strictObject({ property: text('Property to assign.'), ...valueSource, condition })
  .describe('Assign a property from exactly one of from, value, compute.')
const increment = z
  .strictObject({
    property: text('Numeric property to add to; null counts as 0.'),
    by: optional(
      z
        .number()
        .describe('Amount, may be negative; default 1.')
        .register(rules, { fill: 1, wrong: { code: 'E19', message: "'by' is not numeric: expected a finite number" } }),
    ),
    condition,
  })
  .describe('Add to a numeric property.')
const relate = z
  .strictObject({
    type: text('Relationship type declared on this entity.'),
    target: text('Entity type on the other end.'),
    hints: optional(z.record(z.string(), texts('Mapped event fields that identify the target.'))),
    properties: optional(z.record(z.string(), z.strictObject(valueSource)).describe('Values of the edge properties.')),
    condition,
  })
  .describe('Add an edge to another entity.')

/** Bodies of the effects that have one, by kind. */
export const effectBodies = { transition, set, increment, relate }

const effect = z
  .union([
    z.literal('create'),
    z.strictObject({ create: z.strictObject({}).nullable() }),
    z.strictObject({ transition }),
    z.strictObject({ set }),
    z.strictObject({ increment }),
    z.strictObject({ relate }),
  ])
  .describe('`create`, or a map with exactly one of create, transition, set, increment, relate.')
  .register(rules, { read: 'effect' })
const effects = z
  .array(effect)
  .min(1)
  .describe('Applied in order; each sees what the previous ones did.')
  .register(rules, { empty: { code: 'E15', message: "'effects' must not be empty" } })
const ruleEffect = z
  .union([z.strictObject({ transition }), z.strictObject({ set }), z.strictObject({ increment })])
  .describe('A map with exactly one of transition, set, increment.')
  .register(rules, { read: 'effect' })
const ruleEffects = z
  .array(ruleEffect)
  .min(1)
  .describe('Applied in order when the rule fires.')
  .register(rules, { empty: { code: 'E15', message: "'effects' must not be empty" } })
/** The list node of a time rule's effects, which know fewer kinds. */
export const timeRuleEffect: z.ZodType = ruleEffect

const handler = z
  .strictObject({ guard: optional(expression('The handler runs only if this is true')), effects })
  .describe('What an event does to the entity.')
const handlers = (about: string) => z.record(z.string(), handler).describe(about)
const timeRule = z
  .strictObject({
    type: choice(['inactivity', 'expiration', 'state_duration'], 'What the threshold is measured from.', {
      noun: 'unknown time rule type',
    }),
    threshold: text('Duration: digits and one of d, h, m, s, e.g. 30d.').register(rules, {
      wrong: { code: 'E06', message: "invalid duration: expected a text such as '30d'" },
    }),
    effects: ruleEffects,
  })
  .describe('Fires by itself when its time has come.')
const state = z
  .strictObject({
    when: optional(handlers('Handlers by event type, in this state.')),
    after: optional(z.array(timeRule).describe('Time rules, live while the entity is in this state.')),
  })
  .describe('A state; without `when` and `after` it is terminal.')

const property = z
  .strictObject({
    type: typeOf('Value type; column type in state history.'),
    default: literal('Value at creation; absent or null: null.').optional(),
    allowed: optional(allowed()),
    ...bounds,
    compute: optional(expression('Derived value over entity.*, recalculated after every change')),
    sensitive: optional(
      choice(['pii', 'phi', 'pci'], 'Marks the property for redaction.', { noun: "unknown 'sensitive' label" }),
    ),
    treatment: optional(
      choice(['hash', 'mask', 'redact'], 'How redaction replaces it; default redact.', {
        noun: "unknown 'treatment'",
      }),
    ),
  })
  .describe('A typed property of the entity.')
const edgeProperty = z
  .strictObject({
    type: typeOf('Value type of the edge property.'),
    default: literal('Value when the effect sets none.').optional(),
    allowed: optional(allowed()),
    ...bounds,
  })
  .describe('A typed value on the edge.')
const identityField = z
  .strictObject({
    match: optional(
      choice(['exact', 'case_insensitive'], 'How values are compared; default exact.', {
        noun: "unknown 'match'",
        fill: 'exact',
      }),
    ),
    normalize: optional(expression('Canonical form of the hint, over value')),
  })
  .describe('An identity field: hints of this name lead to the entity.')
const relationship = z
  .strictObject({
    type: text('Relationship name; table rel_<type>_history.'),
    target: text('Entity type on the other end; it must declare the inverse.'),
    cardinality: choice(CARDINALITIES, 'Seen from this side.', { code: 'E23', noun: 'invalid cardinality' }),
    properties: optional(names(edgeProperty).describe('Typed values on the edge.').register(rules, { extras: true })),
    inverse: optional(text('Relationship type on the target, when several would fit.')),
  })
  .describe('Edges to another entity type. Both sides are declared.')
const identity = z
  .record(z.string(), identityField.nullable())
  .describe('Identity fields, by the name of the mapped event field.')
  .register(rules, { empty: { code: 'E09', message: 'expected at least one identity field' } })
/** Parts of an entity that users may build one by one. */
export const entityParts = { property, identity, state, handler, effect, timeRule, relationship }
export const entityShape = z
  .strictObject({
    starts: text('State of a newly created entity.'),
    identity,
    properties: optional(names(property).describe('Properties by name.').register(rules, { extras: true })),
    states: z
      .record(z.string(), state.nullable())
      .describe('States by name.')
      .register(rules, { empty: { code: 'E07', message: 'expected at least one state' } }),
    relationships: optional(z.array(relationship).describe('Relationships seen from this entity.')),
    always: optional(handlers('Handlers by event type, in every state.')),
  })
  .describe('An entity type: a state machine with identity and properties (spec 01 §2).')

const mapping = z
  .strictObject({
    from: optional(text('Path into the raw record.')),
    compute: optional(expression('Value over event.* = the raw record')),
    type: optional(typeOf('Coercion applied to a non-null value.')),
    default: literal('Used when the result is null or missing.').optional(),
  })
  .describe('Where a field of the normalized event comes from.')
const sourceEvent = z
  .strictObject({
    raw_type: optional(text("The source's own name of the event type; default: the event type.")),
    mappings: optional(z.record(z.string(), mapping.nullable()).describe('Mapped fields by name.')),
    hints: optional(z.record(z.string(), texts('Mapped fields that identify the entity.'))).describe(
      'Identity hints: entity type to mapped fields. At least one.',
    ),
    event_id: optional(texts("Fields hashed for deduplication, instead of the source's.")),
    tags: optional(z.array(z.string()).describe('Tags for decision queries, with {field} placeholders.')),
  })
  .describe('How one event type is made of raw records.')
const nonEmpty = (about: string) =>
  z
    .string()
    .min(1)
    .describe(about)
    .register(rules, { empty: { code: 'E25', message: 'expected a non-empty string' } })
export const sourceShape = z
  .strictObject({
    event_type: nonEmpty('Path in the raw record that says what it is.'),
    timestamp: nonEmpty('Path in the raw record that says when it happened.'),
    event_id: optional(texts('Fields hashed for deduplication; default: all mapped fields.')),
    events: z.record(z.string(), sourceEvent).describe('Normalized event types.'),
  })
  .describe('How raw records of one source become events (spec 01 §3).')

const schemaField = z
  .strictObject({
    type: typeOf('Value type.'),
    required: optional(z.boolean().describe('Present and not null; default false.')),
    allowed: optional(allowed()),
    ...bounds,
    min_length: optional(z.number().int().min(0).describe('Least number of characters (string).')),
    regex: optional(z.string().describe('RE2 pattern that must match somewhere (string).')),
  })
  .describe('What a field of the event must be.')
export const schemaShape = z
  .strictObject({ fields: z.record(z.string(), schemaField).describe('Fields by name.') })
  .describe('The contract of an event type (spec 01 §4).')

export const shapes = {
  entities: entityShape,
  sources: sourceShape,
  schemas: schemaShape,
  pipelines: pipelineShape,
} as const
export type Kind = keyof typeof shapes
export const KINDS = ['entities', 'sources', 'schemas', 'pipelines'] as const satisfies readonly Kind[]

/** Maps of all definitions of a kind, by name. */
export const kindShapes = {
  entities: names(entityShape).register(rules, { extras: true }),
  sources: z.record(z.string(), sourceShape).register(rules, { extras: true }),
  schemas: z.record(z.string(), schemaShape).register(rules, { extras: true }),
  pipelines: z.record(z.string(), pipelineShape).register(rules, { extras: true }),
} as const
