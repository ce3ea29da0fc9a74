/** Working state of an entity as text (spec 04 §4.10). */
import { parseJson, stringifyJson } from './expression/json.ts'
import { type Instant, instantFromText } from './instant.ts'
import { asFloat } from './kinds.ts'
import type { CompiledEntity } from './program/types.ts'
import { getOwn, setOwn } from './raw-path.ts'
import type { EntityState } from './snapshot.ts'
import type { Value } from './value.ts'

/** In this order; instants as canonical text. */
type Encoded = [
  state: string | null,
  createdTime: string | null,
  stateEnteredTime: string | null,
  lastEventTime: string | null,
  lastFiring: string | null,
  lastSnapshot: string | null,
  fired: readonly number[],
  properties: Record<string, Value>,
]

/** Without edges; those live in the relationship tables. */
export function encodeState(state: EntityState): string {
  return stringifyJson([
    state.state,
    state.createdTime,
    state.stateEnteredTime,
    state.lastEventTime,
    state.lastFiring,
    state.lastSnapshot,
    state.fired,
    state.properties,
  ])
}

/** The state `encodeState` was given, with no edges; kinds of values follow the property types. */
export function decodeState(entity: CompiledEntity, id: string, text: string): EntityState {
  const [state, createdTime, stateEnteredTime, lastEventTime, lastFiring, lastSnapshot, fired, stored] = parseJson(
    text,
  ) as Encoded
  const properties: Record<string, Value> = {}
  if (state !== null) {
    for (const { name, rule } of entity.properties) {
      const value = getOwn(stored, name)
      setOwn(properties, name, rule.type === 'number' ? asFloat(value) : asTime(value, rule.type))
    }
  }
  return {
    id,
    type: entity.type,
    state,
    properties,
    createdTime: instant(createdTime),
    stateEnteredTime: instant(stateEnteredTime),
    lastEventTime: instant(lastEventTime),
    lastFiring: instant(lastFiring),
    lastSnapshot: instant(lastSnapshot),
    fired,
    edges: [],
  }
}

function asTime(value: Value, type: string): Value {
  return type === 'datetime' && typeof value === 'string' ? (instantFromText(value) ?? value) : value
}

function instant(text: string | null): Instant | null {
  return text === null ? null : instantFromText(text)
}
