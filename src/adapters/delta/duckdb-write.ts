/** Writing data files by DuckDB, and looking at what was written: rows go in as vectors and out through COPY. */
import { stat } from 'node:fs/promises'
import {
  BIGINT,
  BOOLEAN,
  type DuckDBAppender,
  type DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  VARCHAR,
} from '@duckdb/node-api'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { FileWriter, FoundFacts, WrittenFacts } from './codec.ts'
import { CODEC, COLUMNS, type Column } from './columns.ts'
import { SQL_TYPES, tableOf } from './duckdb-read.ts'
import { codecError, type DuckSession, quoted, ROW_GROUP_ROWS, VECTOR } from './duckdb-session.ts'
import { FactsCollector } from './row-digest.ts'

const DUCK_TYPES: Readonly<Record<Column['type'], DuckDBType>> = { long: BIGINT, string: VARCHAR, boolean: BOOLEAN }
const TYPES = COLUMNS.map(({ type }) => DUCK_TYPES[type])

export async function writeData(session: DuckSession, file: string): Promise<FileWriter> {
  const connection = await session.connect()
  try {
    const columns = COLUMNS.map(({ name, type }) => `"${name}" ${SQL_TYPES[type]}`).join(', ')
    await connection.run(`create temp table rows (${columns})`)
    return new DuckFileWriter(connection, await connection.createAppender('rows', 'main', 'temp'), file)
  } catch (error) {
    connection.closeSync()
    throw codecError(error)
  }
}

class DuckFileWriter implements FileWriter {
  readonly #connection: DuckDBConnection
  readonly #appender: DuckDBAppender
  readonly #file: string
  readonly #facts = new FactsCollector()
  /** One for all rows: the memory of chunks is not known to the garbage collector, which frees them late. */
  readonly #chunk = DuckDBDataChunk.create(TYPES)
  #open = true

  constructor(connection: DuckDBConnection, appender: DuckDBAppender, file: string) {
    this.#connection = connection
    this.#appender = appender
    this.#file = file
  }

  async add(rows: readonly ArchiveRow[]): Promise<void> {
    this.#facts.addRows(rows)
    for (let at = 0; at < rows.length; at += VECTOR) {
      const some = rows.slice(at, at + VECTOR)
      this.#chunk.reset()
      this.#chunk.rowCount = some.length
      COLUMNS.forEach((column, index) => {
        this.#chunk.setColumnValues(index, vectorOf(some, column))
      })
      this.#appender.appendDataChunk(this.#chunk)
    }
  }

  async finish(): Promise<WrittenFacts | null> {
    try {
      this.#appender.closeSync()
      if (this.#facts.rows === 0) return null
      // The rows went in sorted, and DuckDB keeps the order of insertion.
      await this.#connection.run(`
copy rows to ${quoted(this.#file)}
(format parquet, parquet_version v1, compression ${CODEC}, row_group_size ${ROW_GROUP_ROWS})`)
      return { ...this.#facts.facts(), bytes: (await stat(this.#file)).size }
    } catch (error) {
      throw codecError(error)
    } finally {
      this.abandon()
    }
  }

  abandon(): void {
    if (this.#open) this.#connection.closeSync()
    this.#open = false
  }
}

function vectorOf(rows: readonly ArchiveRow[], { field, type }: Column): DuckDBValue[] {
  if (type !== 'long') return rows.map((row) => row[field])
  return rows.map((row) => {
    const value = row[field]
    return value === null ? null : BigInt(value)
  })
}

export function inspectData(session: DuckSession, file: string): Promise<FoundFacts> {
  return session.use(async (connection) => {
    const table = await tableOf(connection, { path: file, groups: null })
    const footer = await connection.runAndReadAll(`select num_rows from parquet_file_metadata(${quoted(file)})`)
    const times = await connection.runAndReadAll(`
select min("timestamp"), max("timestamp"), (count(*) - count("timestamp"))::double from ${table}`)
    const [firstTime, lastTime, withoutTime] = times.getRows()[0] as [string | null, string | null, number]
    const facts = new FactsCollector()
    const text = `encode(concat(${COLUMNS.map(({ name }) => digestPart(name)).join(', ')}))`
    for await (const [sequences, texts] of session.stream(
      connection,
      `select sequence::double, ${text} from ${table}`,
    )) {
      sequences!.forEach((sequence, at) => {
        facts.addText(sequence as number, (texts![at] as DuckDBBlobValue).bytes)
      })
    }
    const footerRows = Number(footer.getRows()[0]?.[0] ?? 0)
    return { ...facts.facts(), firstTime, lastTime, withoutTime, ascending: facts.ascending, footerRows }
  })
}

/** As `rowText` in `row-digest.ts`. */
function digestPart(name: string): string {
  return `coalesce(strlen("${name}"::varchar)::varchar || ':' || "${name}"::varchar, '-')`
}
