/** Definitions as a user writes them (01), loosely: every optional part may be missing or null. */
import type { Limits, SchemaField } from './coerce.ts'

export interface EntityDef {
  starts: string
  identity: Record<string, { match?: string; normalize?: string } | null>
  properties?: Record<string, Limits & { default?: unknown; compute?: string }> | null
  states: Record<string, StateDef | null>
  always?: Record<string, HandlerDef> | null
  relationships?: RelationshipDef[] | null
}
export interface StateDef {
  when?: Record<string, HandlerDef> | null
  after?: RuleDef[] | null
}
export interface HandlerDef {
  guard?: string
  effects: EffectDef[]
}
export interface RuleDef {
  type: string
  threshold: string
  effects: EffectDef[]
}
export type EffectDef = string | Record<string, EffectBody | null>
export interface SourceOfValue {
  from?: string
  value?: unknown
  compute?: string
}
export interface EffectBody extends SourceOfValue {
  condition?: string
  to?: string
  property?: string
  by?: number
  type?: string
  target?: string
  hints?: Record<string, string[]>
  properties?: Record<string, SourceOfValue>
}
export interface RelationshipDef {
  type: string
  target: string
  cardinality: string
  properties?: Record<string, Limits & { default?: unknown }> | null
}
export interface SourceDef {
  event_type: string
  timestamp: string
  event_id?: string | string[]
  events: Record<string, SourceEventDef>
}
export interface SourceEventDef {
  raw_type?: string
  event_id?: string | string[]
  mappings?: Record<string, { from?: string; compute?: string; type?: string; default?: unknown }> | null
  hints: Record<string, string | string[]>
}
export interface Defs {
  entities: Record<string, EntityDef>
  sources: Record<string, SourceDef>
  schemas?: Record<string, { fields: Record<string, SchemaField> }> | null
}

/** The kind of an effect and its body. */
export function effectOf(effect: EffectDef): [string, EffectBody] {
  if (typeof effect === 'string') return [effect, {}]
  const [kind, body] = Object.entries(effect)[0] as [string, EffectBody | null]
  return [kind, body ?? {}]
}

export function listOf(value: string | string[] | undefined): string[] | null {
  return value === undefined ? null : typeof value === 'string' ? [value] : value
}
