/**
 * A Postgres namespace opened for nothing but reading (spec 06 §10): every session is read-only, and the user needs no
 * more than to see the tables of versions and the three small tables that tell which there are.
 */
import type { HistoryLayout } from '../../core/history.ts'
import { ConfigError } from '../../errors.ts'
import type { HistoryReading } from '../../ports/reading.ts'
import { Database } from './database.ts'
import { sqlState } from './errors.ts'
import { Names } from './names.ts'
import { recognizeSpace } from './open.ts'
import { PostgresQueryReader } from './reader.ts'

export interface PostgresReadingOptions {
  readonly url: string
  /** Default `defacto`. */
  readonly namespace?: string
}

/** Queries of one process that run at once; more wait. */
const CONNECTIONS = 4
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * `StorageError` if the server cannot be reached, or the schema is another application's; `ConfigError` if it holds no
 * state history, was written by a newer package, or the user may not read it.
 */
export async function openPostgresReader({ url, namespace }: PostgresReadingOptions): Promise<HistoryReading> {
  const names = new Names(namespace ?? 'defacto')
  const database = new Database({ url, max: CONNECTIONS, readOnly: true })
  const reader = new PostgresQueryReader({ database, names, shard: null })
  const close = async (): Promise<void> => {
    reader.close()
    await database.close()
  }
  const versions = async () => {
    const rows = await database.query(
      null,
      'versions',
      `select l.version, v.definitions, l.layout from ${names.infra('history_layouts')} l
        left join ${names.infra('definition_versions')} v on v.version = l.version order by v.created_at, l.version`,
    )
    return rows.map(([version, definitions, layout]) => ({
      version: version as string,
      definitions: (definitions ?? null) as string | null,
      layout: JSON.parse(layout as string) as HistoryLayout,
    }))
  }
  try {
    await recognizeSpace(database, names)
    await versions()
    return { reader, versions, close }
  } catch (error) {
    await close()
    throw sqlState(error) === INSUFFICIENT_PRIVILEGE ? notAllowed(database, names, error) : error
  }
}

function notAllowed({ location }: Database, { namespace }: Names, cause: unknown): ConfigError {
  const tables = ['meta', 'definition_versions', 'history_layouts'].map((table) => `${namespace}.${table}`).join(', ')
  return new ConfigError(
    `the user of ${location} may not read namespace '${namespace}'; to query it, it needs: grant usage on schema ${namespace} and on the schemas ${namespace}_{version}; grant select on ${tables}; grant select on all tables in schema ${namespace}_{version}`,
    { details: { namespace }, cause },
  )
}
