/** Reading data files by DuckDB, which prunes row groups by their statistics. */
import {
  BIGINT,
  type DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBValue,
} from '@duckdb/node-api'
import { type ArchiveColumn, type ArchiveRow, tombstone } from '../../ports/archive.ts'
import type { LocalCopy, ReadQuery, RowGroup } from './codec.ts'
import { COLUMNS, type Column } from './columns.ts'
import { type DuckSession, quoted, VECTOR } from './duckdb-session.ts'

/** Wanted sequences that a statement lists. */
const LISTED = 500

export const SQL_TYPES: Readonly<Record<Column['type'], string>> = {
  long: 'bigint',
  string: 'varchar',
  boolean: 'boolean',
}

export async function* readData(session: DuckSession, query: ReadQuery): AsyncGenerator<ArchiveRow[]> {
  const connection = await session.connect()
  try {
    const statement = await session.guard(() => readStatement(connection, query))
    for await (const values of session.stream(connection, statement)) yield rowsOf(values, query.columns)
  } finally {
    connection.closeSync()
  }
}

async function readStatement(connection: DuckDBConnection, query: ReadQuery): Promise<string> {
  const { files, columns, order } = query
  const where = await conditionOf(connection, query)
  if (order === 'time') return orderedByTime(connection, query, where)
  const by = order === 'sequence' ? 'order by sequence' : ''
  return `select ${packed(columns).join(', ')} from ${await tablesOf(connection, files)} as r ${where} ${by}`
}

async function conditionOf(connection: DuckDBConnection, { after, to, sequences, order }: ReadQuery): Promise<string> {
  const parts = [
    ...(after > 0 ? [`sequence > ${after}`] : []),
    ...(to < Number.MAX_SAFE_INTEGER ? [`sequence <= ${to}`] : []),
    ...(sequences === null ? [] : await wantedCondition(connection, sequences)),
    ...(order === 'time' ? ['"timestamp" is not null'] : []),
  ]
  return parts.length > 0 ? `where ${parts.join(' and ')}` : ''
}

/**
 * File after file into a table that may lie on the disk, then the ordering: reading files and ordering at the same time
 * do not share memory, and the query fails where each of them alone would use the disk.
 */
async function orderedByTime(
  connection: DuckDBConnection,
  { files, columns }: ReadQuery,
  where: string,
): Promise<string> {
  const values = packed(columns)
  const list = values.map((value, index) => `${value} as v${index}`).join(', ')
  for (const [index, file] of files.entries()) {
    await connection.run(`
${index === 0 ? 'create temp table ordered as' : 'insert into ordered'}
select r."timestamp", r.sequence, ${list} from ${await tableOf(connection, file)} as r ${where}`)
  }
  if (files.length === 0) return 'select 1 where false'
  return `select ${values.map((_, index) => `v${index}`).join(', ')} from ordered order by "timestamp", sequence`
}

/** The range lets row groups be passed over; a long list goes in as a table. */
async function wantedCondition(connection: DuckDBConnection, sequences: readonly number[]): Promise<string[]> {
  const range = [`sequence >= ${sequences[0]}`, `sequence <= ${sequences.at(-1)}`]
  if (sequences.length <= LISTED) return [...range, `sequence in (${sequences.join(', ')})`]
  await connection.run('create temp table wanted (sequence bigint)')
  const appender = await connection.createAppender('wanted', 'main', 'temp')
  const chunk = DuckDBDataChunk.create([BIGINT])
  for (let at = 0; at < sequences.length; at += VECTOR) {
    const some = sequences.slice(at, at + VECTOR)
    chunk.reset()
    chunk.rowCount = some.length
    chunk.setColumnValues(0, some.map(BigInt))
    appender.appendDataChunk(chunk)
  }
  appender.closeSync()
  return [...range, 'sequence in (select sequence from wanted)']
}

const TEXTS = COLUMNS.filter(({ type }) => type === 'string')
const OTHERS = COLUMNS.filter(({ type }) => type !== 'string')
const NOTHING = tombstone(0)

/**
 * Numbers go out as doubles: exact up to 2^53, and no BigInt is made per row. The texts of a row go out as one value and
 * their lengths in bytes, -1 for null: every value that leaves the library costs far more than its length.
 * @param more texts that go out before those of the row `r`
 */
export function packed(columns: readonly ArchiveColumn[], more: readonly string[] = []): string[] {
  const others = OTHERS.filter(({ field }) => columns.includes(field))
  const texts = [...more, ...TEXTS.filter(({ field }) => columns.includes(field)).map(({ name }) => `r."${name}"`)]
  return [
    ...others.map(({ name, type }) => (type === 'long' ? `r."${name}"::double` : `r."${name}"`)),
    `encode(concat(${["''", ...texts].join(', ')}))`,
    ...texts.map((text) => `coalesce(strlen(${text}), -1)::integer`),
  ]
}

/** @param values of a chunk, as `packed` lists them */
export function rowsOf(values: readonly DuckDBValue[][], columns: readonly ArchiveColumn[]): ArchiveRow[] {
  return unpacked(values, columns, 0, (row) => row)
}

/** As `rowsOf`; what `make` makes of each row and of the `more` texts before it. */
export function unpacked<T>(
  values: readonly DuckDBValue[][],
  columns: readonly ArchiveColumn[],
  more: number,
  make: (row: ArchiveRow, texts: readonly (string | null)[]) => T,
): T[] {
  const others = OTHERS.filter(({ field }) => columns.includes(field)).map(({ field }) => field)
  const texts = TEXTS.filter(({ field }) => columns.includes(field)).map(({ field }) => field)
  const lengths = values.slice(others.length + 1) as number[][]
  return (values[others.length] as DuckDBBlobValue[]).map(({ bytes }, at) => {
    const row: Record<ArchiveColumn, DuckDBValue> = { ...NOTHING }
    others.forEach((field, index) => {
      row[field] = values[index]![at]!
    })
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const before: (string | null)[] = []
    let start = 0
    for (let index = 0; index < lengths.length; index += 1) {
      const length = lengths[index]![at]!
      const value = length < 0 ? null : text.toString('utf8', start, start + length)
      start += Math.max(0, length)
      if (index < more) before.push(value)
      else row[texts[index - more]!] = value
    }
    return make(row as unknown as ArchiveRow, before)
  })
}

async function tablesOf(connection: DuckDBConnection, files: readonly LocalCopy[]): Promise<string> {
  const tables = await Promise.all(files.map((file) => tableOf(connection, file)))
  return tables.length === 1 ? tables[0]! : `(${tables.map((one) => `select * from ${one}`).join(' union all ')})`
}

/** The file with exactly our columns and types, whatever its writer left out or wrote beside. */
export async function tableOf(connection: DuckDBConnection, { path, groups }: LocalCopy): Promise<string> {
  const found = await connection.runAndReadAll(`select name from parquet_schema(${quoted(path)})`)
  const names = new Set(found.getRows().map(([name]) => name))
  const list = COLUMNS.map(({ name, type }) =>
    names.has(name) ? `"${name}"::${SQL_TYPES[type]} as "${name}"` : `null::${SQL_TYPES[type]} as "${name}"`,
  )
  const select = `select ${list.join(', ')} from read_parquet(${quoted(path)})`
  if (groups === null) return `(${select})`
  // Row groups outside of the bounds are passed over by their statistics, and so nothing of a hole is read.
  const parts = runsOf(groups).map(({ first, last }) => `${select} where sequence between ${first} and ${last}`)
  return `(${parts.length === 0 ? `${select} where false` : parts.join(' union all ')})`
}

/** Neighbouring row groups as one. */
function runsOf(groups: readonly RowGroup[]): RowGroup[] {
  const runs: RowGroup[] = []
  for (const group of groups) {
    const before = runs.at(-1)
    if (before?.end === group.start) runs[runs.length - 1] = { ...before, last: group.last, end: group.end }
    else runs.push(group)
  }
  return runs
}
