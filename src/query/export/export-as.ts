/** A collection in the format of a name, for whoever has it as text: pipelines and the command line (spec 10 §3.4, §7.1). */
import type { ExportFormat, ExportRecord, WriteOptions } from '../../ports/exports.ts'
import type { TableCollection } from '../collection.ts'

export interface ExportAsOptions extends WriteOptions {
  /** Of the format `store`: under which the version is found in the file; default `defacto`. */
  readonly namespace?: string
  /** Of the format `neo4j`, for handles that do not know their space. */
  readonly space?: string
}

export async function exportAs(
  tables: TableCollection,
  format: ExportFormat,
  to: string,
  { namespace, space, ...options }: ExportAsOptions,
): Promise<readonly ExportRecord[]> {
  switch (format) {
    case 'parquet':
      return tables.toParquet(to, options)
    case 'csv':
      return tables.toCsv(to, options)
    case 'duckdb':
      return [await tables.toDuckdb(to, options)]
    case 'store':
      return [await tables.toStore(to, { ...options, ...(namespace !== undefined && { namespace }) })]
    case 'graph':
      return [await tables.toGraphJson(to, options)]
    case 'networkx':
      return [await tables.toNetworkx(to, options)]
    case 'snapshot':
      return [await tables.snapshot(to, options)]
    case 'neo4j':
      return [await tables.toNeo4j(to, { ...options, ...(space !== undefined && { space }) })]
  }
}
