/** Rows of persons taken out of a snapshot in a SQLite file (spec 05 §4.5), with the bytes they leave behind. */
import { ConfigError, StorageError } from '../../errors.ts'
import { NOTHING, namesEntities, type Purge, type Purged, totalOf, UNNAMED } from '../../ports/export-purge.ts'
import { Connection } from './connection.ts'
import { storageError } from './errors.ts'
import { quote } from './names.ts'
import { APPLICATION_ID } from './open.ts'

export function purgeSqliteSnapshot(path: string, purge: Purge): Purged {
  let connection: Connection | null = null
  try {
    connection = new Connection(path, purge.dryRun === true ? 'read' : 'write')
    if (Number(connection.get('pragma application_id')?.[0] ?? 0) === APPLICATION_ID) {
      throw new ConfigError(`${path} holds a space now and no snapshot`, { code: 'E_CONFIG_DATABASE' })
    }
    if (purge.dryRun === true) return rowsOf(connection, purge)
    connection.exec('pragma secure_delete = on')
    connection.run('begin immediate')
    const found = rowsOf(connection, purge)
    if (found.rows.size > 0) {
      for (const table of tablesOf(connection)) {
        const sql = `delete from ${quote(table)} where ${conditionOf(connection, table)}`
        connection.db.prepare(sql).run({ ids: JSON.stringify(purge.ids) })
      }
    }
    connection.run('commit')
    if (found.rows.size > 0) connection.exec('vacuum')
    // Rows of before lie in the log and the file until then; an earlier call may have died here.
    const [log] = connection.db.prepare('pragma wal_checkpoint(truncate)').all() as { busy: number }[]
    if (Number(log?.busy ?? 0) !== 0) {
      throw new StorageError(`${path} is being read, so its log cannot be emptied; it is tried again`, {
        details: { operation: 'purge' },
        recoverable: true,
      })
    }
    return found
  } catch (error) {
    throw storageError(error, 'purge', path)
  } finally {
    connection?.close()
  }
}

function rowsOf(connection: Connection, { ids, types }: Purge): Purged {
  const tables = tablesOf(connection)
  const found = tables.map((table): Purged => {
    const columns = columnsOf(connection, table)
    const problem = namesEntities(columns, types) ? null : UNNAMED
    if (columns.length === 0) return { ...NOTHING, problem }
    const id = columns.map((name) => `case when ${isGone(name)} then ${quote(name)} end`)
    const sql = `select coalesce(${id.join(', ')}, null) as id, count(*) as n from ${quote(table)}
      where ${conditionOf(connection, table)} group by 1`
    const rows = connection.db.prepare(sql).all({ ids: JSON.stringify(ids) })
    return { rows: new Map(rows.map((row) => [String(row['id']), Number(row['n'])])), problem }
  })
  const total = totalOf(found)
  return tables.length === 0 || found.some(({ problem }) => problem === null) ? { ...total, problem: null } : total
}

function tablesOf(connection: Connection): string[] {
  const sql = `select name from sqlite_schema where type = 'table' and name not like 'sqlite~_%' escape '~'`
  return connection.all(sql).map(([name]) => name as string)
}

function columnsOf(connection: Connection, table: string): string[] {
  return connection.all('select name from pragma_table_info(?)', table).map(([name]) => name as string)
}

function conditionOf(connection: Connection, table: string): string {
  return columnsOf(connection, table).map(isGone).join(' or ') || 'false'
}

function isGone(column: string): string {
  return `coalesce(${quote(column)} in (select value from json_each($ids)), false)`
}
