/**
 * Writing tables to a DuckDB file (spec 06 §7): flat tables, or the histories of a version that queries can be connected to
 * (§1, §10). The rows go into a copy of the file, which takes its place when it is complete: readers of the old file go on,
 * and whoever is killed leaves it as it was.
 */
import { constants, copyFile, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { ConfigError } from '../../errors.ts'
import type { ExportTable, WriteOptions, Written } from '../../ports/exports.ts'
import { fileError, writeError } from './errors.ts'
import { openDuckdb, quote } from './instance.ts'
import { nameClash, versionSchema } from './names.ts'
import { createVersion, createViews, type StoreVersion, storeTables } from './store-tables.ts'
import { appendChunks, createTable } from './tables.ts'
import { flush, withWriteLock } from './write-lock.ts'

/**
 * `duckdb`: tables of their own names in the schema `main`. `store`: `{type}_history` and `rel_{rel}_history` of a version,
 * in place of all that it had, the latter with the edges written under that name.
 */
export type WriteTarget = { readonly format: 'duckdb' } | ({ readonly format: 'store' } & StoreVersion)

/**
 * Tables of other names, and other versions, stay.
 * @throws StorageError if another export writes to the file or another process has it open for writing (both recoverable),
 * if it is no DuckDB file, or cannot be written
 */
export async function writeTables(
  path: string,
  target: WriteTarget,
  tables: readonly ExportTable[],
  options: WriteOptions = {},
): Promise<Written> {
  // A link goes on pointing at the file.
  const file = await realpath(path).catch(() => resolve(path))
  if (target.format === 'store') checkName(file, target)
  const [folder, base] = [dirname(file), basename(file)]
  try {
    await mkdir(folder, { recursive: true })
    return await withWriteLock(join(folder, `.${base}.lock`), file, async () => {
      const partial = `.${base}.partial`
      await removeAll(folder, partial)
      try {
        const rows = await writeCopy(file, join(folder, partial), target, tables, options)
        await rename(join(folder, partial), file)
        await flush(folder)
        return { rows, bytes: (await stat(file)).size }
      } finally {
        await removeAll(folder, partial)
      }
    })
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason
    throw writeError(fileError(error, 'write', file), 'write', file)
  }
}

/** The file, what DuckDB keeps beside it, and folders for what did not fit into memory. */
async function removeAll(folder: string, name: string): Promise<void> {
  const left = (await readdir(folder)).filter((other) => other === name || other.startsWith(`${name}.`))
  for (const other of left) await rm(join(folder, other), { recursive: true, force: true })
}

async function writeCopy(
  file: string,
  partial: string,
  target: WriteTarget,
  tables: readonly ExportTable[],
  options: WriteOptions,
): Promise<number> {
  await copyExisting(file, partial)
  const connection = await openDuckdb(partial)
  try {
    const rows =
      target.format === 'store'
        ? await writeStore(connection, target, tables, options)
        : await writeFlat(connection, tables, options)
    await connection.run('checkpoint')
    return rows
  } finally {
    connection.closeSync()
    // There is nothing left in it.
    await rm(`${partial}.wal`, { force: true })
  }
}

/** While it is copied nobody writes to it; what a process that died had not put into the file yet is put there first. */
async function copyExisting(file: string, partial: string): Promise<void> {
  if (!(await exists(file))) return
  if (await exists(`${file}.wal`)) (await openDuckdb(file)).closeSync()
  const reading = await openDuckdb(file, { readOnly: true })
  try {
    await copyFile(file, partial, constants.COPYFILE_FICLONE)
  } finally {
    reading.closeSync()
  }
  await flush(partial)
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

async function writeFlat(
  connection: DuckDBConnection,
  tables: readonly ExportTable[],
  options: WriteOptions,
): Promise<number> {
  let rows = 0
  for (const table of tables) {
    await dropAny(connection, table.name)
    await createTable(connection, table.name, table.columns)
    rows += await appendChunks(connection, table.name, table, options)
  }
  return rows
}

/** Somebody may have made a view of that name. */
async function dropAny(connection: DuckDBConnection, name: string): Promise<void> {
  const found = await connection.runAndReadAll(
    'select 1 from duckdb_views() where not internal and schema_name = $1 and lower(view_name) = lower($2)',
    ['main', name],
  )
  await connection.run(`drop ${found.currentRowCount > 0 ? 'view' : 'table'} if exists main.${quote(name)}`)
}

async function writeStore(
  connection: DuckDBConnection,
  version: StoreVersion,
  tables: readonly ExportTable[],
  options: WriteOptions,
): Promise<number> {
  await createVersion(connection, version)
  const known = storeTables(version)
  let rows = 0
  for (const table of tables) {
    const stored = known.get(table.name)
    if (stored === undefined) {
      throw new ConfigError(
        `write: the version has no table "${table.name}"; there are ${[...known.keys()].join(', ')}`,
      )
    }
    rows += await appendChunks(connection, stored.table, arranged(table, stored.columns), options)
  }
  await createViews(connection, version)
  return rows
}

/** The rows with the columns of the stored table, in its order; what is not there is null. */
function arranged(table: ExportTable, columns: ExportTable['columns']): ExportTable {
  const places = columns.map(({ name }) => table.columns.findIndex((column) => column.name === name))
  async function* chunks(): AsyncGenerator<readonly (readonly unknown[])[]> {
    for await (const chunk of table.chunks) yield chunk.map((row) => places.map((at) => row[at] ?? null))
  }
  return { name: table.name, columns, chunks: chunks() }
}

function checkName(file: string, { namespace, version }: StoreVersion): void {
  const schema = versionSchema(namespace, version)
  if (!nameClash(file, schema)) return
  throw new ConfigError(
    `${file} is called like the schema "${schema}" that would be in it, which DuckDB cannot tell apart; choose another name`,
    { details: { path: file } },
  )
}
