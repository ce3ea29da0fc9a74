/**
 * The bare work on the same SQLite: tables and indexes of a finished space made again and filled with the same rows by
 * prepared inserts, and its rows read by plain scans. What no engine on this store can beat on this machine.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type Cost, Stopwatch } from './result.ts'
import type { Floor } from './store.ts'
import { removeDatabase } from './store-sqlite.ts'
import { isOutput } from './tables.ts'

/** Rows read at a time. */
const PAGE = 5000

interface SchemaEntry {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly sql: string | null
}

export class SqliteFloor implements Floor {
  readonly inserts = 'prepared inserts'
  readonly #source: DatabaseSync
  readonly #path: string

  /** `source`: the finished space; `path`: a scratch file. */
  constructor(source: string, path: string) {
    this.#source = new DatabaseSync(source, { readOnly: true })
    this.#path = path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#source.close()
    removeDatabase(this.#path)
  }

  async appendLedger(batch: number): Promise<Cost> {
    return this.#refill(['ledger'], batch, 'sequence')
  }

  async writeOutput(batch: number): Promise<Cost> {
    return this.#refill(this.#outputTables(), batch, null)
  }

  async scanMapped(): Promise<Cost> {
    return this.#scan(
      `select l.sequence, l.event_id, l.event_type, l.timestamp, l.source, l.data, l.kinds, e.entity_id, e.entity_type
        from event_entities e cross join ledger l on l.sequence = e.sequence
        order by e.entity_id, l.timestamp, l.sequence`,
    )
  }

  async scanRaw(): Promise<Cost> {
    return this.#scan('select sequence, raw from ledger order by sequence', (row) => JSON.parse(String(row[1])))
  }

  async scanData(): Promise<Cost> {
    return this.#scan('select sequence, data, resolution_hints from ledger order by sequence', (row) => {
      JSON.parse(String(row[1]))
      JSON.parse(String(row[2]))
    })
  }

  async query(sql: string, params: readonly unknown[]): Promise<Cost> {
    const statement = this.#source.prepare(sql)
    statement.setReturnArrays(true)
    const watch = new Stopwatch()
    watch.runNow(() => statement.all(...(params as SQLInputValue[])))
    return watch.cost
  }

  async *ledgerRows(columns: readonly string[]): AsyncGenerator<unknown[][]> {
    const statement = this.#source.prepare(
      `select ${columns.join(', ')} from ledger where sequence > ? and sequence <= ? order by sequence`,
    )
    statement.setReturnArrays(true)
    for (let after = 0; ; after += PAGE) {
      const rows = statement.all(after, after + PAGE) as unknown as unknown[][]
      if (rows.length === 0) return
      yield rows
    }
  }

  async tableBytes(table: string): Promise<number> {
    const names = this.#schema().filter((entry) => entry.tbl_name === table && !entry.name.startsWith('sqlite_'))
    const sql = `select sum(pgsize) as bytes from dbstat where aggregate = true and name in (${names.map(() => '?').join(', ')})`
    return Number(this.#source.prepare(sql).get(...names.map(({ name }) => name))?.['bytes'] ?? 0)
  }

  #outputTables(): string[] {
    const tables = this.#schema().filter(({ type, name }) => type === 'table' && isOutput(name))
    return tables.map(({ name }) => name)
  }

  #schema(): SchemaEntry[] {
    return this.#source.prepare('select type, name, tbl_name, sql from sqlite_schema').all() as unknown as SchemaEntry[]
  }

  #scan(sql: string, use: (row: readonly unknown[]) => void = () => undefined): Cost {
    const statement = this.#source.prepare(sql)
    statement.setReturnArrays(true)
    const watch = new Stopwatch()
    watch.runNow(() => {
      for (const row of statement.iterate()) use(row as unknown as unknown[])
    })
    return watch.cost
  }

  #refill(tables: readonly string[], batch: number, order: string | null): Cost {
    removeDatabase(this.#path)
    const target = new DatabaseSync(this.#path)
    target.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -131072')
    for (const entry of this.#schema()) {
      if (!tables.includes(entry.tbl_name) || entry.sql === null || entry.name.startsWith('sqlite_')) continue
      if (entry.type === 'table' || entry.type === 'index') target.exec(entry.sql)
    }
    const watch = new Stopwatch()
    for (const table of tables) {
      const read = this.#source.prepare(`select * from "${table}"${order === null ? '' : ` order by ${order}`}`)
      read.setReturnArrays(true)
      const insert = target.prepare(
        `insert into "${table}" values (${read
          .columns()
          .map(() => '?')
          .join(', ')})`,
      )
      for (const rows of chunks(read.iterate() as unknown as Iterable<SQLInputValue[]>, batch)) {
        watch.runNow(() => {
          target.exec('begin immediate')
          for (const row of rows) insert.run(...row)
          target.exec('commit')
        })
      }
    }
    target.close()
    removeDatabase(this.#path)
    return watch.cost
  }
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
