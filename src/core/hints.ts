/** Identity values of events in their canonical form (spec 03 §6). */
import type { LedgerEvent } from './event.ts'
import type { EvalContext } from './expression/context.ts'
import { Fault, faultOf } from './fault.ts'
import { Instant } from './instant.ts'
import type { CompiledIdentity } from './program/types.ts'
import { getOwn } from './raw-path.ts'
import { Float, floatText, type Value } from './value.ts'

/** The text a value has as a hint; null: kinds that are no hint. */
function hintText(value: Value): string | null {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
      return floatText(value)
    case 'bigint':
      return String(value)
    default:
      if (value instanceof Float) return floatText(value.value)
      return value instanceof Instant ? value.toString() : null
  }
}

/**
 * The canonical hint of a field's value: as text, through `normalize`, lower-cased if the field says so. Null: no hint.
 * Uses `context.value`; throws a `Fault` naming the identity field if `normalize` fails or gives no text.
 */
export function canonicalHint(identity: CompiledIdentity, value: Value, context: EvalContext): string | null {
  let text = hintText(value)
  if (text === null) return null
  if (identity.normalize !== null) {
    context.value = text
    let result: Value
    try {
      result = identity.normalize(context)
    } catch (error) {
      throw faultOf(error, identity.field)
    }
    if (result === null) return null
    if (typeof result === 'boolean' || (typeof result === 'object' && !(result instanceof Float))) {
      throw new Fault(`normalize of identity field '${identity.field}' must give text`, identity.field)
    }
    text = hintText(result) as string
  }
  if (identity.caseInsensitive) text = text.toLowerCase()
  return text === '' ? null : text
}

/**
 * What a field of an event says about an entity type: the canonical hint, or of a treated field the token that was kept of it
 * (spec 05 §5.3). Its text never speaks.
 */
export function hintOf(
  identity: CompiledIdentity,
  entityType: string,
  { data, treated }: Pick<LedgerEvent, 'data' | 'treated'>,
  context: EvalContext,
): string | null {
  const tokens = treated === undefined ? null : getOwn(treated, identity.field)
  if (tokens !== null) return getOwn(tokens, entityType)
  return canonicalHint(identity, getOwn(data, identity.field), context)
}
