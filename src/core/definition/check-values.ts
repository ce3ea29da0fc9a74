/** E11, E12, E14 (defaults), E31, W04: literals, bounds and their types (spec 01 §2.2, §3.2, §4). */
import { CoercionFailure, coerce } from '../coerce.ts'
import { compileRegex } from '../expression/regex.ts'
import { instantFromText, sameInstant } from '../instant.ts'
import type { Check } from './check.ts'
import type { Literal, PropertyType, SchemaFieldDef } from './model.ts'
import type { Path } from './path.ts'
import { entries, relationshipsOf } from './visit.ts'

export function checkValues(check: Check): void {
  const { entities, sources, schemas } = check.definitions
  for (const [name, entity] of entries(entities)) {
    for (const [property, body] of entries(entity.properties)) {
      const path: Path = ['entities', name, 'properties', property]
      checkConstraints(check, path, body)
      checkDefault(check, path, body)
      if (body.compute !== undefined && body.default !== undefined) {
        const message = `property '${property}' is computed and cannot have a default`
        check.issues.add('E14', [...path, 'default'], message)
      }
      if (body.treatment !== undefined && body.sensitive === undefined) {
        const message = `property '${property}' has a treatment but is not marked 'sensitive': it is never redacted`
        check.issues.add('W04', [...path, 'treatment'], message, 'key')
      }
    }
    for (const { path, relationship } of relationshipsOf(name, entity)) {
      for (const [property, body] of entries(relationship.properties)) {
        checkConstraints(check, [...path, 'properties', property], body)
        checkDefault(check, [...path, 'properties', property], body)
      }
    }
  }
  for (const [name, source] of entries(sources)) {
    for (const [event, { mappings }] of entries(source.events)) {
      for (const [field, { type, default: value }] of entries(mappings)) {
        if (type === undefined || value === undefined || value === null) continue
        if (!(coerce(value, type) instanceof CoercionFailure)) continue
        const message = `default ${shown(value)} doesn't match type '${type}': it cannot be converted`
        check.issues.add('E11', ['sources', name, 'events', event, 'mappings', field, 'default'], message)
      }
    }
  }
  for (const [name, schema] of entries(schemas)) {
    for (const [field, body] of entries(schema.fields))
      checkSchemaField(check, ['schemas', name, 'fields', field], body)
  }
}

interface Constraints {
  type: PropertyType
  default?: Literal
  allowed?: Literal[]
  min?: number
  max?: number
}

/** `allowed`, `min` and `max` against the type and each other. */
function checkConstraints(check: Check, path: Path, body: Constraints): void {
  const { type, min, max } = body
  if (type === undefined) return
  for (const [i, item] of (body.allowed ?? []).entries())
    literalOf(check, [...path, 'allowed', i], 'allowed value', item, type)
  for (const key of ['min', 'max'] as const) {
    if (body[key] === undefined || isNumeric(type)) continue
    const message = `constraint '${key}' needs type number or integer, not '${type}'`
    check.issues.add('E12', [...path, key], message, 'key')
  }
  if (min !== undefined && max !== undefined && min > max) {
    check.issues.add('E12', [...path, 'min'], `constraint min ${min} is greater than max ${max}`)
  }
}

function checkDefault(check: Check, path: Path, { type, default: value, allowed, min, max }: Constraints): void {
  if (type === undefined || value === undefined || value === null) return
  const here = [...path, 'default']
  if (!literalOf(check, here, 'default', value, type)) return
  if (allowed !== undefined && !allowed.some((item) => sameLiteral(item, value, type))) {
    check.issues.add('E12', here, `default ${shown(value)} breaks the constraint 'allowed'`)
  }
  if (!isNumeric(type) || typeof value !== 'number') return
  if (min !== undefined && value < min)
    check.issues.add('E12', here, `default ${value} breaks the constraint min ${min}`)
  if (max !== undefined && value > max)
    check.issues.add('E12', here, `default ${value} breaks the constraint max ${max}`)
}

/** Reports E11 unless `value` is a literal of the type (spec 01 §2.2): no conversion, and booleans are not numbers. */
export function literalOf(check: Check, path: Path, what: string, value: Literal, type: PropertyType): boolean {
  if (isLiteralOf(value, type)) return true
  const message =
    typeof value === 'boolean'
      ? `${what} is boolean, which doesn't match type '${type}'`
      : `${what} ${shown(value)} doesn't match type '${type}'${hintFor(value, type)}`
  check.issues.add('E11', path, message)
  return false
}

function isLiteralOf(value: Literal, type: PropertyType): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'number':
      return typeof value === 'number'
    case 'integer':
      return Number.isSafeInteger(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'datetime':
      return typeof value === 'string' && instantFromText(value) !== null
  }
}

function hintFor(value: Literal, type: PropertyType): string {
  if (type === 'string' && typeof value === 'number') return ': put it in quotes'
  if (type === 'integer' && typeof value === 'number') return ': expected a whole number within ±2^53'
  return type === 'datetime' ? ': expected ISO 8601 text' : ''
}

function sameLiteral(a: Literal, b: Literal, type: PropertyType): boolean {
  if (type !== 'datetime') return a === b
  return sameInstant(instantFromText(String(a)), instantFromText(String(b)))
}

function checkSchemaField(check: Check, path: Path, body: SchemaFieldDef): void {
  const { type, min, max } = body
  if (type === undefined) return
  for (const [i, item] of (body.allowed ?? []).entries())
    literalOf(check, [...path, 'allowed', i], 'allowed value', item, type)
  for (const [key, fits, kinds] of [
    ['min', isNumeric(type), 'number and integer'],
    ['max', isNumeric(type), 'number and integer'],
    ['min_length', type === 'string', 'string'],
    ['regex', type === 'string', 'string'],
  ] as const) {
    if (body[key] === undefined || fits) continue
    check.issues.add('E31', [...path, key], `'${key}' only applies to ${kinds}, not to '${type}'`, 'key')
  }
  if (min !== undefined && max !== undefined && min > max) {
    check.issues.add('E12', [...path, 'min'], `constraint min ${min} is greater than max ${max}`)
  }
  if (body.regex === undefined || type !== 'string') return
  try {
    compileRegex(body.regex)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    check.issues.add(
      'E31',
      [...path, 'regex'],
      `'regex' only applies to text as an RE2 pattern, and this is none: ${why}`,
    )
  }
}

const isNumeric = (type: PropertyType): boolean => type === 'number' || type === 'integer'
const shown = (value: Literal): string => JSON.stringify(value)
