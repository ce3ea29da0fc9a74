/** Reading roots, paths and indexes (spec 02 §1, §4). What is missing, or does not fit, is null. */
import { Duration, Instant } from '../instant.ts'
import { getOwn, valueReader } from '../raw-path.ts'
import { Float, kindOf, type Value, type ValueObject } from '../value.ts'
import { characterAt } from './code-points.ts'
import type { EntityView, EvalContext, EventView } from './context.ts'
import { typeFailure } from './errors.ts'
import type { Scope } from './scope.ts'

type Reader = (context: EvalContext) => Value
type Members = Readonly<Record<string, Value>>

const nothing: Reader = () => null

const EVENT_BUILT_INS = new Map<string, (event: EventView) => Value>([
  ['timestamp', (event) => event.timestamp],
  ['event_type', (event) => event.eventType],
  ['event_id', (event) => event.eventId],
  ['source', (event) => event.source],
])

const ENTITY_BUILT_INS = new Map<string, (entity: EntityView) => Value>([
  ['state', (entity) => entity.state],
  ['id', (entity) => entity.id],
  ['created_time', (entity) => entity.createdTime],
  ['state_entered_time', (entity) => entity.stateEnteredTime],
  ['last_event_time', (entity) => entity.lastEventTime],
])

/** Names of `event.*` and `entity.*` that exist without a mapping or a property. */
export const BUILT_INS: { readonly event: ReadonlySet<string>; readonly entity: ReadonlySet<string> } = {
  event: new Set(EVENT_BUILT_INS.keys()),
  entity: new Set(ENTITY_BUILT_INS.keys()),
}

/** Whether the root has content in this scope; without, every path of it is null. */
export function hasContent(root: string, scope: Scope): boolean {
  if (root === 'event') return scope.event === 'event' || scope.event === 'raw'
  if (root === 'entity') return scope.entity === 'entity'
  return root === 'value' && scope.value
}

export function pathReader(root: string, path: readonly string[], scope: Scope): Reader {
  if (!hasContent(root, scope)) return nothing
  const [first, ...rest] = path
  const read = firstReader(root, first, scope)
  if (rest.length === 0) return read
  const walk = valueReader(rest)
  return (context) => walk(read(context))
}

function firstReader(root: string, first: string | undefined, scope: Scope): Reader {
  if (root === 'value') {
    // The hint is text, which has no fields.
    return first === undefined ? (context) => context.value ?? null : nothing
  }
  if (root === 'entity') return entityReader(first)
  return scope.event === 'raw' ? rawReader(first) : eventReader(first)
}

/** A field of the data, which the plain lookup finds unless every object inherits something of that name. */
function memberReader(name: string): (members: Members) => Value {
  return name in Object.prototype ? (members) => getOwn(members, name) : (members) => members[name] ?? null
}

function rawReader(name: string | undefined): Reader {
  if (name === undefined) return (context) => (context.raw ?? null) as Value
  const read = memberReader(name)
  return ({ raw }) => (typeof raw === 'object' && raw !== null ? read(raw as Members) : null)
}

function eventReader(name: string | undefined): Reader {
  if (name === undefined) return ({ event }) => (event === null ? null : event.data)
  const builtIn = EVENT_BUILT_INS.get(name)
  if (builtIn !== undefined) {
    return ({ event }) => {
      if (event === null) return null
      return Object.hasOwn(event.data, name) ? (event.data[name] ?? null) : builtIn(event)
    }
  }
  const read = memberReader(name)
  return ({ event }) => (event === null ? null : read(event.data))
}

function entityReader(name: string | undefined): Reader {
  if (name === undefined) return ({ entity }) => (entity === null || entity.state === null ? null : entity.properties)
  const builtIn = ENTITY_BUILT_INS.get(name)
  if (builtIn !== undefined) {
    return ({ entity }) => {
      if (entity === null || entity.state === null) return null
      return Object.hasOwn(entity.properties, name) ? (entity.properties[name] ?? null) : builtIn(entity)
    }
  }
  const read = memberReader(name)
  return ({ entity }) => (entity === null || entity.state === null ? null : read(entity.properties))
}

/** `object[index]`; throws a `Failure` for an object or an index of the wrong type. */
export function elementAt(object: Value, index: Value): Value {
  if (object === null || index === null) return null
  if (typeof object === 'string') return characterAt(object, position(index, object))
  if (Array.isArray(object)) return (object as readonly Value[]).at(position(index, object)) ?? null
  if (!isObject(object)) throw typeFailure(`Cannot index ${kindOf(object)}`)
  if (typeof index !== 'string') throw typeFailure(`Cannot index Object with ${kindOf(index)}`)
  return getOwn(object, index) ?? null
}

/** An Int too large to be exact is outside of everything anyway. */
function position(index: Value, object: Value): number {
  if (typeof index === 'number' && Number.isSafeInteger(index)) return index
  if (typeof index === 'bigint') return Number(index)
  throw typeFailure(`Cannot index ${kindOf(object)} with ${kindOf(index)}`)
}

function isObject(value: Value): value is ValueObject {
  if (typeof value !== 'object' || value === null) return false
  return !(value instanceof Instant || value instanceof Duration || value instanceof Float)
}
