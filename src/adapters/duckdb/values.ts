/** Values as the driver gives them → values as queries give them (spec 06 §1): instants as canonical text. */
import type { DuckDBDataChunk, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { makeInstant } from '../../core/instant.ts'
import type { Driver } from './instance.ts'

type Convert = (value: DuckDBValue) => unknown

/** Functions that turn chunks of one result into rows. */
export function rowReader(driver: Driver, types: readonly DuckDBType[]): (chunk: DuckDBDataChunk) => unknown[][] {
  const converters = types.map((type) => converterOf(driver, type))
  return (chunk) => {
    const columns = converters.map((convert, index) => {
      const values = chunk.getColumnValues(index)
      return convert === null ? values : values.map((value) => (value === null ? null : convert(value)))
    })
    return Array.from({ length: chunk.rowCount }, (_, row) => columns.map((values) => values[row]))
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
    default:
      return (value) => plain(driver, value)
  }
}

type Values = Omit<Driver, 'DuckDBTypeId'>

function plain(driver: Values, value: DuckDBValue): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof driver.DuckDBTimestampTZValue || value instanceof driver.DuckDBTimestampValue) {
    return canonical(value)
  }
  if (value instanceof driver.DuckDBDecimalValue) return value.scale === 0 ? value.value : Number(value.toString())
  if (value instanceof driver.DuckDBBlobValue) return value.bytes
  if (value instanceof driver.DuckDBListValue || value instanceof driver.DuckDBArrayValue) {
    return value.items.map((item) => plain(driver, item))
  }
  if (value instanceof driver.DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, plain(driver, entry)]))
  }
  return value.toString()
}

/** Infinity and years outside the canonical range stay as the driver writes them. */
function canonical(value: { micros: bigint; isFinite: boolean; toString(): string }): string {
  if (!value.isFinite) return value.toString()
  const below = value.micros % 1000n
  const us = Number(below < 0n ? below + 1000n : below)
  return makeInstant(Number((value.micros - BigInt(us)) / 1000n), us)?.toString() ?? value.toString()
}
