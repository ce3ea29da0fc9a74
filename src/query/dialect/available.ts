/** The databases queries can run on. */
import type { QueryReader } from '../../ports/reading.ts'
import type { Dialect } from '../dialect.ts'
import { duckdb } from './duckdb.ts'
import { postgres } from './postgres.ts'
import { sqlite } from './sqlite.ts'

const DIALECTS: Readonly<Record<QueryReader['dialect'], Dialect>> = { sqlite, postgres, duckdb }

export function dialectOf(name: QueryReader['dialect']): Dialect {
  return DIALECTS[name]
}
