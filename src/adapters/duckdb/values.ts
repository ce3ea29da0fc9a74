/** Values as the driver gives them → values as queries give them (spec 06 §1): instants as canonical text. */
import type {
  DuckDBDataChunk,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBType,
  DuckDBValue,
} from '@duckdb/node-api'
import { makeInstant } from '../../core/instant.ts'
import type { Driver } from './instance.ts'

type Convert = (value: DuckDBValue) => unknown

/** Functions that turn chunks of one result into rows. */
export function rowReader(driver: Driver, types: readonly DuckDBType[]): (chunk: DuckDBDataChunk) => unknown[][] {
  const converters = types.map((type) => converterOf(driver, type))
  return (chunk) => {
    const rows: unknown[][] = Array.from({ length: chunk.rowCount }, () => [])
    converters.forEach((convert, index) => {
      const values = chunk.getColumnValues(index)
      rows.forEach((row, at) => {
        const value = values[at] as DuckDBValue
        row.push(convert === null || value === null ? value : convert(value))
      })
    })
    return rows
  }
}

/** Null: the values stay as they are. */
function converterOf({ DuckDBTypeId: Id, ...driver }: Driver, { typeId }: DuckDBType): Convert | null {
  switch (typeId) {
    case Id.VARCHAR:
    case Id.ENUM:
    case Id.BOOLEAN:
    case Id.BIGINT:
    case Id.HUGEINT:
    case Id.DOUBLE:
    case Id.FLOAT:
    case Id.TINYINT:
    case Id.SMALLINT:
    case Id.INTEGER:
    case Id.UTINYINT:
    case Id.USMALLINT:
    case Id.UINTEGER:
    case Id.UBIGINT:
    case Id.UHUGEINT:
      return null
    case Id.TIMESTAMP:
    case Id.TIMESTAMP_TZ:
      return instants()
    default:
      return (value) => plain(driver, value)
  }
}

/** One instant often stands in many rows. */
function instants(): Convert {
  let last: bigint | null = null
  let text = ''
  return (value) => {
    const instant = value as DuckDBTimestampTZValue | DuckDBTimestampValue
    if (instant.micros !== last) {
      text = canonical(instant)
      last = instant.micros
    }
    return text
  }
}

type Values = Omit<Driver, 'DuckDBTypeId'>

function plain(driver: Values, value: DuckDBValue): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof driver.DuckDBTimestampTZValue || value instanceof driver.DuckDBTimestampValue) {
    return canonical(value)
  }
  if (value instanceof driver.DuckDBDecimalValue) return value.scale === 0 ? value.value : Number(value.toString())
  if (value instanceof driver.DuckDBBlobValue) return new Uint8Array(value.bytes)
  if (value instanceof driver.DuckDBListValue || value instanceof driver.DuckDBArrayValue) {
    return value.items.map((item) => plain(driver, item))
  }
  if (value instanceof driver.DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, plain(driver, entry)]))
  }
  return value.toString()
}

/** Infinity and years outside the canonical range stay as the driver writes them. */
function canonical(value: DuckDBTimestampTZValue | DuckDBTimestampValue): string {
  if (!value.isFinite) return value.toString()
  // Doubles are faster, and exact until the year 2255.
  const micros = Number(value.micros)
  const ms = Number.isSafeInteger(micros) ? Math.floor(micros / 1000) : Number(value.micros / 1000n)
  const us = Number.isSafeInteger(micros) ? micros - ms * 1000 : Number(value.micros - BigInt(ms) * 1000n)
  return makeInstant(ms, us)?.toString() ?? value.toString()
}
