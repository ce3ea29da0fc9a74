/** A collection in the format of a name, for whoever has it as text: pipelines and the command line (spec 10 §3.4). */
import type { TablesExport } from '../../core/pipeline/model.ts'
import type { ExportRecord, WriteOptions } from '../../ports/exports.ts'
import type { TableCollection } from '../collection.ts'

export async function exportAs(
  tables: TableCollection,
  format: TablesExport['format'],
  to: string,
  options: WriteOptions,
): Promise<readonly ExportRecord[]> {
  switch (format) {
    case 'parquet':
      return tables.toParquet(to, options)
    case 'csv':
      return tables.toCsv(to, options)
    case 'duckdb':
      return [await tables.toDuckdb(to, options)]
    case 'snapshot':
      return [await tables.snapshot(to, options)]
    case 'neo4j':
      return [await tables.toNeo4j(to, options)]
  }
}
