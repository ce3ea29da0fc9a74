/**
 * Rows of persons taken out of Parquet files and DuckDB files (spec 05 §4.5). DuckDB keeps the bytes of deleted rows, so what
 * stays goes into a new file, which takes the place of the old one when it is complete.
 */
import { chmod, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { NOTHING, namesEntities, type Purge, type Purged, totalOf, UNNAMED } from '../../ports/export-purge.ts'
import { fileError, writeError } from './errors.ts'
import { literal, MEMORY, openDuckdb, quote } from './instance.ts'
import { Limit } from './limit.ts'
import { STORE_TABLE } from './names.ts'
import { flush, withWriteLock } from './write-lock.ts'

const GONE = 'memory.main._defacto_gone'

/** Copies the file without the rows; `to` null: only counts. */
export async function purgeParquet(from: string, to: string | null, purge: Purge): Promise<Purged> {
  return withGone(from, purge, async (connection, limit) => {
    const source = `read_parquet(${literal(from)}, hive_partitioning = false)`
    const found = await purgedOf(connection, limit, source, purge)
    if (to !== null && found.rows.size > 0) {
      const kept = `select * from ${source} where not ${await conditionOf(connection, source)}`
      await limit.during(() => connection.run(`copy (${kept}) to ${literal(to)} (format parquet, compression zstd)`))
    }
    return found
  })
}

/** Flat tables and histories alike, in all schemas of the file. */
export async function purgeDuckdb(path: string, purge: Purge): Promise<Purged> {
  const file = await realpath(path)
  const [folder, base] = [dirname(file), basename(file)]
  const partial = `.${base}.partial`
  return withWriteLock(join(folder, `.${base}.lock`), file, async () => {
    // Of a process that died; it may hold anybody.
    await removeAll(folder, partial)
    // What was not put into the file yet is put there, so that it can be read without changing it.
    if ((await stat(`${file}.wal`).catch(() => null)) !== null) (await openDuckdb(file)).closeSync()
    try {
      const found = await withGone(file, purge, (connection, limit) =>
        copyWithout(connection, limit, file, join(folder, partial), purge),
      )
      if (found.rows.size === 0 || purge.dryRun === true) return found
      await chmod(join(folder, partial), (await stat(file)).mode & 0o777)
      await flush(join(folder, partial))
      await rename(join(folder, partial), file)
      await flush(folder)
      return found
    } catch (error) {
      throw fileError(error, 'purge', file)
    } finally {
      await removeAll(folder, partial)
    }
  })
}

async function copyWithout(
  connection: DuckDBConnection,
  limit: Limit,
  file: string,
  partial: string,
  purge: Purge,
): Promise<Purged> {
  await connection.run(`attach ${literal(file)} as _defacto_old (read_only)`)
  const listed = await connection.runAndReadAll(
    `select schema_name, table_name from duckdb_tables() where database_name = '_defacto_old' and not internal`,
  )
  const tables = (listed.getRows() as [string, string][]).filter(([, name]) => name !== STORE_TABLE)
  const nameIn = (database: string, [schema, name]: readonly [string, string]): string =>
    `${database}.${quote(schema)}.${quote(name)}`
  const found: Purged[] = []
  for (const table of tables) found.push(await purgedOf(connection, limit, nameIn('_defacto_old', table), purge))
  // Tables of other things, or of other types, have no such column.
  const relevant = tables.length === 0 || found.some(({ problem }) => problem === null)
  const total: Purged = { rows: totalOf(found).rows, problem: relevant ? null : UNNAMED }
  if (total.rows.size === 0 || purge.dryRun === true) return total
  await connection.run(`attach ${literal(partial)} as _defacto_new`)
  await limit.during(() => connection.run('copy from database _defacto_old to _defacto_new (schema)'))
  for (const table of listed.getRows() as [string, string][]) {
    const from = nameIn('_defacto_old', table)
    const where = table[1] === STORE_TABLE ? '' : `where not ${await conditionOf(connection, from)}`
    await limit.during(() =>
      connection.run(`insert into ${nameIn('_defacto_new', table)} select * from ${from} ${where}`),
    )
  }
  await connection.run('checkpoint _defacto_new')
  await connection.run('detach _defacto_new')
  return total
}

/** How many rows go, by the id that is found in them. */
async function purgedOf(connection: DuckDBConnection, limit: Limit, source: string, purge: Purge): Promise<Purged> {
  const columns = await columnsOf(connection, source)
  const problem = namesEntities(columns.all, purge.types) ? null : UNNAMED
  if (columns.texts.length === 0) return { ...NOTHING, problem }
  const id = columns.texts.map((name) => `case when ${isGone(name)} then ${quote(name)} end`).join(', ')
  const counted = await limit.during(() =>
    connection.runAndReadAll(
      `select coalesce(${id}) as id, count(*) from ${source} where ${conditionFor(columns.texts)} group by 1`,
    ),
  )
  const rows = (counted.getRows() as [string, bigint][]).map(([name, count]) => [name, Number(count)] as const)
  return { rows: new Map(rows), problem }
}

async function conditionOf(connection: DuckDBConnection, source: string): Promise<string> {
  return conditionFor((await columnsOf(connection, source)).texts)
}

function conditionFor(texts: readonly string[]): string {
  if (texts.length === 0) return 'false'
  return `coalesce(${texts.map(isGone).join(' or ')}, false)`
}

function isGone(column: string): string {
  // Null is in no list, and would make the whole condition unknown.
  return `coalesce(${quote(column)} in (select id from ${GONE}), false)`
}

async function columnsOf(
  connection: DuckDBConnection,
  source: string,
): Promise<{ all: readonly string[]; texts: readonly string[] }> {
  const described = await connection.runAndReadAll(`describe select * from ${source}`)
  const columns = described.getRows() as [name: string, type: string][]
  return {
    all: columns.map(([name]) => name),
    texts: columns.filter(([, type]) => type === 'VARCHAR').map(([name]) => name),
  }
}

/** An instance of its own that knows the ids; statements are our own alone. */
async function withGone<T>(
  path: string,
  { ids, signal }: Purge,
  work: (connection: DuckDBConnection, limit: Limit) => Promise<T>,
): Promise<T> {
  const connection = await openDuckdb(MEMORY, { files: true })
  try {
    await connection.run(`create table ${GONE} (id varchar)`)
    for (let from = 0; from < ids.length; from += 1_000) {
      const values = ids.slice(from, from + 1_000).map((id) => `(${literal(id)})`)
      await connection.run(`insert into ${GONE} values ${values.join(', ')}`)
    }
    return await work(connection, new Limit(connection, signal === undefined ? {} : { signal }))
  } catch (error) {
    signal?.throwIfAborted()
    throw writeError(error, 'purge', path)
  } finally {
    connection.closeSync()
  }
}

async function removeAll(folder: string, name: string): Promise<void> {
  const left = (await readdir(folder)).filter((other) => other === name || other.startsWith(`${name}.`))
  for (const other of left) await rm(join(folder, other), { recursive: true, force: true })
}
