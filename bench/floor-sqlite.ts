/**
 * The bare work on the same SQLite: tables and indexes of a finished space made again and filled with the same rows by
 * prepared inserts, and its rows read by plain scans. What no engine on this store can beat on this machine.
 */
import { rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type Cost, Stopwatch } from './result.ts'

/** Tables whose rows are what processing events leaves behind. */
const NOT_OUTPUT =
  /^(sqlite_.*|ledger|head|source_counts|definition_versions|mapping_state|build_state|shadow_builds|history_layouts|namespace_lock|migrations?|meta|.*~shadow)$/

interface SchemaEntry {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly sql: string | null
}

export class Floor {
  readonly #source: DatabaseSync
  readonly #path: string

  /** `source`: the finished space; `path`: a scratch file. */
  constructor(source: string, path: string) {
    this.#source = new DatabaseSync(source, { readOnly: true })
    this.#path = path
  }

  close(): void {
    this.#source.close()
    this.#remove()
  }

  /** To insert all ledger rows, `batch` per transaction. */
  appendLedger(batch: number): Cost {
    return this.#refill(['ledger'], batch, 'sequence')
  }

  /** To insert everything that processing wrote: identity, mappings, history, relationships, checkpoints. */
  writeOutput(batch: number): Cost {
    return this.#refill(this.#outputTables(), batch, null)
  }

  /** To read what a full build reads: every mapped event by entity and time. */
  scanMapped(): Cost {
    return this.#scan(
      `select l.sequence, l.event_id, l.event_type, l.timestamp, l.source, l.data, l.kinds, e.entity_id, e.entity_type
        from event_entities e cross join ledger l on l.sequence = e.sequence
        order by e.entity_id, l.timestamp, l.sequence`,
    )
  }

  /** To read and parse every raw record. */
  scanRaw(): Cost {
    return this.#scan('select sequence, raw from ledger order by sequence', (row) => JSON.parse(String(row[1])))
  }

  /** To read and parse the data and hints of every event. */
  scanData(): Cost {
    return this.#scan('select sequence, data, resolution_hints from ledger order by sequence', (row) => {
      JSON.parse(String(row[1]))
      JSON.parse(String(row[2]))
    })
  }

  /** One statement's rows, all of them. */
  query(sql: string, params: readonly unknown[]): Cost {
    const statement = this.#source.prepare(sql)
    statement.setReturnArrays(true)
    const watch = new Stopwatch()
    watch.runNow(() => statement.all(...(params as SQLInputValue[])))
    return watch.cost
  }

  #outputTables(): string[] {
    const tables = this.#schema().filter(({ type, name }) => type === 'table' && !NOT_OUTPUT.test(name))
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

  #remove(): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#path + suffix, { force: true })
  }

  #refill(tables: readonly string[], batch: number, order: string | null): Cost {
    this.#remove()
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
    this.#remove()
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
