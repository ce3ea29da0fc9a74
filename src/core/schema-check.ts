/** Whether a normalized event meets its schema (spec 03 §3.3). */
import { equal } from './expression/equality.ts'
import { Fault } from './fault.ts'
import { Instant, instantFromText } from './instant.ts'
import type { CompiledSchemaField } from './program/types.ts'
import { getOwn } from './raw-path.ts'
import { Float, type Value } from './value.ts'

/** The first violation in field order, or null. */
export function schemaViolation(
  fields: readonly CompiledSchemaField[],
  data: Readonly<Record<string, Value>>,
): Fault | null {
  for (const field of fields) {
    const value = getOwn(data, field.field)
    if (value === null) {
      if (field.required) return new Fault(`schema: '${field.field}' is required`, field.field)
      continue
    }
    const wrong = violation(field, value)
    if (wrong !== null) return new Fault(`schema: '${field.field}' ${wrong}`, field.field)
  }
  return null
}

function violation(field: CompiledSchemaField, value: Exclude<Value, null>): string | null {
  if (!hasType(value, field.type)) return `must be of type ${field.type}`
  if (field.allowed !== null && !field.allowed.some((one) => equal(one, value))) return 'is not an allowed value'
  const size = value instanceof Float ? value.value : value
  if (typeof size === 'number' || typeof size === 'bigint') {
    if (field.min !== null && size < field.min) return `is below the minimum of ${field.min}`
    if (field.max !== null && size > field.max) return `is above the maximum of ${field.max}`
  }
  if (typeof value === 'string') {
    if (field.minLength !== null && !hasLength(value, field.minLength)) return `is shorter than ${field.minLength}`
    if (field.regex !== null && !field.regex.test(value)) return 'does not match the pattern'
  }
  return null
}

function hasType(value: Exclude<Value, null>, type: CompiledSchemaField['type']): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float
    case 'integer':
      return (
        typeof value === 'bigint' ||
        value instanceof Float ||
        // Floats beyond 2^53 are whole, too.
        (typeof value === 'number' && Number.isInteger(value))
      )
    case 'datetime':
      return value instanceof Instant || (typeof value === 'string' && instantFromText(value) !== null)
  }
}

/** At least `length` code points. */
function hasLength(text: string, length: number): boolean {
  if (text.length < length) return false
  let points = text.length
  for (let i = 0; i < text.length && points >= length; i++) {
    const point = text.codePointAt(i) as number
    if (point > 0xffff) {
      points -= 1
      i += 1
    }
  }
  return points >= length
}
