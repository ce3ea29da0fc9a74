/** The codec over DuckDB. */
import type { ParquetCodec } from './codec.ts'
import { readCheckpoint, writeCheckpoint } from './duckdb-checkpoints.ts'
import { joinMembers } from './duckdb-members.ts'
import { partialFiles } from './duckdb-partial.ts'
import { readData } from './duckdb-read.ts'
import { DuckSession, type SessionOptions } from './duckdb-session.ts'
import { inspectData, writeData } from './duckdb-write.ts'

export function duckdbCodec(options: SessionOptions): ParquetCodec {
  const session = new DuckSession(options)
  return {
    partial: partialFiles(session),
    writeData: (file) => writeData(session, file),
    inspect: (file) => inspectData(session, file),
    read: (query) => readData(session, query),
    joinMembers: () => joinMembers(session),
    writeCheckpoint: (file, actions) => writeCheckpoint(session, file, actions),
    readCheckpoint: (file) => readCheckpoint(session, file),
    close: () => session.close(),
  }
}
