/** DuckDB as an independent reader of what was exported. */
import { DuckDBInstance } from '@duckdb/node-api'

/** Rows of a statement; instants and whole numbers as DuckDB writes them in text. */
export async function duck(sql: string, file = ':memory:'): Promise<Record<string, unknown>[]> {
  const options: Record<string, string> = file === ':memory:' ? {} : { access_mode: 'READ_ONLY' }
  const instance = await DuckDBInstance.create(file, options)
  const connection = await instance.connect()
  try {
    await connection.run("set TimeZone = 'UTC'")
    return (await connection.runAndReadAll(sql)).getRowObjectsJson() as Record<string, unknown>[]
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** `name type` of every column. */
export async function duckColumns(from: string, file?: string): Promise<string[]> {
  const rows = await duck(`describe select * from ${from}`, file)
  return rows.map((row) => `${row['column_name']} ${row['column_type']}`)
}
