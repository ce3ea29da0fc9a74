/** Declared property types as Postgres columns and COPY fields, and back (spec 06 §1). */
import type { PropertyType } from '../../core/definition/model.ts'
import { Instant, instantFromText } from '../../core/instant.ts'
import { Float, toFloat, type Value } from '../../core/value.ts'
import { copyField } from './connection.ts'

export interface Column {
  readonly name: string
  readonly type: PropertyType
}

/** As `format_type` writes them. */
export const SQL_TYPES: Readonly<Record<PropertyType, string>> = {
  string: 'text',
  number: 'double precision',
  integer: 'bigint',
  boolean: 'boolean',
  datetime: 'timestamp with time zone',
}

/** A null of COPY. */
export const NULL = '\\N'

/**
 * A property as a field of a COPY line. People read these columns, so text is stored as it is; what Postgres cannot hold,
 * U+0000 and lone surrogates, becomes U+FFFD (checkpoints keep it exactly). What is not of the column's type, such as
 * the text that redaction leaves in place of a number, is null (spec 05 §5.2).
 */
export function propertyField(value: Value | undefined, type: PropertyType): string {
  if (value === null || value === undefined) return NULL
  switch (type) {
    case 'string':
      return textField(String(value))
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : NULL
    case 'datetime':
      return value instanceof Instant ? value.toString() : NULL
    case 'integer':
      return Number.isSafeInteger(value) || typeof value === 'bigint' ? String(value) : NULL
    case 'number':
      if (value instanceof Float) return String(value.value)
      return typeof value === 'number' || typeof value === 'bigint' ? String(value) : NULL
  }
}

function textField(text: string): string {
  return copyField(text.includes('\u0000') ? text.replaceAll('\u0000', '\ufffd') : text)
}

/** The value that was stored in a column of this type. */
export function fromColumn(stored: unknown, type: PropertyType): Value {
  if (stored === null || stored === undefined) return null
  switch (type) {
    case 'number':
      return typeof stored === 'number' ? toFloat(stored) : null
    case 'datetime':
      return instantFromText(String(stored))
    default:
      return stored as string | number | bigint | boolean
  }
}
