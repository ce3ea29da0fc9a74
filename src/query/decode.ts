/** Driver values → JavaScript values by column type (spec 06 §1). */
import { instantFromText } from '../core/instant.ts'
import type { Column, Columns, ColumnType } from './column.ts'

export interface RowOptions {
  /** How instants are returned: canonical text (default) or `Date` (milliseconds; finer digits are cut). */
  dates?: 'string' | 'date'
}
/** Options of every terminal call that returns rows. */
export interface ReadRowOptions extends RowOptions {
  /** Ends the statement in the database too, where it runs on a server. */
  signal?: AbortSignal
}
export type Row = Record<string, unknown>
export type Decode = (value: unknown) => unknown

/** Turns driver rows (arrays in select order) into plain objects. `names` are used where columns are not known. */
export function rowDecoder(columns: Columns, names: readonly string[], options: RowOptions): (row: unknown[]) => Row {
  const known = knownColumns(columns, names)
  const decoders = known.map((column) => decoderOf(column.type, options))
  const keys = known.map((column) => column.name)
  // Assigning to `__proto__` would set the prototype instead of a field.
  const harmless = !keys.includes('__proto__')
  return (row) => {
    if (!harmless) return Object.fromEntries(keys.map((key, i) => [key, decodeCell(decoders[i] ?? null, row[i])]))
    const out: Row = {}
    for (let i = 0; i < keys.length; i++) {
      out[keys[i] as string] = decodeCell(decoders[i] as Decode | null, row[i])
    }
    return out
  }
}

/** The columns, or those the database names where only it knows them. */
export function knownColumns(columns: Columns, names: readonly string[]): readonly Column[] {
  return columns ?? names.map((name) => ({ name, type: 'unknown' }))
}

export function decodeCell(decode: Decode | null, value: unknown): unknown {
  return decode === null || value === null ? value : decode(value)
}

/** What values of a type go through, null excepted; null: nothing. */
export function decoderOf(type: ColumnType, options: RowOptions): Decode | null {
  switch (type) {
    case 'integer':
      return integer
    case 'number':
      // Not every database has a negative zero.
      return (value) => Number(value) + 0
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? value : Number(value) !== 0)
    case 'datetime':
      return options.dates === 'date' ? toDate : toText
    case 'string':
      return null
    case 'unknown':
      return (value) => (typeof value === 'bigint' ? integer(value) : value)
  }
}

function integer(value: unknown): unknown {
  if (typeof value === 'number') return value
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
