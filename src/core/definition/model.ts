/**
 * The definition set as plain data, in canonical form (spec 01): what `toObject()` returns and the hashes cover.
 * Keys stay in snake case because they are the user's own YAML keys. Optional parts are absent, never null.
 */
export type PropertyType = 'string' | 'number' | 'integer' | 'boolean' | 'datetime'
export type Literal = string | number | boolean | null

export interface IdentityDef {
  match?: 'exact' | 'case_insensitive'
  normalize?: string
}

export interface PropertyDef {
  type: PropertyType
  default?: Literal
  allowed?: Literal[]
  min?: number
  max?: number
  compute?: string
  sensitive?: 'pii' | 'phi' | 'pci'
  treatment?: 'hash' | 'mask' | 'redact'
}

export interface TransitionDef {
  to: string
  condition?: string
}
/** Exactly one of `from`, `value` (null clears; the key's presence counts), `compute`. */
export interface ValueSource {
  from?: string
  value?: Literal
  compute?: string
}
export interface SetDef extends ValueSource {
  property: string
  condition?: string
}
export interface IncrementDef {
  property: string
  by?: number
  condition?: string
}
export interface RelateDef {
  type: string
  target: string
  hints?: Record<string, string[]>
  properties?: Record<string, ValueSource>
  condition?: string
}
export type EffectDef =
  | 'create'
  | { transition: TransitionDef }
  | { set: SetDef }
  | { increment: IncrementDef }
  | { relate: RelateDef }

export interface HandlerDef {
  guard?: string
  effects: EffectDef[]
}
export interface TimeRuleDef {
  type: 'inactivity' | 'expiration' | 'state_duration'
  threshold: string
  effects: EffectDef[]
}
export interface StateDef {
  when?: Record<string, HandlerDef>
  after?: TimeRuleDef[]
}
export interface EdgePropertyDef {
  type: PropertyType
  default?: Literal
  allowed?: Literal[]
  min?: number
  max?: number
}
export type Cardinality = 'has_many' | 'has_one' | 'belongs_to' | 'many_to_many'
export interface RelationshipDef {
  type: string
  target: string
  cardinality: Cardinality
  properties?: Record<string, EdgePropertyDef>
  inverse?: string
}
export interface EntityDef {
  starts: string
  identity: Record<string, IdentityDef>
  properties?: Record<string, PropertyDef>
  states: Record<string, StateDef>
  relationships?: RelationshipDef[]
  always?: Record<string, HandlerDef>
  description?: string
}

export interface MappingDef {
  from?: string
  compute?: string
  type?: PropertyType
  default?: Literal
}
export interface SourceEventDef {
  raw_type?: string
  mappings: Record<string, MappingDef>
  hints: Record<string, string[]>
  event_id?: string[]
  tags?: string[]
}
export interface SourceDef {
  event_type: string
  timestamp: string
  event_id?: string[]
  events: Record<string, SourceEventDef>
}
export interface SchemaFieldDef {
  type: PropertyType
  required?: boolean
  allowed?: Literal[]
  min?: number
  max?: number
  min_length?: number
  regex?: string
}
export interface SchemaDef {
  fields: Record<string, SchemaFieldDef>
}

/** `pipelines` is carried along untouched (spec 10 §3); it is outside versions and hashes. */
export interface DefinitionsObject {
  entities: Record<string, EntityDef>
  sources: Record<string, SourceDef>
  schemas: Record<string, SchemaDef>
  pipelines: Record<string, unknown>
}

export interface DefinitionHashes {
  definitionHash: string
  sourceHash: string
  identityHash: string
}

/** A finding of `validate` (spec 01 §5). `place` is `file:line:column` when the definitions came from files. */
export interface Issue {
  severity: 'error' | 'warning'
  code: string
  /** Path into the definitions, e.g. `entities.member.states.active.when.tier_changed.guard`. */
  path: string
  message: string
  place: string | null
}
