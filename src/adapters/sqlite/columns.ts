/** Declared property types as SQLite columns and parameters, and back (spec 06 §1). */
import type { PropertyType } from '../../core/definition/model.ts'
import { instantFromText } from '../../core/instant.ts'
import { asNumber, Float, toFloat, type Value } from '../../core/value.ts'

/** What the driver binds. */
export type Param = null | number | bigint | string

export interface Column {
  readonly name: string
  readonly type: PropertyType
}

export const SQL_TYPES: Readonly<Record<PropertyType, string>> = {
  string: 'TEXT',
  number: 'REAL',
  integer: 'INTEGER',
  boolean: 'INTEGER',
  datetime: 'TEXT',
}

/** What is bound for a value that conforms to its column. */
export function toParam(value: Value | undefined): Param {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
      return value
    case 'boolean':
      return value ? 1 : 0
    default:
      if (value === null || value === undefined) return null
      return value instanceof Float ? asNumber(value) : String(value)
  }
}

/** The value that was bound for a column of this type. */
export function fromColumn(stored: unknown, type: PropertyType): Value {
  if (stored === null || stored === undefined) return null
  switch (type) {
    case 'number':
      return typeof stored === 'number' ? toFloat(stored) : null
    case 'boolean':
      return stored === 1
    case 'datetime':
      return instantFromText(String(stored))
    default:
      return stored as string | number | bigint
  }
}

/** Whole numbers come as `number`, and as `bigint` only where a `number` cannot hold them. */
export function narrow(stored: unknown): unknown {
  if (typeof stored !== 'bigint') return stored
  const small = Number(stored)
  return Number.isSafeInteger(small) ? small : stored
}
