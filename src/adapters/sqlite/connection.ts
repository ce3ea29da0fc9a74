/** One driver connection with its prepared statements. Rows come back as arrays in select order. */
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { narrow, type Param } from './columns.ts'
import { isOutOfRange } from './errors.ts'

export type { Param }
export type Row = SQLOutputValue[]

const BUSY_TIMEOUT_MS = 5000
const CACHE_KIB = { write: 131_072, read: 65_536 }
/** Reading through a mapping of the file halves the time of a replay by entity (measured); it counts as memory in use. */
const READ_MAP_BYTES = 512 * 1024 * 1024

export class Connection {
  readonly db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** `path` is a file or `:memory:`. */
  constructor(path: string, mode: 'write' | 'read') {
    this.db = new DatabaseSync(path, {
      readOnly: mode === 'read',
      timeout: BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: true,
    })
    // A negative cache_size is in KiB.
    this.db.exec(`pragma cache_size = -${CACHE_KIB[mode]}`)
    this.db.exec(mode === 'write' ? 'pragma synchronous = normal' : `pragma mmap_size = ${READ_MAP_BYTES}`)
  }

  /** The prepared statement of this text, made once. Never iterate it: open iterators need a statement of their own. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.db.prepare(sql, { returnArrays: true })
      this.#statements.set(sql, statement)
    }
    return statement
  }

  run(sql: string, ...params: Param[]): number {
    return Number(this.statement(sql).run(...params).changes)
  }

  get(sql: string, ...params: Param[]): Row | undefined {
    return this.statement(sql).get(...params) as unknown as Row | undefined
  }

  all(sql: string, ...params: Param[]): Row[] {
    return this.statement(sql).all(...params) as unknown as Row[]
  }

  /** As `all`, with `bigint` for whole numbers beyond the safe range, which otherwise make the driver throw. */
  allExact(sql: string, ...params: Param[]): Row[] {
    try {
      return this.all(sql, ...params)
    } catch (error) {
      if (!isOutOfRange(error)) throw error
    }
    const exact = this.db.prepare(sql, { readBigInts: true, returnArrays: true })
    const rows = exact.all(...params) as unknown as Row[]
    return rows.map((row) => row.map((value) => narrow(value) as SQLOutputValue))
  }

  /** Rows one by one, from a statement of its own. Leaving the loop ends the statement and its snapshot. */
  iterate(sql: string, ...params: Param[]): IteratorObject<Row> {
    return this.db.prepare(sql, { returnArrays: true }).iterate(...params) as unknown as IteratorObject<Row>
  }

  exec(sql: string): void {
    this.db.exec(sql)
  }

  hasTable(name: string): boolean {
    return this.get(`select 1 from sqlite_schema where type in ('table', 'view') and name = ?`, name) !== undefined
  }

  close(): void {
    this.#statements.clear()
    if (this.db.isOpen) this.db.close()
  }
}
