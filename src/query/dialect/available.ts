/** The databases queries can run on. */
import { ConfigError } from '../../errors.ts'
import type { QueryReader } from '../../ports/store.ts'
import type { Dialect } from '../dialect.ts'
import { postgres } from './postgres.ts'
import { sqlite } from './sqlite.ts'

const DIALECTS: Readonly<Partial<Record<string, Dialect>>> = { sqlite, postgres }

/** `ConfigError` for a database we cannot query. */
export function dialectOf(name: QueryReader['dialect']): Dialect {
  const dialect = DIALECTS[name]
  if (dialect !== undefined) return dialect
  throw new ConfigError(`Queries on ${name} are not available in this version`, { details: { dialect: name } })
}
