/** The list of exports, the same on every database (spec 05 §4.5). */
import type { ExportLog, ExportRow, RecordedFormat } from '../../ports/exports.ts'
import type { Tx } from '../../ports/store.ts'
import type { LogDatabase, LogParam, LogRow } from './run-log-database.ts'

/**
 * Every export has its row; more than one of a place while a later one is made or after it was killed, since then nobody
 * knows whose file lies there. What was complete when a later one began goes when that one is complete.
 */
export class StoredExports implements ExportLog {
  readonly #database: LogDatabase
  readonly #table: string
  /** By export: what it takes the place of. */
  readonly #replaced = new Map<string, readonly string[]>()

  constructor(database: LogDatabase) {
    this.#database = database
    this.#table = database.table('exports')
  }

  async begin(row: Parameters<ExportLog['begin']>[0]): Promise<void> {
    const { exportId, path, format, version, entityTypes, at } = row
    await this.#database.transaction(async (tx) => {
      const complete = await this.#database.query(
        tx,
        'exports.begin',
        `select export_id from ${this.#table} where path = $1 and row_count is not null`,
        [path],
      )
      const columns = ['export_id', 'path', 'format', 'version', 'entity_types', 'at']
      const values = [exportId, path, format, version, JSON.stringify(entityTypes), at]
      await this.#database.insert(tx, 'exports.begin', { table: this.#table, columns }, [values])
      this.#replaced.set(
        exportId,
        complete.map(([id]) => id as string),
      )
    })
  }

  async finish(exportId: string, { rows, bytes }: { rows: number; bytes: number | null }): Promise<void> {
    const replaced = this.#replaced.get(exportId) ?? []
    await this.#database.transaction(async (tx) => {
      if (replaced.length > 0) {
        const gone = `delete from ${this.#table} where ${this.#database.among('export_id', '$1')}`
        await this.#database.execute(tx, 'exports.finish', gone, [replaced])
      }
      const sql = `update ${this.#table} set row_count = $2, bytes = $3 where export_id = $1`
      await this.#database.execute(tx, 'exports.finish', sql, [exportId, rows, bytes])
    })
    this.#replaced.delete(exportId)
  }

  async drop(exportId: string): Promise<void> {
    const sql = `delete from ${this.#table} where export_id = $1`
    await this.#database.transaction((tx: Tx) => this.#database.execute(tx, 'exports.drop', sql, [exportId]))
    this.#replaced.delete(exportId)
  }

  async list(): Promise<ExportRow[]> {
    const sql = `select export_id, path, format, version, entity_types, at, row_count, bytes from ${this.#table}
      order by at, export_id`
    const places = new Map<string, ExportRow>()
    for (const row of (await this.#database.query(null, 'exports.list', sql)).map(exportRow)) {
      // Until it is known whose file it is, it may hold the types of either.
      const earlier = places.get(row.path)?.entityTypes ?? []
      places.delete(row.path)
      places.set(row.path, { ...row, entityTypes: [...new Set([...earlier, ...row.entityTypes])] })
    }
    return [...places.values()]
  }
}

function exportRow(row: LogRow): ExportRow {
  const [exportId, path, format, version, entityTypes, at, rows, bytes] = row as LogParam[]
  return {
    exportId: exportId as string,
    path: path as string,
    format: format as RecordedFormat,
    version: version as string,
    entityTypes: JSON.parse(entityTypes as string) as string[],
    at: at as string,
    rows: rows as number | null,
    bytes: bytes as number | null,
  }
}
