/**
 * Bytes of removed rows leave the server (spec 10 §10): its tables and indexes are written anew, so are its statistics, which
 * quote frequent values, and its log is written over. What the role may not do is said, with who may.
 */
import type { Client } from 'pg'
import { StorageError } from '../../errors.ts'
import type { Scrubbed } from '../../ports/store.ts'
import { storageError } from './errors.ts'
import { qualified } from './names.ts'
import type { Space } from './space.ts'

const OPERATION = 'scrub'
/** How long transactions of others that use a table are waited for. */
const LOCK_TIMEOUT = '30s'
/** Segments of the log that are written over at most: a server keeps far fewer. */
const MAX_SEGMENTS = 1_024

const STATISTICS =
  "statistics of the server quote frequent values: an administrator has to run 'vacuum full pg_catalog.pg_statistic; checkpoint'"
const LOG =
  'the write-ahead log holds earlier rows until it is written over: an administrator has to run pg_switch_wal() and checkpoint until every segment of pg_wal is newer'
const KEPT =
  'the server keeps older segments of its write-ahead log (replication slots, wal_keep_size or archiving): an administrator has to release them'
const ELSEWHERE =
  'standby servers, archived segments of the log and the log files of the server are the administrator’s'

export async function scrubPostgres(space: Space, { signal }: { signal?: AbortSignal } = {}): Promise<Scrubbed> {
  const { database } = space
  const client = await database.ownConnection(OPERATION)
  const dead = new Set<string>()
  client.on('notice', ({ detail = '' }) => {
    if (/[1-9]\d* dead row versions cannot be removed yet/.test(detail)) dead.add(detail)
  })
  try {
    await client.query(
      `set statement_timeout = 0; set lock_timeout = '${LOCK_TIMEOUT}'; set client_min_messages = info`,
    )
    const tables = await tablesOf(space, client)
    const bytesBefore = await bytesOf(client, tables)
    for (const table of tables) {
      signal?.throwIfAborted()
      // Indexes are made anew with it.
      await client.query(`vacuum (full, analyze, verbose) ${table}`)
    }
    if (dead.size > 0) {
      throw new StorageError(
        'scrub: a transaction that began earlier still sees what was removed; end it, or wait, and try again',
        { details: { operation: OPERATION }, recoverable: true },
      )
    }
    const left = [...(await renewStatistics(client, tables)), ...(await writeOverLog(client, signal)), ELSEWHERE]
    const method = 'VACUUM (FULL, ANALYZE), statistics, pg_switch_wal(), CHECKPOINT'
    return { method, bytesBefore, bytesAfter: await bytesOf(client, tables), left }
  } catch (error) {
    signal?.throwIfAborted()
    throw storageError(error, OPERATION, database.location)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Of the space: its own schema, those of its versions, and what builds in the making have beside them. */
async function tablesOf({ names }: Space, client: Client): Promise<string[]> {
  const versions = await client.query<{ version: string }>(`select version from ${names.infra('definition_versions')}`)
  const schemas = versions.rows.map(({ version }) => names.versionSchema(version))
  const found = await client.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and c.relpersistence = 'p'
        and (n.nspname = $1 or split_part(n.nspname, '~', 1) = any($2::text[])) order by 1, 2`,
    [names.namespace, schemas],
  )
  return found.rows.map(({ schema, name }) => qualified(schema, name))
}

async function bytesOf(client: Client, tables: readonly string[]): Promise<number> {
  const sql =
    'select coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::float8 as bytes from unnest($1::text[]) name'
  const found = await client.query<{ bytes: number }>(sql, [tables])
  return found.rows[0]?.bytes ?? 0
}

/** Tables without rows keep the statistics that they had; and the old ones lie in pages of the catalogue. */
async function renewStatistics(client: Client, tables: readonly string[]): Promise<string[]> {
  if (!(await isSuperuser(client))) return [STATISTICS]
  for (const table of tables) {
    const some = await client.query(`select 1 from ${table} limit 1`)
    if (some.rowCount === 0)
      await client.query('delete from pg_catalog.pg_statistic where starelid = to_regclass($1)', [table])
  }
  await client.query('vacuum (full) pg_catalog.pg_statistic')
  return []
}

async function isSuperuser(client: Client): Promise<boolean> {
  const found = await client.query<{ is: boolean }>(`select current_setting('is_superuser')::boolean as is`)
  return found.rows[0]?.is === true
}

/**
 * Segments that are no longer needed are kept for later use with what is in them. So all that are ready are begun and left
 * again, which fills them with nothing.
 */
async function writeOverLog(client: Client, signal: AbortSignal | undefined): Promise<string[]> {
  try {
    const begin = await nextSegment(client)
    await client.query('checkpoint')
    const before = await segments(client)
    if (before.some((name) => name < begin)) return [KEPT]
    const ready = before.filter((name) => name > begin).length
    for (let n = 0; n <= Math.min(ready, MAX_SEGMENTS); n += 1) {
      signal?.throwIfAborted()
      await nextSegment(client)
    }
    await client.query('checkpoint')
    return []
  } catch (error) {
    // Of a role that may not.
    if ((error as { code?: string }).code === '42501') return [LOG]
    throw error
  }
}

/** Name of the segment that is written from now on. */
async function nextSegment(client: Client): Promise<string> {
  // A segment in which nothing stands is not left.
  await client.query(`select pg_logical_emit_message(false, 'defacto', 'scrub')`)
  await client.query('select pg_switch_wal()')
  await client.query(`select pg_logical_emit_message(false, 'defacto', 'scrub')`)
  const found = await client.query<{ name: string }>('select pg_walfile_name(pg_current_wal_insert_lsn()) as name')
  return found.rows[0]?.name ?? ''
}

/** In order of time, without those of an earlier timeline. */
async function segments(client: Client): Promise<string[]> {
  const found = await client.query<{ name: string }>(
    `select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$' order by name`,
  )
  return found.rows.map(({ name }) => name)
}
