/** Data files by DuckDB: rows go in as vectors and out through COPY; reading prunes row groups by their statistics. */
import {
  BIGINT,
  BOOLEAN,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  VARCHAR,
} from '@duckdb/node-api'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { FileFacts, FileWriter, FoundFacts, ReadQuery } from './codec.ts'
import { CODEC, COLUMNS, type Column } from './columns.ts'
import { codecError, type DuckSession, quoted, ROW_GROUP_ROWS } from './duckdb-session.ts'
import { FactsCollector } from './row-digest.ts'

/** Rows of a DuckDB vector. */
const VECTOR = 2_048

/** Wanted sequences that a statement lists. */
const LISTED = 500

const DUCK_TYPES: Readonly<Record<Column['type'], DuckDBType>> = { long: BIGINT, string: VARCHAR, boolean: BOOLEAN }
const SQL_TYPES: Readonly<Record<Column['type'], string>> = { long: 'bigint', string: 'varchar', boolean: 'boolean' }
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

  async finish(): Promise<FileFacts | null> {
    try {
      this.#appender.closeSync()
      if (this.#facts.rows === 0) return null
      // The rows went in sorted, and DuckDB keeps the order of insertion.
      await this.#connection.run(`
copy rows to ${quoted(this.#file)}
(format parquet, parquet_version v1, compression ${CODEC}, row_group_size ${ROW_GROUP_ROWS})`)
      return this.#facts.facts()
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
    try {
      const footer = await connection.runAndReadAll(`select num_rows from parquet_file_metadata(${quoted(file)})`)
      const facts = new FactsCollector()
      const result = await connection.stream(`
select sequence::double, "timestamp", sha256(concat(${COLUMNS.map(({ name }) => digestPart(name)).join(', ')}))
from ${await table(connection, file)}`)
      for (
        let chunk = await result.fetchChunk();
        chunk !== null && chunk.rowCount > 0;
        chunk = await result.fetchChunk()
      ) {
        const [sequences = [], times = [], digests = []] = chunk.getColumns()
        for (let row = 0; row < sequences.length; row += 1) {
          facts.add(sequences[row] as number, times[row] as string | null, digests[row] as string)
        }
      }
      return { ...facts.facts(), ascending: facts.ascending, footerRows: Number(footer.getRows()[0]?.[0] ?? 0) }
    } catch (error) {
      throw codecError(error)
    }
  })
}

/** As `rowText` in `row-digest.ts`. */
function digestPart(name: string): string {
  return `coalesce(strlen("${name}"::varchar)::varchar || ':' || "${name}"::varchar, '-')`
}

export async function* readData(session: DuckSession, query: ReadQuery): AsyncGenerator<ArchiveRow[]> {
  const connection = await session.connect()
  try {
    const result = await connection.stream(await readStatement(connection, query))
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      yield rowsOf(chunk.getColumns(), query)
    }
  } catch (error) {
    throw codecError(error)
  } finally {
    connection.closeSync()
  }
}

async function readStatement(connection: DuckDBConnection, query: ReadQuery): Promise<string> {
  const { files, after, to, sequences, columns, order } = query
  // Sequences go out as doubles: exact up to 2^53, and no BigInt is made per row.
  const list = COLUMNS.filter(({ field }) => columns.includes(field)).map(({ name, type }) =>
    type === 'long' ? `"${name}"::double` : `"${name}"`,
  )
  const tables = await Promise.all(files.map((file) => table(connection, file)))
  const from = tables.length === 1 ? tables[0] : `(${tables.map((one) => `select * from ${one}`).join(' union all ')})`
  const where = [
    ...(after > 0 ? [`sequence > ${after}`] : []),
    ...(to < Number.MAX_SAFE_INTEGER ? [`sequence <= ${to}`] : []),
    ...(sequences === null ? [] : await wantedCondition(connection, sequences)),
    ...(order === 'time' ? ['"timestamp" is not null'] : []),
  ]
  const by = { file: '', sequence: 'order by sequence', time: 'order by "timestamp", sequence' }[order]
  return `select ${list.join(', ')} from ${from} ${where.length > 0 ? `where ${where.join(' and ')}` : ''} ${by}`
}

/** The range lets row groups be passed over; a long list goes in as a table. */
async function wantedCondition(connection: DuckDBConnection, sequences: readonly number[]): Promise<string[]> {
  const range = [`sequence >= ${sequences[0]}`, `sequence <= ${sequences.at(-1)}`]
  if (sequences.length <= LISTED) return [...range, `sequence in (${sequences.join(', ')})`]
  await connection.run('create temp table wanted (sequence bigint)')
  const appender = await connection.createAppender('wanted', 'main', 'temp')
  for (let at = 0; at < sequences.length; at += VECTOR) {
    const some = sequences.slice(at, at + VECTOR)
    const chunk = DuckDBDataChunk.create([BIGINT], some.length)
    chunk.setColumnValues(0, some.map(BigInt))
    appender.appendDataChunk(chunk)
  }
  appender.closeSync()
  return [...range, 'sequence in (select sequence from wanted)']
}

/** The file with exactly our columns and types, whatever its writer left out or wrote beside. */
async function table(connection: DuckDBConnection, file: string): Promise<string> {
  const found = await connection.runAndReadAll(`select name from parquet_schema(${quoted(file)})`)
  const names = new Set(found.getRows().map(([name]) => name))
  const list = COLUMNS.map(({ name, type }) =>
    names.has(name) ? `"${name}"::${SQL_TYPES[type]} as "${name}"` : `null::${SQL_TYPES[type]} as "${name}"`,
  )
  return `(select ${list.join(', ')} from read_parquet(${quoted(file)}))`
}

function rowsOf(values: readonly DuckDBValue[][], { columns }: ReadQuery): ArchiveRow[] {
  const read = COLUMNS.filter(({ field }) => columns.includes(field)).map(({ field }) => field)
  const of = (field: keyof ArchiveRow): readonly DuckDBValue[] | null => values[read.indexOf(field)] ?? null
  const [eventId, eventType, timestamp, source] = [of('eventId'), of('eventType'), of('timestamp'), of('source')]
  const [data, raw, hints, duplicateOf] = [of('data'), of('raw'), of('hints'), of('duplicateOf')]
  const [excluded, kinds, redaction] = [of('excluded'), of('kinds'), of('redaction')]
  return of('sequence')!.map((sequence, row) => ({
    sequence: sequence as number,
    eventId: (eventId?.[row] ?? null) as string | null,
    eventType: (eventType?.[row] ?? null) as string | null,
    timestamp: (timestamp?.[row] ?? null) as string | null,
    source: (source?.[row] ?? null) as string | null,
    data: (data?.[row] ?? null) as string | null,
    raw: (raw?.[row] ?? null) as string | null,
    hints: (hints?.[row] ?? null) as string | null,
    duplicateOf: (duplicateOf?.[row] ?? null) as number | null,
    excluded: (excluded?.[row] ?? null) as boolean | null,
    kinds: (kinds?.[row] ?? null) as string | null,
    redaction: (redaction?.[row] ?? null) as string | null,
  }))
}
