/** What happens before the first use of a namespace: is it ours, are its tables current (spec 07 §2). */
import { randomUUID } from 'node:crypto'
import type { Instant } from '../../core/instant.ts'
import { ConfigError, StorageError } from '../../errors.ts'
import type { Tx } from '../../ports/store.ts'
import type { Database } from './database.ts'
import { LATEST, MIGRATIONS } from './migrations.ts'
import { literal, type Names, quote } from './names.ts'

export interface OpenOptions {
  readonly migrations?: 'auto' | 'check'
  readonly now: () => Instant
}

const MINIMUM_SERVER = 130_000

/** Makes the namespace usable and returns its id. Several processes may do so at once. */
export async function prepareSpace(database: Database, names: Names, options: OpenOptions): Promise<string> {
  await checkServer(database)
  const found = await recognize(database, null, names)
  if (found.level < LATEST && found.minimum <= LATEST) {
    if (options.migrations === 'check') throw outdated(database, names, found.level)
    await database.transaction((tx) => migrate(database, tx, names, options))
  }
  return identify(database, names)
}

/** Who the namespace is, for readers alone: its tables may be of any level. Nothing is changed. */
export async function recognizeSpace(database: Database, names: Names): Promise<string> {
  await checkServer(database)
  const { level } = await recognize(database, null, names)
  if (level > 0) return identify(database, names)
  throw new ConfigError(
    `${database.location} holds no state history in namespace '${names.namespace}'; check the database and the option 'namespace'`,
  )
}

/** Serializes what several processes would otherwise create twice; lasts until the transaction ends. */
export async function lockSchemaChanges(database: Database, tx: Tx, names: Names): Promise<void> {
  await database.query(tx, 'lock', `select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
    `defacto/${names.namespace}/schema`,
  ])
}

async function checkServer(database: Database): Promise<void> {
  const [row] = await database.query(
    null,
    'open',
    `select current_setting('server_version_num')::int, current_setting('server_version'),
      current_setting('server_encoding')`,
  )
  const [number, version, encoding] = row as [number, string, string]
  if (number < MINIMUM_SERVER) {
    throw new ConfigError(`${database.location} is Postgres ${version}; defacto needs 13 or later`)
  }
  if (encoding !== 'UTF8') {
    throw new ConfigError(`${database.location} is encoded in ${encoding}; defacto needs a database in UTF8`)
  }
}

interface Found {
  /** Level of the tables; 0 if there are none. */
  readonly level: number
  /** Level a package must know to touch them. */
  readonly minimum: number
}

/** What the namespace's schema holds; an error if it is another application's. */
async function recognize(database: Database, tx: Tx | null, names: Names): Promise<Found> {
  const schema = names.namespace
  const rows = await database.query(
    tx,
    'open',
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') order by c.relname = 'meta' desc limit 1`,
    [schema],
  )
  if (rows.length === 0) return { level: 0, minimum: 0 }
  const isOurs =
    rows[0]?.[0] === 'meta' &&
    (
      await database.query(
        tx,
        'open',
        `select 1 from pg_attribute where attrelid = to_regclass($1) and attname in ('key', 'value')`,
        [`${quote(schema)}.meta`],
      )
    ).length === 2
  if (!isOurs) {
    throw new StorageError(
      `schema '${schema}' of ${database.location} belongs to another application; choose another namespace`,
      { details: { operation: 'open', schema } },
    )
  }
  const meta = await readMeta(database, tx, names)
  return { level: Number(meta.get('schema') ?? 0), minimum: Number(meta.get('schema_minimum') ?? 0) }
}

/** Applies what is missing in one transaction; another process may have been faster. */
async function migrate(database: Database, tx: Tx, names: Names, options: OpenOptions): Promise<void> {
  await lockSchemaChanges(database, tx, names)
  const { level } = await recognize(database, tx, names)
  const schema = quote(names.namespace)
  const run = (sql: string): Promise<void> => database.script(tx, 'migrate', sql)
  await run(`create schema if not exists ${schema}; set local search_path = ${schema}`)
  const set = (key: string, value: string): Promise<void> =>
    run(`insert into meta (key, value) values (${literal(key)}, ${literal(value)})
      on conflict (key) do update set value = excluded.value`)
  if (level === 0) {
    await run('create table meta (key text primary key, value text not null)')
    await set('space_id', randomUUID())
    await set('namespace', names.namespace)
  }
  for (const migration of MIGRATIONS) {
    if (migration.number <= level) continue
    await run(migration.sql)
    await set(`migration/${migration.number}`, `${options.now()} ${migration.name}`)
    await set('schema', String(migration.number))
    if (migration.breaking) await set('schema_minimum', String(migration.number))
  }
}

async function identify(database: Database, names: Names): Promise<string> {
  const meta = await readMeta(database, null, names)
  const minimum = Number(meta.get('schema_minimum') ?? 0)
  if (minimum > LATEST) {
    throw new ConfigError(
      `namespace '${names.namespace}' of ${database.location} was written by a newer package (table level ${minimum}, this one knows ${LATEST}); upgrade defacto`,
      { code: 'E_MIGRATION' },
    )
  }
  return meta.get('space_id') ?? ''
}

function outdated(database: Database, names: Names, level: number): ConfigError {
  const state = level === 0 ? 'has no tables yet' : `has tables of level ${level}, this package needs ${LATEST}`
  return new ConfigError(
    `namespace '${names.namespace}' of ${database.location} ${state}; run 'defacto migrate', or open it with migrations: 'auto'`,
    { code: 'E_MIGRATION' },
  )
}

async function readMeta(database: Database, tx: Tx | null, names: Names): Promise<Map<string, string>> {
  const rows = await database.query(tx, 'open', `select key, value from ${names.infra('meta')}`)
  return new Map(rows as [string, string][])
}
