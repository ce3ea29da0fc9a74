/** The codec over DuckDB. */
import type { ParquetCodec } from './codec.ts'
import { readCheckpoint, writeCheckpoint } from './duckdb-checkpoints.ts'
import { inspectData, readData, writeData } from './duckdb-data.ts'
import { DuckSession, type SessionOptions } from './duckdb-session.ts'

export function duckdbCodec(options: SessionOptions): ParquetCodec {
  const session = new DuckSession(options)
  return {
    writeData: (file) => writeData(session, file),
    inspect: (file) => inspectData(session, file),
    read: (query) => readData(session, query),
    writeCheckpoint: (file, actions) => writeCheckpoint(session, file, actions),
    readCheckpoint: (file) => readCheckpoint(session, file),
    close: () => session.close(),
  }
}
