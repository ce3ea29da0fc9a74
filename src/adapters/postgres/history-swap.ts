/** Puts what a full build made in the place of the live tables (spec 04 §4.4 "Replacing state"). */
import type { HistoryLayout } from '../../core/history.ts'
import type { Unit } from '../../ports/store.ts'
import { copyPrivileges, hasDependents } from './attached.ts'
import { viewsOf } from './edge-views.ts'
import {
  align,
  dropReplaced,
  dropSchema,
  likeReplaced,
  type StoredRelation,
  saveLayout,
  schemaMark,
  storedRelations,
} from './history-tables.ts'
import { fromExcluded, literal, owned, qualified, quote, replacedSchema, STATE_TABLE, shardHashSql } from './names.ts'
import { lockSchemaChanges } from './open.ts'
import type { Space } from './space.ts'
import { createKeys, type EntityLayout, entityTable, OURS, tablesOf, type VersionTable } from './version-tables.ts'

/**
 * The schema of the shadow takes the name of the live one, which locks neither tables nor readers: who reads goes on
 * reading the old tables, who comes later finds the new ones. Where the schema is shared with other shards, or objects of
 * people depend on its tables, their rows are replaced instead.
 */
export async function swapShadow(space: Space, unit: Unit, layout: HistoryLayout): Promise<void> {
  const { database, names, shard } = space
  const { tx, version } = unit
  const live = names.versionSchema(version)
  const shadow = names.shadowSchema(version, shard)
  await lockSchemaChanges(database, tx, names)
  await database.script(tx, OPERATION, SETTINGS)
  const stored = await storedRelations(space, tx, live)
  for (const entity of layout.entities) {
    await database.script(tx, OPERATION, carryMerged(space, entity, live, shadow, stored))
  }
  const tables = tablesOf(layout)
  if (shard === null && !(await hasDependents(database, tx, live))) {
    await finishSchema(space, unit, layout, live, shadow)
    await exchange(space, unit, live, shadow)
  } else {
    await align(space, tx, live, layout, stored, 'match')
    for (const table of tables) await database.script(tx, OPERATION, replaceRows(space, table, live, shadow))
    await dropSchema(space, tx, shadow)
    // The entities of one shard are a fair sample of all.
    if ((shard?.id ?? 0) === 0) {
      for (const { name } of tables) database.afterCommit(tx, OPERATION, `analyze ${qualified(live, name)}`)
    }
  }
  await saveLayout(space, unit, layout)
}

const OPERATION = 'history.swapShadow'

/** Indexing everything takes its time, and is faster with memory. */
const SETTINGS = `set local statement_timeout = 0;
  select set_config('maintenance_work_mem', '256MB', true)
    where pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB')`

/**
 * Rows of entities that were merged away, or retired by an identity reset: they have no events any more, so a replay
 * does not make them. The merge log says where each went; of several rows about one loser the newest counts. Who
 * was erased is gone, merged away or not.
 */
function carryMerged(
  { names, shard }: Space,
  entity: EntityLayout,
  live: string,
  shadow: string,
  stored: ReadonlyMap<string, StoredRelation>,
): string {
  const table = entityTable(entity)
  const before = stored.get(table.name)
  if (before === undefined) return ''
  const columns = table.columns.filter(({ name, type }) => before.columns.get(name) === type).map(({ name }) => name)
  const id = quote(table.owner)
  const values = columns.map((name) => {
    if (name === 'merged_into') return 'coalesce(m.into_entity_id, l.merged_into)'
    if (name === 'valid_to') return 'coalesce(l.valid_to, greatest(m."timestamp", l.valid_from))'
    return `l.${quote(name)}`
  })
  return `insert into ${qualified(shadow, table.name)} (${columns.map(quote).join(', ')})
    select ${values.join(', ')}
    from (select from_entity_id as id from ${names.infra('merge_log')}
        union select ${id} from ${qualified(live, table.name)} where merged_into is not null) gone
      join ${qualified(live, table.name)} l on l.${id} = gone.id
      left join (select distinct on (from_entity_id) from_entity_id, into_entity_id, "timestamp"
        from ${names.infra('merge_log')} order by from_entity_id, change_seq desc) m on m.from_entity_id = gone.id
    where ${owned(shard, shardHashSql('gone.id'))}
      and gone.id not in (select entity_id from ${names.infra('identity_changes')}
        where kind = 'erase' and entity_id is not null)
      and not exists (select 1 from ${qualified(shadow, table.name)} s where s.${id} = gone.id)`
}

/** Everything the shadow lacks to be what the live schema is, statistics for the planner included. */
async function finishSchema(
  space: Space,
  { tx, version }: Unit,
  layout: HistoryLayout,
  live: string,
  shadow: string,
): Promise<void> {
  const run = (sql: string): Promise<void> => space.database.script(tx, OPERATION, sql)
  for (const table of tablesOf(layout)) {
    await run(createKeys(shadow, table))
    await run(`analyze ${qualified(shadow, table.name)}`)
  }
  for (const { name, select } of viewsOf(layout, shadow)) {
    const view = qualified(shadow, name)
    await run(`create view ${view} as ${select}; comment on view ${view} is ${literal(`${OURS}edges`)}`)
  }
  await run(`comment on schema ${quote(shadow)} is ${literal(schemaMark(space, version))}`)
  await run(copyPrivileges(live, shadow))
}

async function exchange({ database }: Space, { tx }: Unit, live: string, shadow: string): Promise<void> {
  const replaced = await database.query(tx, OPERATION, 'select nspname from pg_namespace where nspname like $1', [
    likeReplaced(live),
  ])
  const numbers = replaced.map(([name]) => Number(/\d+$/.exec(name as string)?.[0] ?? 0))
  const old = replacedSchema(live, Math.max(0, ...numbers) + 1)
  await database.script(
    tx,
    OPERATION,
    `alter schema ${quote(live)} rename to ${quote(old)}; alter schema ${quote(shadow)} rename to ${quote(live)}`,
  )
  database.afterCommit(tx, OPERATION, dropReplaced(live))
}

/**
 * The rows of owned entities as in the shadow. Those that are there already stay untouched, so that what a rebuild does
 * not change costs no writing, and foreign keys that people point at them hold.
 */
function replaceRows({ shard }: Space, table: VersionTable, live: string, shadow: string): string {
  const [target, source] = [qualified(live, table.name), qualified(shadow, table.name)]
  const mine =
    table.name === STATE_TABLE ? owned(shard, 'l.shard_hash') : owned(shard, shardHashSql(`l.${quote(table.owner)}`))
  const key = table.key.map(quote)
  const columns = table.columns.map(({ name }) => quote(name))
  const others = columns.filter((column) => !key.includes(column))
  return `delete from ${target} l where ${mine}
      and not exists (select 1 from ${source} s where ${key.map((column) => `s.${column} = l.${column}`).join(' and ')});
    insert into ${target} as l (${columns.join(', ')}) select ${columns.join(', ')} from ${source}
      on conflict (${key.join(', ')}) do update set ${fromExcluded(others)}
      where (${others.map((c) => `l.${c}`).join(', ')})
        is distinct from (${others.map((c) => `excluded.${c}`).join(', ')})`
}
