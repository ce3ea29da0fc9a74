/** Which versions a file of histories holds. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { STORE_TABLE, versionSchema } from './names.ts'

export interface StoredVersion {
  readonly version: string
  /** Canonical JSON; null if whoever filled the file left them out. */
  readonly definitions: string | null
}

/** Versions of the namespace, by name: those that are listed with their definitions, and schemas that hold histories. */
export async function storedVersions(connection: DuckDBConnection, namespace: string): Promise<StoredVersion[]> {
  const listed = await listedVersions(connection)
  const found = new Map<string, StoredVersion>()
  for (const { version, definitions, ...row } of listed) {
    if (row.namespace === namespace) found.set(version, { version, definitions })
  }
  const others = new Set(listed.map((row) => versionSchema(row.namespace, row.version)))
  const prefix = versionSchema(namespace, '')
  for (const schema of await historySchemas(connection)) {
    if (others.has(schema) || !schema.startsWith(prefix)) continue
    const version = schema.slice(prefix.length)
    found.set(version, { version, definitions: null })
  }
  return [...found.values()].sort((a, b) => (a.version < b.version ? -1 : 1))
}

interface Listed extends StoredVersion {
  readonly namespace: string
}

async function listedVersions(connection: DuckDBConnection): Promise<Listed[]> {
  const tables = await connection.runAndReadAll(`select 1 from duckdb_tables()
    where database_name = current_database() and schema_name = 'main' and table_name = '${STORE_TABLE}'`)
  if (tables.currentRowCount === 0) return []
  const result = await connection.runAndReadAll(`select namespace, version, definitions from main."${STORE_TABLE}"`)
  return (result.getRows() as [string, string, string | null][]).map(([namespace, version, definitions]) => ({
    namespace,
    version,
    definitions,
  }))
}

async function historySchemas(connection: DuckDBConnection): Promise<string[]> {
  const result = await connection.runAndReadAll(`select distinct schema_name from duckdb_tables()
    where database_name = current_database() and table_name like '%~_history' escape '~'`)
  return result.getRows().map(([schema]) => String(schema))
}
