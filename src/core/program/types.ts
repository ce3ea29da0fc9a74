/** Definitions in the form the engine runs: every path, expression, threshold and literal resolved once (spec 01–03). */
import type { ValueRule } from '../coerce.ts'
import type { DefinitionHashes, DefinitionsObject, EntityDef, PropertyType } from '../definition/model.ts'
import type { Compiled } from '../expression/compile.ts'
import type { HistoryLayout } from '../history.ts'
import type { RawPath } from '../raw-path.ts'
import type { Value } from '../value.ts'

export type SchemaMode = 'enforce' | 'warn' | 'off'

export interface Program {
  readonly definitions: DefinitionsObject
  readonly hashes: DefinitionHashes
  /** Name made from the content (spec 01 §6). */
  readonly version: string
  readonly entities: ReadonlyMap<string, CompiledEntity>
  readonly sources: ReadonlyMap<string, CompiledSource>
  readonly layout: HistoryLayout
  /** Event types some handler of which relates entities. */
  readonly relatingEvents: ReadonlySet<string>
  /** Expressions see the wall clock instead of the event's time (spec 02 §8). */
  readonly wallClock: boolean
}

// ── entities ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface CompiledEntity {
  readonly type: string
  readonly definition: EntityDef
  readonly wallClock: boolean
  readonly starts: CompiledState
  readonly states: ReadonlyMap<string, CompiledState>
  readonly always: ReadonlyMap<string, CompiledHandler>
  readonly identity: ReadonlyMap<string, CompiledIdentity>
  /** In order of declaration. */
  readonly properties: readonly CompiledProperty[]
  /** Computed ones, each after those it reads. */
  readonly computed: readonly CompiledProperty[]
  /** Properties of a newly created entity. */
  readonly initial: Readonly<Record<string, Value>>
  /** Relate effects of any handler, by event type. */
  readonly relates: ReadonlyMap<string, readonly CompiledRelate[]>
}

export interface CompiledIdentity {
  readonly field: string
  readonly caseInsensitive: boolean
  readonly normalize: Compiled | null
}

export interface CompiledProperty {
  readonly name: string
  readonly rule: ValueRule
  readonly compute: Compiled | null
  /** Properties that `compute` reads. */
  readonly inputs: readonly string[]
}

export interface CompiledState {
  readonly name: string
  readonly when: ReadonlyMap<string, CompiledHandler>
  readonly rules: readonly CompiledTimeRule[]
}

export interface CompiledHandler {
  readonly guard: Compiled | null
  readonly effects: readonly CompiledEffect[]
  /** Contains `create`. */
  readonly creates: boolean
}

export interface CompiledTimeRule {
  /** `<state>.after[<index>]`. */
  readonly name: string
  readonly type: 'inactivity' | 'expiration' | 'state_duration'
  /** Milliseconds; thresholds are whole seconds. */
  readonly threshold: number
  readonly effects: readonly CompiledEffect[]
}

export type CompiledEffect =
  | { readonly kind: 'create' }
  | { readonly kind: 'transition'; readonly to: CompiledState; readonly condition: Compiled | null }
  | {
      readonly kind: 'set'
      readonly property: CompiledProperty
      readonly read: Compiled
      readonly condition: Compiled | null
    }
  | {
      readonly kind: 'increment'
      readonly property: CompiledProperty
      readonly by: Value
      readonly condition: Compiled | null
    }
  | { readonly kind: 'relate'; readonly relate: CompiledRelate; readonly condition: Compiled | null }

export interface CompiledRelate {
  readonly type: string
  readonly target: string
  /** `belongs_to` and `has_one`: a new edge ends the previous one of this name. */
  readonly single: boolean
  /** Identity fields of the target taken from event fields; null: the event's own hints for the target. */
  readonly fields: readonly CompiledIdentity[] | null
  /** For `fields === null`: the hint fields for the target, by source. */
  readonly ownFields: ReadonlyMap<string, readonly CompiledIdentity[]>
  readonly properties: readonly CompiledEdgeProperty[]
}

export interface CompiledEdgeProperty {
  readonly name: string
  readonly rule: ValueRule
  readonly initial: Value
  /** Null: not filled by this effect, `initial` applies. */
  readonly read: Compiled | null
}

// ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface CompiledSource {
  readonly name: string
  readonly eventType: RawPath
  readonly timestamp: RawPath
  /** By the source's own name of the event (`raw_type`, else the event type). */
  readonly byRawType: ReadonlyMap<string, CompiledEvent>
  readonly byType: ReadonlyMap<string, CompiledEvent>
}

export interface CompiledEvent {
  readonly type: string
  readonly mappings: readonly CompiledMapping[]
  readonly hints: readonly CompiledHints[]
  readonly identifier: CompiledEventId
  readonly schema: readonly CompiledSchemaField[] | null
  /** Schema violations fail the event, or are only reported. */
  readonly schemaAdvisory: boolean
  /** Fields whose declared type tells the kind that JSON does not show. */
  readonly typed: readonly { readonly field: string; readonly type: 'number' | 'datetime' }[]
}

export interface CompiledMapping {
  readonly field: string
  /** `"field":` as it stands in the `data` JSON. */
  readonly jsonKey: string
  readonly path: RawPath | null
  readonly compute: Compiled | null
  readonly type: PropertyType | null
  readonly default: Value
}

export interface CompiledHints {
  readonly entityType: string
  readonly jsonKey: string
  readonly fields: readonly {
    readonly identity: CompiledIdentity
    readonly mapping: number
    readonly jsonKey: string
  }[]
}

/** The parts of the hashed payload in their order (spec 03 §4). */
export interface CompiledEventId {
  /** `event_type|` */
  readonly head: string
  readonly parts: readonly {
    readonly name: string
    /** `["name",` */
    readonly jsonHead: string
    /** Index of the mapping, or −1: `path` into the raw record. */
    readonly mapping: number
    readonly path: RawPath | null
  }[]
  /** Listed by the user, so a null value fails the event; false: all mapped fields, nulls included. */
  readonly listed: boolean
}

export interface CompiledSchemaField {
  readonly field: string
  /** −1: no mapping produces it. */
  readonly mapping: number
  readonly type: PropertyType
  readonly required: boolean
  readonly allowed: readonly Value[] | null
  readonly min: number | null
  readonly max: number | null
  readonly minLength: number | null
  readonly regex: { test(text: string): boolean } | null
}
