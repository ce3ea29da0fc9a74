/** Classic checkpoints by DuckDB: one row per action, one nullable struct per kind (Delta protocol, Checkpoints). */
import { rm, stat, writeFile } from 'node:fs/promises'
import type { Action } from './actions.ts'
import { type DuckSession, quoted } from './duckdb-session.ts'

const MAP = 'MAP(VARCHAR, VARCHAR)'

const STRUCTS = {
  txn: 'STRUCT(appId VARCHAR, "version" BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${MAP}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags ${MAP})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${MAP}, size BIGINT)`,
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${MAP}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${MAP}, createdTime BIGINT)`,
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER)',
} as const

export async function writeCheckpoint(session: DuckSession, file: string, actions: readonly Action[]): Promise<number> {
  const lines = `${file}.jsonl`
  const columns = Object.entries(STRUCTS).map(([name, type]) => `${quoted(name)}: ${quoted(type)}`)
  try {
    await writeFile(lines, actions.map((action) => `${JSON.stringify(action)}\n`).join(''))
    await session.use((connection) =>
      connection.run(`
copy (
  select * from read_json(${quoted(lines)}, format = 'newline_delimited', maximum_object_size = 16777216, columns = {${columns.join(', ')}})
) to ${quoted(file)} (format parquet, parquet_version v1, compression snappy)`),
    )
    return (await stat(file)).size
  } finally {
    await rm(lines, { force: true })
  }
}

export function readCheckpoint(session: DuckSession, file: string): Promise<Record<string, unknown>[]> {
  return session.use(async (connection) => {
    const result = await connection.runAndReadAll(`select to_json(c)::varchar from read_parquet(${quoted(file)}) as c`)
    return result.getRows().map(([text]) => JSON.parse(text as string) as Record<string, unknown>)
  })
}
