/** Takes entities out of the tables of a version (spec 05 §4.2 no. 9, 10). */
import type { HistoryLayout } from '../../core/history.ts'
import type { Unit } from '../../ports/store.ts'
import { dropReplaced, likeReplaced } from './history-tables.ts'
import { edgeTable, historyTable, qualified, quote, STATE_TABLE } from './names.ts'
import type { Space } from './space.ts'

const OPERATION = 'history.remove'

/**
 * Rows and edges of these entities in both directions: of the live tables and of what is left of replaced ones that
 * somebody still reads; or of full builds in the making, of every shard, checkpoints included. An entity whose type nobody
 * knows any more is looked for under every one. Returns how many rows of live tables, or of those in the making, there were.
 */
export async function removeEntities(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
  target: 'live' | 'shadow',
): Promise<number> {
  if (ids.length === 0) return 0
  const live = space.names.versionSchema(unit.version)
  if (target === 'shadow') return removeFrom(space, unit, await shadowSchemas(space, unit), layout, ids, [STATE_TABLE])
  await removeReplaced(space, unit, layout, ids)
  return removeFrom(space, unit, [live], layout, ids, [])
}

/** From what is left of replaced tables that somebody still reads: all that nobody reads any more goes. */
export async function removeReplaced(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
): Promise<void> {
  const { names, database } = space
  const live = names.versionSchema(unit.version)
  const replaced = await schemas(space, unit, 'nspname like $1', likeReplaced(live))
  if (replaced.length === 0) return
  await database.script(unit.tx, OPERATION, dropReplaced(live))
  const left = await schemas(space, unit, 'nspname like $1', likeReplaced(live))
  await removeFrom(space, unit, left, layout, ids, [STATE_TABLE])
}

/** Those of the qualified names that tables have. */
export async function existingTables({ database }: Space, unit: Unit, tables: readonly string[]): Promise<string[]> {
  if (tables.length === 0) return []
  const rows = await database.query(
    unit.tx,
    'history.tables',
    'select name from unnest($1::text[]) with ordinality w (name, n) where to_regclass(name) is not null order by n',
    [tables],
  )
  return rows.map(([name]) => name as string)
}

/** `extra`: further tables whose `id` is that of an entity. */
async function removeFrom(
  space: Space,
  unit: Unit,
  schemaNames: readonly string[],
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
  extra: readonly string[],
): Promise<number> {
  const deletions = new Map<string, { where: string; ids: string[] }>()
  const all = ids.map(({ id }) => id)
  for (const schema of schemaNames) {
    for (const { type } of layout.entities) {
      const own = ids.filter((entity) => entity.type === type || entity.type === '').map(({ id }) => id)
      if (own.length === 0) continue
      const where = `${quote(`${type}_id`)} = any($1::text[])`
      deletions.set(qualified(schema, historyTable(type)), { where, ids: own })
    }
    // By the primary key and the index over target_id, which tables in the making do not have yet.
    const both = 'source_id = any($1::text[]) or target_id = any($1::text[])'
    for (const { type } of layout.relationships) {
      deletions.set(qualified(schema, edgeTable(type)), { where: both, ids: all })
    }
    for (const table of extra) deletions.set(qualified(schema, table), { where: 'id = any($1::text[])', ids: all })
  }
  let removed = 0
  for (const table of await existingTables(space, unit, [...deletions.keys()])) {
    const { where, ids: own } = deletions.get(table) ?? { where: 'false', ids: [] }
    removed += await space.database.execute(unit.tx, OPERATION, `delete from ${table} where ${where}`, [own])
  }
  return removed
}

/** Of all divisions of the entities: what is left of another one holds the same people. */
async function shadowSchemas(space: Space, unit: Unit): Promise<string[]> {
  const whole = space.names.shadowSchema(unit.version, null)
  const found = await schemas(space, unit, 'starts_with(nspname, $1)', whole)
  return found.filter((name) => /^\d*$/.test(name.slice(whole.length)))
}

async function schemas({ database }: Space, unit: Unit, where: string, name: string): Promise<string[]> {
  const rows = await database.query(unit.tx, OPERATION, `select nspname from pg_namespace where ${where}`, [name])
  return rows.map(([found]) => found as string)
}
