/** What users may write as definitions, and the row types that follow from them (spec 01, 09 §5). Types only. */
import type {
  Cardinality,
  DefinitionsObject,
  IncrementDef,
  Literal,
  PropertyType,
  SetDef,
  TransitionDef,
} from './core/definition/model.ts'

type Maybe<T> = T | null | undefined
type MapOf<T> = Readonly<Record<string, T>>
type Texts = string | readonly string[]

export interface IdentityFieldInput {
  readonly match?: Maybe<'exact' | 'case_insensitive'>
  readonly normalize?: Maybe<string>
  readonly description?: string
}
export interface EdgePropertyInput {
  readonly type: PropertyType
  readonly default?: Maybe<Literal>
  readonly allowed?: Maybe<readonly Literal[]>
  readonly min?: Maybe<number>
  readonly max?: Maybe<number>
  readonly description?: string
}
export interface PropertyInput extends EdgePropertyInput {
  readonly compute?: Maybe<string>
  readonly sensitive?: Maybe<'pii' | 'phi' | 'pci'>
  readonly treatment?: Maybe<'hash' | 'mask' | 'redact'>
}
export interface ValueSourceInput {
  readonly from?: Maybe<string>
  readonly value?: Literal
  readonly compute?: Maybe<string>
}
export interface RelateInput {
  readonly type: string
  readonly target: string
  readonly hints?: Maybe<MapOf<Texts>>
  readonly properties?: Maybe<MapOf<ValueSourceInput>>
  readonly condition?: Maybe<string>
}
export type EffectInput =
  | 'create'
  | { readonly create: Maybe<Readonly<Record<string, never>>> }
  | { readonly transition: Readonly<TransitionDef> }
  | { readonly set: Readonly<SetDef> }
  | { readonly increment: Readonly<IncrementDef> }
  | { readonly relate: RelateInput }
export interface HandlerInput {
  readonly guard?: Maybe<string>
  readonly effects: readonly EffectInput[]
  readonly description?: string
}
export interface TimeRuleInput {
  readonly type: 'inactivity' | 'expiration' | 'state_duration'
  readonly threshold: string
  readonly effects: readonly EffectInput[]
  readonly description?: string
}
export interface StateInput {
  readonly when?: Maybe<MapOf<HandlerInput>>
  readonly after?: Maybe<readonly TimeRuleInput[]>
  readonly description?: string
}
export interface RelationshipInput {
  readonly type: string
  readonly target: string
  readonly cardinality: Cardinality
  readonly properties?: Maybe<MapOf<EdgePropertyInput>>
  readonly inverse?: Maybe<string>
  readonly description?: string
}
export interface EntityInput {
  readonly starts: string
  readonly identity: MapOf<IdentityFieldInput | null>
  readonly properties?: Maybe<MapOf<PropertyInput>>
  readonly states: MapOf<StateInput | null>
  readonly relationships?: Maybe<readonly RelationshipInput[]>
  readonly always?: Maybe<MapOf<HandlerInput>>
  readonly description?: string
}
export interface MappingInput {
  readonly from?: Maybe<string>
  readonly compute?: Maybe<string>
  readonly type?: Maybe<PropertyType>
  readonly default?: Maybe<Literal>
  readonly description?: string
}
export interface SourceEventInput {
  readonly raw_type?: Maybe<string>
  readonly mappings: MapOf<MappingInput | null>
  readonly hints: MapOf<Texts>
  readonly event_id?: Maybe<Texts>
  readonly tags?: Maybe<readonly string[]>
  readonly description?: string
}
export interface SourceInput {
  readonly event_type: string
  readonly timestamp: string
  readonly event_id?: Maybe<Texts>
  readonly events: MapOf<SourceEventInput>
  readonly description?: string
}
export interface SchemaFieldInput extends EdgePropertyInput {
  readonly required?: Maybe<boolean>
  readonly min_length?: Maybe<number>
  readonly regex?: Maybe<string>
}
export interface SchemaInput {
  readonly fields: MapOf<SchemaFieldInput>
  readonly description?: string
}

/** A definition set in object form; each key is optional (spec 01 §1.1). */
export interface DefinitionsInput {
  readonly entities?: Maybe<MapOf<EntityInput>>
  readonly sources?: Maybe<MapOf<SourceInput>>
  readonly schemas?: Maybe<MapOf<SchemaInput>>
  readonly pipelines?: Maybe<MapOf<unknown>>
}
/** The canonical form is an input like any other. */
export type AnyDefinitions = DefinitionsInput | DefinitionsObject

type Names<M> = M extends object ? Extract<keyof M, string> : string

/** Names of the entity types of `D`; any text where `D` is not known in detail. */
export type EntityName<D extends DefinitionsInput> = Names<D['entities']>
/** Names of the sources of `D`. */
export type SourceName<D extends DefinitionsInput> = Names<D['sources']>

interface ValueTypes {
  string: string
  number: number
  /** bigint beyond ±2^53. */
  integer: number | bigint
  boolean: boolean
  /** Canonical instant text (04 §1). */
  datetime: string
}
type ColumnType<P> = P extends { readonly type: infer T extends PropertyType } ? ValueTypes[T] | null : unknown

type EntityOf<D extends DefinitionsInput, T> = D['entities'] extends infer M
  ? T extends keyof M
    ? M[T]
    : never
  : never
type PropertyColumns<E> = E extends { readonly properties: infer P extends object }
  ? { readonly [K in Extract<keyof P, string>]: ColumnType<P[K]> }
  : unknown
type StateNames<E> = E extends { readonly states: infer S extends object } ? Extract<keyof S, string> : string

interface SystemColumns {
  readonly valid_from: string
  readonly valid_to: string | null
  readonly merged_into: string | null
  readonly last_event_time: string
  readonly state_entered_time: string
  readonly created_time: string
}

/** A row of the entity's history table (spec 06 §1); untyped where the definitions are not known in detail. */
export type HistoryRow<D extends DefinitionsInput, T extends string> =
  string extends EntityName<D>
    ? Record<string, unknown>
    : { readonly [K in `${T}_id`]: string } & {
        readonly [K in `${T}_state`]: StateNames<EntityOf<D, T>>
      } & PropertyColumns<EntityOf<D, T>> &
        SystemColumns

/** A current row: a history row that has not ended. */
export type Row<D extends DefinitionsInput, T extends string> = HistoryRow<D, T>
