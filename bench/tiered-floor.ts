/** The bare work of the cold tier: DuckDB alone with the rows and files of a space, under the settings of the archive. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  BIGINT,
  BOOLEAN,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  VARCHAR,
} from '@duckdb/node-api'
import { CODEC, COLUMNS, type Column } from '../src/adapters/delta/columns.ts'
import { SQL_TYPES } from '../src/adapters/delta/duckdb-read.ts'
import { quoted, ROW_GROUP_ROWS, VECTOR } from '../src/adapters/delta/duckdb-session.ts'
import { isDataFile } from '../src/adapters/delta/log-names.ts'
import type { ArchiveColumn } from '../src/ports/archive.ts'
import { type Cost, type ServerClock, Stopwatch } from './result.ts'
import type { Floor } from './store.ts'

/** Defaults of the archive: memory of the library, and text after which a file is closed. */
const MEMORY = '256MB'
const FILE_BYTES = 256 * 1_048_576

const TYPES: Readonly<Record<Column['type'], DuckDBType>> = { long: BIGINT, string: VARCHAR, boolean: BOOLEAN }
const DIGEST = `select bit_xor(hash(${COLUMNS.map(({ name }) => `"${name}"`).join(', ')}))`

export interface BareFlush {
  readonly rows: number
  readonly pieces: { readonly [piece in 'read' | 'append' | 'copy' | 'read back']: Cost }
}

/** The ledger's rows out of the database, into DuckDB, into Parquet files, and each file read once from end to end. */
export async function bareFlush(floor: Floor, scratch: string, server: ServerClock): Promise<BareFlush> {
  const path = join(scratch, 'floor.parquet')
  const [read, append, copy, readBack] = [new Stopwatch(server), new Stopwatch(), new Stopwatch(), new Stopwatch()]
  const ledger = floor.ledgerRows(COLUMNS.map(({ name }) => name))[Symbol.asyncIterator]()
  let next = await read.run(() => ledger.next())
  let rows = 0
  while (next.done !== true) {
    const connection = await connect(scratch)
    const file = await append.run(() => BareFile.begin(connection))
    for (let bytes = 0; next.done !== true && bytes < FILE_BYTES; next = await read.run(() => ledger.next())) {
      const chunk = next.value
      append.runNow(() => file.add(chunk))
      rows += chunk.length
      bytes += textBytes(chunk)
    }
    await copy.run(() => file.copyTo(path))
    await readBack.run(() => connection.runAndReadAll(`${DIGEST} from read_parquet(${quoted(path)})`))
    connection.closeSync()
  }
  rmSync(path, { force: true })
  return { rows, pieces: { read: read.cost, append: append.cost, copy: copy.cost, 'read back': readBack.cost } }
}

class BareFile {
  readonly #connection: DuckDBConnection
  readonly #appender: DuckDBAppender
  readonly #chunk = DuckDBDataChunk.create(COLUMNS.map(({ type }) => TYPES[type]))

  private constructor(connection: DuckDBConnection, appender: DuckDBAppender) {
    this.#connection = connection
    this.#appender = appender
  }

  static async begin(connection: DuckDBConnection): Promise<BareFile> {
    const columns = COLUMNS.map(({ name, type }) => `"${name}" ${SQL_TYPES[type]}`).join(', ')
    await connection.run(`create temp table rows (${columns})`)
    return new BareFile(connection, await connection.createAppender('rows', 'main', 'temp'))
  }

  add(rows: readonly (readonly unknown[])[]): void {
    for (let at = 0; at < rows.length; at += VECTOR) {
      const some = rows.slice(at, at + VECTOR)
      this.#chunk.reset()
      this.#chunk.rowCount = some.length
      COLUMNS.forEach(({ type }, index) => {
        this.#chunk.setColumnValues(
          index,
          some.map((row) => typed(row[index], type)),
        )
      })
      this.#appender.appendDataChunk(this.#chunk)
    }
  }

  async copyTo(path: string): Promise<void> {
    this.#appender.closeSync()
    await this.#connection.run(`copy rows to ${quoted(path)}
      (format parquet, parquet_version v1, compression ${CODEC}, row_group_size ${ROW_GROUP_ROWS})`)
  }
}

/** Databases without booleans have numbers; those that send text have letters. */
function typed(value: unknown, type: Column['type']): DuckDBValue {
  if (value === null) return null
  if (type === 'long') return BigInt(value as number | string)
  return type === 'boolean' ? value === 1 || value === 't' : (value as string)
}

function textBytes(rows: readonly (readonly unknown[])[]): number {
  let bytes = 0
  for (const row of rows) for (const value of row) if (typeof value === 'string') bytes += value.length
  return bytes
}

/** Columns of all archived rows, a vector after the other, as JavaScript values. */
export async function bareStream(
  archive: string,
  scratch: string,
  columns: readonly ArchiveColumn[],
  order: 'time' | 'sequence',
): Promise<{ rows: number; cost: Cost }> {
  const list = COLUMNS.filter(({ field }) => columns.includes(field)).map(({ name, type }) =>
    type === 'long' ? `"${name}"::double` : `"${name}"`,
  )
  const sorting = order === 'time' ? 'order by "timestamp", sequence' : ''
  const connection = await connect(scratch)
  const watch = new Stopwatch()
  let rows = 0
  await watch.run(async () => {
    const result = await connection.stream(`select ${list.join(', ')} from ${tableOf(archive)} ${sorting}`)
    for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk())
      rows += chunk.getColumns()[0]?.length ?? 0
  })
  connection.closeSync()
  return { rows, cost: watch.cost }
}

/** Every value of the archive read once, none brought into JavaScript. */
export async function bareDigest(archive: string, scratch: string): Promise<{ rows: number; cost: Cost }> {
  const connection = await connect(scratch)
  const watch = new Stopwatch()
  const result = await watch.run(() => connection.runAndReadAll(`${DIGEST}, count(*) from ${tableOf(archive)}`))
  connection.closeSync()
  return { rows: Number(result.getRows()[0]?.[1]), cost: watch.cost }
}

function tableOf(archive: string): string {
  return `read_parquet([${dataFiles(archive).map(quoted).join(', ')}])`
}

/** By range, with which their names begin. Nothing was rewritten, so all are of the newest version. */
export function dataFiles(archive: string): string[] {
  if (!existsSync(archive)) return []
  const files = readdirSync(archive, { recursive: true, encoding: 'utf8' }).filter(isDataFile).sort()
  return files.map((name) => join(archive, name))
}

async function connect(scratch: string): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY,
    temp_directory: join(scratch, 'spill'),
    enable_external_file_cache: 'false',
  })
  return instance.connect()
}
