/** Rows of persons taken out of a snapshot in a Postgres database of people's own (spec 05 §4.5), with their bytes. */
import { NOTHING, namesEntities, type Purge, type Purged, totalOf, UNNAMED } from '../../ports/export-purge.ts'
import type { Tx } from '../../ports/store.ts'
import { Database } from './database.ts'
import { qualified, quote } from './names.ts'
import { placeOf } from './snapshot.ts'

const OPERATION = 'purge'

interface Table {
  readonly name: string
  readonly all: readonly string[]
  readonly texts: readonly string[]
}

/** A schema that is not there has no rows. */
export async function purgePostgresSnapshot(url: string, purge: Purge): Promise<Purged> {
  const { address, schema } = placeOf(url)
  const database = new Database({ url: address, max: 3 })
  try {
    if (purge.dryRun === true) return (await rowsOf(database, null, schema, purge)).found
    const { found, tables } = await database.transaction(async (tx) => {
      // As the one who writes a snapshot holds it.
      await database.query(tx, OPERATION, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `defacto snapshot ${schema}`,
      ])
      const counted = await rowsOf(database, tx, schema, purge)
      if (counted.found.rows.size === 0) return counted
      for (const { name, texts } of counted.tables) {
        if (texts.length === 0) continue
        const sql = `delete from ${qualified(schema, name)} where ${conditionOf(texts)}`
        await database.execute(tx, OPERATION, sql, [[...purge.ids]])
      }
      return counted
    })
    await forgetBytes(database, schema, found.rows.size > 0 ? tables.map(({ name }) => name) : [])
    return found
  } finally {
    await database.close()
  }
}

/** Deleted rows stay in their pages until then; those of an earlier call that died before are found by their number. */
async function forgetBytes(database: Database, schema: string, changed: readonly string[]): Promise<void> {
  const sql = 'select relname from pg_stat_user_tables where schemaname = $1 and n_dead_tup > 0'
  const dead = (await database.query(null, OPERATION, sql, [schema])).map(([name]) => name as string)
  const names = [...new Set([...changed, ...dead])].map((name) => qualified(schema, name))
  if (names.length > 0) await database.query(null, OPERATION, `vacuum (full, analyze) ${names.join(', ')}`)
}

async function rowsOf(
  database: Database,
  tx: Tx | null,
  schema: string,
  { ids, types }: Purge,
): Promise<{ found: Purged; tables: Table[] }> {
  const tables = await tablesOf(database, tx, schema)
  const parts: Purged[] = []
  for (const { name, all, texts } of tables) {
    const problem = namesEntities(all, types) ? null : UNNAMED
    if (texts.length === 0) {
      parts.push({ ...NOTHING, problem })
      continue
    }
    const id = texts.map((column) => `case when ${quote(column)} = any($1::text[]) then ${quote(column)} end`)
    const rows = await database.query(
      tx,
      OPERATION,
      `select coalesce(${id.join(', ')}), count(*)::int from ${qualified(schema, name)}
        where ${conditionOf(texts)} group by 1`,
      [[...ids]],
    )
    parts.push({ rows: new Map(rows.map(([found, count]) => [found as string, Number(count)])), problem })
  }
  const total = totalOf(parts)
  const told = parts.length === 0 || parts.some(({ problem }) => problem === null)
  return { found: told ? { ...total, problem: null } : total, tables }
}

async function tablesOf(database: Database, tx: Tx | null, schema: string): Promise<Table[]> {
  const rows = await database.query(
    tx,
    OPERATION,
    `select c.relname, a.attname, a.atttypid = 'text'::regtype from pg_class c
      join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where n.nspname = $1 and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by c.relname, a.attnum`,
    [schema],
  )
  return [...Map.groupBy(rows, ([name]) => name as string)].map(([name, columns]) => ({
    name,
    all: columns.map(([, column]) => column as string),
    texts: columns.filter(([, , isText]) => isText === true).map(([, column]) => column as string),
  }))
}

function conditionOf(texts: readonly string[]): string {
  return texts.map((column) => `coalesce(${quote(column)} = any($1::text[]), false)`).join(' or ')
}
