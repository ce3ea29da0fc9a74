/** Driver values → JavaScript values by column type (spec 06 §1). */
import { instantFromText } from '../core/instant.ts'
import type { Column, Columns } from './column.ts'

export interface RowOptions {
  /** How instants are returned: canonical text (default) or `Date` (milliseconds; finer digits are cut). */
  dates?: 'string' | 'date'
}
export type Row = Record<string, unknown>
type Decode = (value: unknown) => unknown

/** Turns driver rows (arrays in select order) into plain objects. `names` are used where columns are not known. */
export function rowDecoder(columns: Columns, names: readonly string[], options: RowOptions): (row: unknown[]) => Row {
  const known: readonly Column[] = columns ?? names.map((name) => ({ name, type: 'unknown' }))
  const decoders = known.map((column): Decode => decoderOf(column, options))
  const keys = known.map((column) => column.name)
  // Assigning to `__proto__` would set the prototype instead of a field.
  const harmless = !keys.includes('__proto__')
  return (row) => {
    if (!harmless) return Object.fromEntries(keys.map((key, i) => [key, decoders[i]?.(row[i])]))
    const out: Row = {}
    for (let i = 0; i < keys.length; i++) out[keys[i] as string] = (decoders[i] as Decode)(row[i])
    return out
  }
}

function decoderOf(column: Column, options: RowOptions): Decode {
  switch (column.type) {
    case 'integer':
      return integer
    case 'number':
      // Not every database has a negative zero.
      return (value) => (value === null ? null : Number(value) + 0)
    case 'boolean':
      return (value) => (value === null || typeof value === 'boolean' ? value : Number(value) !== 0)
    case 'datetime':
      return options.dates === 'date' ? toDate : toText
    case 'string':
      return (value) => value
    case 'unknown':
      return (value) => (typeof value === 'bigint' ? integer(value) : value)
  }
}

function integer(value: unknown): unknown {
  if (value === null || typeof value === 'number') return value
  const exact = typeof value === 'bigint' ? value : BigInt(value as string)
  const small = Number(exact)
  return Number.isSafeInteger(small) ? small : exact
}

function toText(value: unknown): unknown {
  return value instanceof Date ? (instantFromText(value.toISOString())?.toString() ?? null) : value
}

function toDate(value: unknown): unknown {
  return typeof value === 'string' ? (instantFromText(value)?.toDate() ?? value) : value
}
