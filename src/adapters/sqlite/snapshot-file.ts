/**
 * Flat tables in a SQLite file of people's own (spec 06 §7 `snapshot`). All of them change in one transaction: who reads
 * sees the old ones or the new ones. A file that is there is not exchanged, since its journals lie beside it under the
 * same name.
 */
import type { StatementSync } from 'node:sqlite'
import { stringifyJson } from '../../core/expression/json.ts'
import { instantFromDate } from '../../core/instant.ts'
import type { Value } from '../../core/value.ts'
import { ConfigError } from '../../errors.ts'
import type { ExportColumn, ExportTable, WriteOptions } from '../../ports/exports.ts'
import { type Param, SQL_TYPES, toParam } from './columns.ts'
import { Connection } from './connection.ts'
import { storageError } from './errors.ts'
import { quote } from './names.ts'
import { APPLICATION_ID } from './open.ts'

/**
 * Returns how many rows there are. `target` is what failures call the file, where it is not yet at its place.
 *
 * @throws ConfigError if the file is a space
 * @throws StorageError if it cannot be written, is no SQLite file, or another writer holds it (recoverable)
 */
export async function writeSqliteSnapshot(
  path: string,
  target: string,
  tables: readonly ExportTable[],
  options: WriteOptions = {},
): Promise<number> {
  let connection: Connection | null = null
  try {
    connection = new Connection(path, 'write')
    const application = Number(connection.get('pragma application_id')?.[0] ?? 0)
    if (application === APPLICATION_ID) {
      throw new ConfigError(`${target} holds a space; name another file for the snapshot`, {
        code: 'E_CONFIG_DATABASE',
      })
    }
    // Readers go on while a file of this mode is written.
    const isNew = connection.get('pragma page_count')?.[0] === 0
    if (isNew) connection.exec('pragma journal_mode = wal')
    connection.run('begin immediate')
    let rows = 0
    for (const table of tables) rows += await fill(connection, table, options)
    options.signal?.throwIfAborted()
    connection.run('commit')
    return rows
  } catch (error) {
    throw storageError(error, 'export', target)
  } finally {
    connection?.close()
  }
}

async function fill(connection: Connection, table: ExportTable, options: WriteOptions): Promise<number> {
  const { signal, onProgress } = options
  const name = quote(table.name)
  const columns = table.columns.map((column) => `${quote(column.name)} ${typeOf(column)}`)
  connection.exec(`drop table if exists ${name}; create table ${name} (${columns.join(', ')})`)
  const places = columns.map(() => '?').join(', ')
  const insert: StatementSync = connection.db.prepare(`insert into ${name} values (${places})`)
  let rows = 0
  for await (const chunk of table.chunks) {
    signal?.throwIfAborted()
    for (const row of chunk) insert.run(...row.map(bound))
    rows += chunk.length
    onProgress?.({ table: table.name, rows })
  }
  return rows
}

function typeOf({ type }: ExportColumn): string {
  return type === 'unknown' ? '' : SQL_TYPES[type]
}

/** Lists and instants of hand-written SQL become text. */
function bound(value: unknown): Param {
  if (typeof value !== 'object' || value === null) return toParam(value as Value | undefined)
  return value instanceof Date ? String(instantFromDate(value)) : stringifyJson(value)
}
