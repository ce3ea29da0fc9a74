/** Coercion (03 §3.1) and conforming to a property (03 §5), case by case. */
import { Failure, same, Time, textOf, timeFrom, timeFromIso, type V } from './values.ts'

const INT = 2n ** 63n
const YES = ['true', '1', 'yes']
const NO = ['false', '0', 'no']

function fail(value: V, type: string): never {
  const kind = value === null ? 'null' : typeof value
  throw new Failure(`cannot make ${type} from ${kind}`)
}

function intFrom(value: bigint, type: string): bigint {
  return value >= -INT && value < INT ? value : fail(value, type)
}

export function coerce(value: V, type: string): V {
  if (value === null) return null
  switch (type) {
    case 'string':
      return textOf(value) ?? fail(value, type)
    case 'number':
      if (typeof value === 'bigint') return Number(value)
      if (typeof value === 'number') return value
      if (typeof value === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)) {
        return Number.isFinite(Number(value)) ? Number(value) : fail(value, type)
      }
      return fail(value, type)
    case 'integer':
      if (typeof value === 'bigint') return value
      if (typeof value === 'number') return intFrom(BigInt(Math.trunc(value)), type)
      if (typeof value === 'string' && /^[+-]?\d+$/.test(value)) return intFrom(BigInt(value.replace('+', '')), type)
      return fail(value, type)
    case 'boolean':
      if (typeof value === 'boolean') return value
      if (typeof value === 'bigint') return value !== 0n
      if (typeof value === 'string' && YES.includes(value.toLowerCase())) return true
      if (typeof value === 'string' && NO.includes(value.toLowerCase())) return false
      return fail(value, type)
    default:
      return timeFrom(value) ?? fail(value, type)
  }
}

export interface Limits {
  type: string
  allowed?: unknown[] | null
  min?: number | null
  max?: number | null
}

export function conform(value: V, limits: Limits, field: string): V {
  try {
    return within(withoutLoss(value, limits.type), limits)
  } catch (error) {
    throw new Failure((error as Error).message, field)
  }
}

function withoutLoss(value: V, type: string): V {
  if (value === null) return null
  if (type === 'integer' && typeof value === 'number' && !Number.isInteger(value)) return fail(value, type)
  if (type === 'boolean' && typeof value === 'bigint' && value !== 0n && value !== 1n) return fail(value, type)
  return coerce(value, type)
}

function within(value: V, limits: Limits): V {
  if (value === null) return null
  const allowed = limits.allowed?.map((item) => literal(item, limits.type))
  if (allowed && !allowed.some((item) => same(item, value))) throw new Failure('not allowed')
  if (
    (typeof value === 'bigint' || typeof value === 'number') &&
    (value < (limits.min ?? value) || value > (limits.max ?? value))
  ) {
    throw new Failure('out of bounds')
  }
  return value
}

/** A literal of the definitions as a value of the declared type. */
export function literal(item: unknown, type: string | null): V {
  if (item === null || item === undefined) return null
  const plain: V = typeof item === 'number' && Number.isSafeInteger(item) ? BigInt(item) : (item as V)
  return type === null ? plain : coerce(plain, type)
}

export interface SchemaField extends Limits {
  required?: boolean
  min_length?: number
  regex?: string
}

/** 03 §3.3; throws with the field at fault. */
export function checkSchema(data: Map<string, V>, fields: Record<string, SchemaField>): void {
  for (const [field, rule] of Object.entries(fields)) {
    const value = data.get(field) ?? null
    if (value === null) {
      if (rule.required) throw new Failure('required', field)
      continue
    }
    if (!ofType(value, rule.type)) throw new Failure('wrong type', field)
    if (rule.allowed && !rule.allowed.some((item) => same(literal(item, null), value)))
      throw new Failure('allowed', field)
    if (typeof value === 'bigint' || typeof value === 'number') {
      if (value < (rule.min ?? value) || value > (rule.max ?? value)) throw new Failure('bounds', field)
    }
    if (typeof value !== 'string') continue
    if ([...value].length < (rule.min_length ?? 0)) throw new Failure('too short', field)
    if (rule.regex !== undefined && !new RegExp(rule.regex, 'u').test(value)) throw new Failure('pattern', field)
  }
}

function ofType(value: V, type: string): boolean {
  if (type === 'string') return typeof value === 'string'
  if (type === 'number') return typeof value === 'number' || typeof value === 'bigint'
  if (type === 'integer') return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
  if (type === 'boolean') return typeof value === 'boolean'
  return value instanceof Time || (typeof value === 'string' && timeFromIso(value) !== null)
}
