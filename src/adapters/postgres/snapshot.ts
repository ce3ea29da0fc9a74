/**
 * Flat tables in a Postgres database of people's own (spec 06 §7 `snapshot`), in a schema of their own: `defacto_snapshot`,
 * or that of the URL's parameter `schema`. All change in one transaction: who reads sees the old rows or the new ones. A
 * table whose columns stay is emptied and filled again, so that views on it and its grants stay too, and readers wait for
 * nothing; one whose columns change is made anew.
 */
import type { PropertyType } from '../../core/definition/model.ts'
import { stringifyJson } from '../../core/expression/json.ts'
import { instantFromDate } from '../../core/instant.ts'
import { ConfigError, StorageError } from '../../errors.ts'
import type { ExportTable, WriteOptions, Written } from '../../ports/exports.ts'
import type { Tx } from '../../ports/store.ts'
import { plainText } from '../sql/run-log-columns.ts'
import { copyField } from './connection.ts'
import { Database } from './database.ts'
import { qualified, quote } from './names.ts'

const SCHEMA = 'defacto_snapshot'
const OPERATION = 'export'
const SQL_TYPES: Readonly<Record<PropertyType | 'unknown', string>> = {
  string: 'text',
  number: 'double precision',
  integer: 'bigint',
  boolean: 'boolean',
  datetime: 'timestamp with time zone',
  unknown: 'text',
}

/** @throws ConfigError if the schema is that of a space; StorageError if the server cannot be reached or refuses. */
export async function writePostgresSnapshot(
  url: string,
  tables: readonly ExportTable[],
  options: WriteOptions = {},
): Promise<Written> {
  const { address, schema } = placeOf(url)
  const database = new Database({ url: address, max: 3 })
  let begun = false
  try {
    const rows = await database.transaction(async (tx) => {
      // The tables can be read once.
      if (begun) throw new StorageError('the snapshot met another writer; try again', { recoverable: true })
      begun = true
      await claim(database, tx, schema)
      let all = 0
      for (const table of tables) all += await fill(database, tx, schema, table, options)
      options.signal?.throwIfAborted()
      return all
    })
    return { rows, bytes: null }
  } finally {
    await database.close()
  }
}

/** The address without the parameter that names the schema. */
export function placeOf(url: string): { address: string; schema: string } {
  const [before = '', query = ''] = url.split('?', 2)
  const params = new URLSearchParams(query)
  const schema = params.get('schema') ?? SCHEMA
  params.delete('schema')
  const rest = params.toString()
  return { address: rest === '' ? before : `${before}?${rest}`, schema }
}

/** The schema is this writer's until the transaction ends: another one would leave the rows of both. */
async function claim(database: Database, tx: Tx, schema: string): Promise<void> {
  await database.query(tx, OPERATION, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `defacto snapshot ${schema}`,
  ])
  const [found] = await database.query(
    tx,
    OPERATION,
    `select to_regclass($2) is not null or to_regclass($3) is not null from pg_namespace where nspname = $1`,
    [schema, qualified(schema, 'entity_state'), qualified(schema, 'event_entities')],
  )
  if (found?.[0] === true) {
    throw new ConfigError(
      `the schema '${schema}' of ${database.location} belongs to a space; name another in ?schema=`,
      {
        code: 'E_CONFIG_DATABASE',
      },
    )
  }
  if (found === undefined) await database.script(tx, OPERATION, `create schema ${quote(schema)}`)
}

async function fill(
  database: Database,
  tx: Tx,
  schema: string,
  { name, columns, chunks }: ExportTable,
  { signal, onProgress }: WriteOptions,
): Promise<number> {
  const table = qualified(schema, name)
  const wanted = columns.map((column) => `${column.name} ${SQL_TYPES[column.type]}`)
  const [stored] = await database.query(
    tx,
    OPERATION,
    `select coalesce(array_to_json(array_agg(attname || ' ' || format_type(atttypid, atttypmod) order by attnum)), '[]')::text
      from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped having count(*) > 0`,
    [table],
  )
  const same = stored !== undefined && JSON.stringify(JSON.parse(stored[0] as string)) === JSON.stringify(wanted)
  const list = columns.map((column) => `${quote(column.name)} ${SQL_TYPES[column.type]}`).join(', ')
  await database.script(
    tx,
    OPERATION,
    same ? `delete from ${table}` : `drop table if exists ${table}; create table ${table} (${list})`,
  )
  const copy = `copy ${table} from stdin`
  let rows = 0
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    await database.copy(tx, OPERATION, copy, chunk.map(lineOf))
    rows += chunk.length
    onProgress?.({ table: name, rows })
  }
  database.afterCommit(tx, OPERATION, `analyze ${table}`)
  return rows
}

function lineOf(row: readonly unknown[]): string {
  return row.map((value) => copyField(plain(value))).join('\t')
}

function plain(value: unknown): string | number | bigint | boolean | null {
  switch (typeof value) {
    case 'string':
      return plainText(value)
    case 'number':
    case 'bigint':
    case 'boolean':
      return value
    default:
      if (value === null || value === undefined) return null
      return plainText(value instanceof Date ? String(instantFromDate(value)) : stringifyJson(value))
  }
}
