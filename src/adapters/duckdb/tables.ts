/** Tables in DuckDB from tables on their way out (spec 06 §1, §7): rows go in as vectors. */
import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type { PropertyType } from '../../core/definition/model.ts'
import { stringifyJson } from '../../core/expression/json.ts'
import { type Instant, instantFromDate, instantFromText } from '../../core/instant.ts'
import { StorageError } from '../../errors.ts'
import type { ExportColumn, ExportTable, WriteOptions } from '../../ports/exports.ts'
import { type Driver, loadDriver, quote } from './instance.ts'

export interface TableRef {
  /** `main` unless given. */
  readonly schema?: string
  readonly name: string
}

/** Rows of a vector. */
const VECTOR = 2_048
const FLUSH_BYTES = 16 * 1024 * 1024
/** Rows of a vector that are weighed. */
const WEIGHED = 32
/** Instants remembered as DuckDB's. */
const REMEMBERED = 8_192

export const SQL_TYPES: Readonly<Record<PropertyType, string>> = {
  string: 'VARCHAR',
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  datetime: 'TIMESTAMPTZ',
}

const MIN_BIGINT = -(2n ** 63n)
const MAX_BIGINT = 2n ** 63n - 1n

/** Makes the table; columns of unknown type become text until `appendChunks` has seen their values. */
export async function createTable(
  connection: DuckDBConnection,
  table: string | TableRef,
  columns: readonly ExportColumn[],
): Promise<void> {
  const list = columns.map(({ name, type }) => `${quote(name)} ${SQL_TYPES[type === 'unknown' ? 'string' : type]}`)
  await connection.run(`create table ${qualified(table)} (${list.join(', ')})`)
}

/**
 * Appends the rows of `table` to a table that `createTable` made of the same columns; returns how many. A column of unknown
 * type gets that of its values, and a wider one if later values need it.
 */
export async function appendChunks(
  connection: DuckDBConnection,
  target: string | TableRef,
  table: ExportTable,
  { signal, onProgress }: WriteOptions = {},
): Promise<number> {
  const filler = new Filler(await loadDriver(), connection, target, table)
  let rows = 0
  try {
    for await (const chunk of table.chunks) {
      for (let at = 0; at < chunk.length; at += VECTOR) {
        signal?.throwIfAborted()
        const some = at === 0 && chunk.length <= VECTOR ? chunk : chunk.slice(at, at + VECTOR)
        await filler.add(some)
        rows += some.length
        onProgress?.({ table: table.name, rows })
      }
    }
    signal?.throwIfAborted()
    filler.finish()
    return rows
  } catch (error) {
    filler.abandon()
    throw error
  }
}

/** How large a row is in memory, about, going by some of them. */
export function rowBytes(rows: readonly (readonly unknown[])[]): number {
  const step = Math.max(1, Math.floor(rows.length / WEIGHED))
  let [bytes, count] = [0, 0]
  for (let i = 0; i < rows.length; i += step) {
    count += 1
    for (const value of rows[i] ?? []) bytes += typeof value === 'string' ? value.length + 16 : 16
  }
  return count === 0 ? 0 : bytes / count
}

export function qualified(table: string | TableRef): string {
  if (typeof table === 'string') return quote(table)
  return table.schema === undefined ? quote(table.name) : `${quote(table.schema)}.${quote(table.name)}`
}

class Filler {
  readonly #driver: Driver
  readonly #connection: DuckDBConnection
  readonly #target: string | TableRef
  readonly #names: readonly string[]
  /** Types of the columns as they are now; null: of unknown type, and nothing seen yet but null. */
  readonly #types: (PropertyType | null)[]
  readonly #open: readonly number[]
  #waiting = 0
  readonly #timestamps = new Map<unknown, DuckDBValue>()
  #appender: DuckDBAppender | null = null
  /** One for all rows: the memory of chunks is not known to the garbage collector, which frees them late. */
  #chunk: DuckDBDataChunk | null = null

  constructor(driver: Driver, connection: DuckDBConnection, target: string | TableRef, table: ExportTable) {
    this.#driver = driver
    this.#connection = connection
    this.#target = target
    this.#names = table.columns.map(({ name }) => name)
    this.#types = table.columns.map(({ type }) => (type === 'unknown' ? null : type))
    this.#open = table.columns.flatMap(({ type }, index) => (type === 'unknown' ? [index] : []))
  }

  async add(rows: readonly (readonly unknown[])[]): Promise<void> {
    for (const index of this.#open) await this.#widen(index, rows)
    this.#appender ??= await this.#createAppender()
    this.#chunk ??= this.#driver.DuckDBDataChunk.create(this.#types.map((type) => this.#typeOf(type)))
    const chunk = this.#chunk
    chunk.reset()
    chunk.rowCount = rows.length
    this.#types.forEach((type, index) => {
      chunk.setColumnValues(index, this.#vector(rows, index, type ?? 'string'))
    })
    this.#appender.appendDataChunk(chunk)
    this.#waiting += rows.length * rowBytes(rows)
    if (this.#waiting < FLUSH_BYTES) return
    // By itself the appender keeps a hundred vectors in memory, however large their rows are.
    this.#appender.flushSync()
    this.#waiting = 0
  }

  finish(): void {
    this.#appender?.closeSync()
    this.#appender = null
  }

  /** The rows appended so far may or may not be in the table. */
  abandon(): void {
    try {
      this.finish()
    } catch {
      // It could not write; the failure that led here says why.
    }
  }

  #createAppender(): Promise<DuckDBAppender> {
    const { schema, name } = typeof this.#target === 'string' ? { name: this.#target } : this.#target
    return this.#connection.createAppender(name, schema ?? null)
  }

  async #widen(index: number, rows: readonly (readonly unknown[])[]): Promise<void> {
    const before = this.#types[index] ?? null
    let type = before
    for (const row of rows) type = wider(type, row[index])
    if (type === before) return
    this.finish()
    this.#chunk = null
    this.#types[index] = type
    // Of a column that holds nothing but null, or numbers: every value has its counterpart.
    const [column, stored] = [quote(this.#names[index] ?? ''), SQL_TYPES[type ?? 'string']]
    const table = qualified(this.#target)
    await this.#connection.run(`alter table ${table} alter column ${column} set data type ${stored}`)
  }

  #typeOf(type: PropertyType | null): DuckDBType {
    const { BIGINT, BOOLEAN, DOUBLE, TIMESTAMPTZ, VARCHAR } = this.#driver
    return { string: VARCHAR, number: DOUBLE, integer: BIGINT, boolean: BOOLEAN, datetime: TIMESTAMPTZ }[
      type ?? 'string'
    ]
  }

  #vector(rows: readonly (readonly unknown[])[], index: number, type: PropertyType): DuckDBValue[] {
    const convert = this.#converter(type)
    return rows.map((row) => {
      const value = row[index]
      if (value === null || value === undefined) return null
      const stored = convert(value)
      if (stored !== undefined) return stored
      throw new StorageError(`write: column "${this.#names[index]}" holds a value that is no ${type}`, {
        details: { operation: 'write', driver: 'duckdb', column: this.#names[index] },
      })
    })
  }

  /** Rows repeat their instants: most columns of a row, and of its neighbours, hold the same ones. */
  #timestamp(value: unknown): DuckDBValue | undefined {
    const known = this.#timestamps.get(value)
    if (known !== undefined) return known
    const instant = instantOf(value)
    if (instant === null) return undefined
    const made = new this.#driver.DuckDBTimestampTZValue(microsOf(instant))
    if (this.#timestamps.size >= REMEMBERED) this.#timestamps.clear()
    if (typeof value === 'string') this.#timestamps.set(value, made)
    return made
  }

  /** Undefined: the value is of another type. */
  #converter(type: PropertyType): (value: unknown) => DuckDBValue | undefined {
    switch (type) {
      case 'string':
        return textOf
      case 'number':
        return (value) => (typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined)
      case 'integer':
        return wholeOf
      case 'boolean':
        return (value) => (typeof value === 'boolean' ? value : undefined)
      case 'datetime':
        return (value) => this.#timestamp(value)
    }
  }
}

/** The type that holds `value` besides what `type` held so far. */
function wider(type: PropertyType | null, value: unknown): PropertyType | null {
  const own = ownType(value)
  if (own === null || own === type || type === 'string') return type
  if (type === null) return own
  const numbers = (type === 'integer' && own === 'number') || (type === 'number' && own === 'integer')
  return numbers ? 'number' : 'string'
}

function ownType(value: unknown): PropertyType | null {
  switch (typeof value) {
    case 'undefined':
      return null
    case 'boolean':
      return 'boolean'
    case 'bigint':
      return value >= MIN_BIGINT && value <= MAX_BIGINT ? 'integer' : 'string'
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'integer' : 'number'
    default:
      if (value === null) return null
      return value instanceof Date ? 'datetime' : 'string'
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return instantFromDate(value)?.toString() ?? ''
  return typeof value === 'object' ? stringifyJson(value) : String(value)
}

function wholeOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  return typeof value === 'bigint' && value >= MIN_BIGINT && value <= MAX_BIGINT ? value : undefined
}

function instantOf(value: unknown): Instant | null {
  if (typeof value === 'string') return instantFromText(value)
  return value instanceof Date ? instantFromDate(value) : null
}

export function microsOf(instant: Instant): bigint {
  return BigInt(instant.ms) * 1000n + BigInt(instant.us)
}
