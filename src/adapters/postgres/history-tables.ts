/** Schemas, tables and views of the versions: made, extended, brought into line with new definitions (spec 06 §1, 04 §4.4). */
import type { PropertyType } from '../../core/definition/model.ts'
import type { HistoryLayout } from '../../core/history.ts'
import { ConfigError, StorageError } from '../../errors.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { copyRelationPrivileges } from './attached.ts'
import { SQL_TYPES } from './columns.ts'
import { type View, viewsOf } from './edge-views.ts'
import { sqlState } from './errors.ts'
import { edgeTable, literal, qualified, quote, STATE_TABLE } from './names.ts'
import { lockSchemaChanges } from './open.ts'
import type { Space } from './space.ts'
import { createKeys, createTable, declaration, OURS, tablesOf, type VersionTable } from './version-tables.ts'

/** A table or view as it is in the database. */
export interface StoredRelation {
  readonly isView: boolean
  readonly isOurs: boolean
  /** Type by name, in order. */
  readonly columns: ReadonlyMap<string, string>
}

/** Makes what is missing. `ConfigError` if the schema belongs to another namespace, version or application. */
export async function ensureTables(space: Space, unit: Unit, layout: HistoryLayout): Promise<void> {
  if (await isCurrent(space, unit, layout)) return
  await lockSchemaChanges(space.database, unit.tx, space.names)
  // Another process may have been faster.
  if (await isCurrent(space, unit, layout)) return
  const schema = space.names.versionSchema(unit.version)
  checkColumns(layout)
  await claimSchema(space, unit, schema)
  const stored = await storedRelations(space, unit.tx, schema)
  await align(space, unit.tx, schema, layout, stored, 'extend')
  await saveLayout(space, unit, layout)
}

const SYSTEM_COLUMNS = ['tableoid', 'ctid', 'xmin', 'xmax', 'cmin', 'cmax']

function checkColumns({ entities, relationships }: HistoryLayout): void {
  for (const { type, columns } of [...entities, ...relationships]) {
    const taken = columns.find(({ name }) => SYSTEM_COLUMNS.includes(name))
    if (taken === undefined) continue
    throw new ConfigError(`property '${taken.name}' of '${type}' has a name that is reserved by Postgres; rename it`)
  }
}

/** Empty tables without keys and indexes, in place of those of an earlier attempt. */
export async function createShadow(space: Space, unit: Unit, layout: HistoryLayout): Promise<void> {
  const { database, names, shard } = space
  const schema = names.shadowSchema(unit.version, shard)
  await database.script(unit.tx, 'history.beginShadow', dropReplaced(names.versionSchema(unit.version)))
  for (const other of await shadowsOfOtherDivisions(space, unit)) await dropSchema(space, unit.tx, other)
  await dropSchema(space, unit.tx, schema)
  const tables = tablesOf(layout).map((table) => createTable(schema, table))
  await database.script(unit.tx, 'history.beginShadow', [`create schema ${quote(schema)}`, ...tables].join(';\n'))
}

export async function dropSchema({ database }: Space, tx: Tx, schema: string): Promise<void> {
  await database.script(tx, 'history.dropShadow', `drop schema if exists ${quote(schema)} cascade`)
}

/** What says whose schema it is: names alone could be read in several ways (`a` + `b_c`, `a_b` + `c`). */
export function schemaMark({ names }: Space, version: string): string {
  return `${OURS}namespace ${names.namespace}, version ${version}`
}

export async function saveLayout({ database, names }: Space, unit: Unit, layout: HistoryLayout): Promise<void> {
  await database.query(
    unit.tx,
    'history.layout',
    `insert into ${names.infra('history_layouts')} (version, layout) values ($1, $2)
      on conflict (version) do update set layout = excluded.layout`,
    [unit.version, JSON.stringify(layout)],
  )
}

export async function storedRelations(
  { database }: Space,
  tx: Tx,
  schema: string,
): Promise<Map<string, StoredRelation>> {
  const rows = await database.query(
    tx,
    'history.tables',
    `select c.relname, c.relkind = 'v', coalesce(obj_description(c.oid, 'pg_class') like $2, false),
        a.attname, format_type(a.atttypid, a.atttypmod)
      from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'v') order by c.relname, a.attnum`,
    [quote(schema), `${OURS}%`],
  )
  const relations = new Map<string, StoredRelation & { columns: Map<string, string> }>()
  for (const [name, isView, isOurs, column, type] of rows as [string, boolean, boolean, string | null, string][]) {
    const relation = relations.get(name) ?? { isView, isOurs, columns: new Map() }
    relations.set(name, relation)
    if (column !== null) relation.columns.set(column, type)
  }
  return relations
}

/**
 * Brings the tables and views of `schema` into line with `layout`. `extend` adds what is missing; `match` also takes
 * away columns and tables that are no more, and changes types, which empties those columns.
 * `StorageError` that names them if views or other objects of people stand in the way.
 */
export async function align(
  { database }: Space,
  tx: Tx,
  schema: string,
  layout: HistoryLayout,
  stored: ReadonlyMap<string, StoredRelation>,
  how: 'extend' | 'match',
): Promise<void> {
  const tables = tablesOf(layout)
  const views = viewsOf(how === 'extend' ? asStored(layout, stored) : layout, schema)
  const columns = tables.map((table) => alignTable(schema, table, stored.get(table.name), how))
  const gone = (kind: 'view' | 'table'): string[] => {
    const names = new Set([...tables, ...views].map(({ name }) => name))
    return [...stored]
      .filter(([name, { isOurs, isView }]) => isOurs && isView === (kind === 'view') && !names.has(name))
      .map(([name]) => `drop ${kind} ${qualified(schema, name)}`)
  }
  const statements = [
    ...columns.flatMap(({ before }) => before),
    ...views.flatMap((view) => alignView(schema, view, stored.get(view.name))),
    ...(how === 'match' ? gone('view') : []),
    ...columns.flatMap(({ after }) => after),
    ...(how === 'match' ? gone('table') : []),
  ]
  try {
    await database.script(tx, 'history.align', statements.join(';\n'))
  } catch (error) {
    if (sqlState(error) !== DEPENDENT_OBJECTS) throw error
    throw inTheWay(error as Error, schema)
  }
}

const DEPENDENT_OBJECTS = '2BP01'

/** The layout with the types that columns have as long as they are not changed. */
function asStored(layout: HistoryLayout, stored: ReadonlyMap<string, StoredRelation>): HistoryLayout {
  const types = new Map(Object.entries(SQL_TYPES).map(([type, sql]) => [sql, type as PropertyType]))
  const relationships = layout.relationships.map((relationship) => {
    const before = stored.get(edgeTable(relationship.type))?.columns
    const columns = relationship.columns.map(({ name, type }) => ({
      name,
      type: types.get(before?.get(name) ?? '') ?? type,
    }))
    return { ...relationship, columns }
  })
  return { ...layout, relationships }
}

/** Statements to run before the views are made anew, and those that have to wait until no view needs the old columns. */
function alignTable(
  schema: string,
  table: VersionTable,
  stored: StoredRelation | undefined,
  how: 'extend' | 'match',
): { before: string[]; after: string[] } {
  if (stored === undefined) return { before: [createTable(schema, table), createKeys(schema, table)], after: [] }
  const name = qualified(schema, table.name)
  const before: string[] = []
  const after: string[] = []
  for (const column of table.columns) {
    const type = stored.columns.get(column.name)
    if (type !== undefined && (type === column.type || how === 'extend')) continue
    if (type !== undefined) {
      const aside = quote(`${column.name}~`)
      before.push(`alter table ${name} rename column ${quote(column.name)} to ${aside}`)
      after.push(`alter table ${name} drop column ${aside}`)
    }
    before.push(`alter table ${name} add column ${declaration(column)}`)
  }
  if (how === 'extend') return { before, after }
  const wanted = new Set(table.columns.map((column) => column.name))
  for (const column of stored.columns.keys()) {
    if (!wanted.has(column)) after.push(`alter table ${name} drop column ${quote(column)}`)
  }
  return { before, after }
}

function alignView(schema: string, { name, columns, select }: View, stored: StoredRelation | undefined): string[] {
  const view = qualified(schema, name)
  const comment = `comment on view ${view} is ${literal(`${OURS}edges`)}`
  if (stored === undefined || sameColumns(columns, stored.columns)) {
    return [`create or replace view ${view} as ${select}`, comment]
  }
  const aside = qualified(schema, `${name}~`)
  return [
    `alter view ${view} rename to ${quote(`${name}~`)}`,
    `create view ${view} as ${select}`,
    comment,
    copyRelationPrivileges(aside, view),
    `drop view ${aside}`,
  ]
}

function sameColumns(columns: VersionTable['columns'], stored: ReadonlyMap<string, string>): boolean {
  const before = [...stored]
  return (
    columns.length === before.length &&
    columns.every(({ name, type }, i) => before[i]?.[0] === name && before[i]?.[1] === type)
  )
}

/** The server's detail lists the objects, which hold no values. */
function inTheWay(error: Error, schema: string): StorageError {
  const { detail } = (error.cause ?? {}) as { detail?: string }
  return new StorageError(
    `the tables in schema '${schema}' cannot take the columns of the new definitions, because other objects depend on them: ${detail ?? error.message}. Drop these, build again, and make them anew`,
    { details: { operation: 'history.align', driver: 'pg', schema }, cause: error },
  )
}

/** Whether the version has the tables of this layout. Looks for replaced tables on the way, and drops them. */
async function isCurrent({ database, names }: Space, unit: Unit, layout: HistoryLayout): Promise<boolean> {
  const schema = names.versionSchema(unit.version)
  const [row] = await database.query(
    unit.tx,
    'history.ensure',
    `select (select layout from ${names.infra('history_layouts')} where version = $1), to_regclass($2) is not null,
      exists (select 1 from pg_namespace where nspname like $3)`,
    [unit.version, qualified(schema, STATE_TABLE), likeReplaced(schema)],
  )
  const [stored, exists, replaced] = row as [string | null, boolean, boolean]
  if (replaced) await database.script(unit.tx, 'history.ensure', dropReplaced(schema))
  return exists && stored === JSON.stringify(layout)
}

/** Creates the schema, or sees that it is ours. One that is empty and says nothing may have been made for us. */
async function claimSchema(space: Space, { tx, version }: Unit, schema: string): Promise<void> {
  const { database } = space
  const mark = schemaMark(space, version)
  const [found] = await database.query(
    tx,
    'history.ensure',
    `select obj_description(n.oid, 'pg_namespace'), exists (select 1 from pg_class where relnamespace = n.oid)
      from pg_namespace n where nspname = $1`,
    [schema],
  )
  const [comment, used] = (found ?? [null, false]) as [string | null, boolean]
  if (comment === mark) return
  if (comment !== null || used) {
    const whose = comment?.startsWith(OURS) === true ? comment.slice(OURS.length) : 'another application'
    throw new ConfigError(
      `version '${version}' of namespace '${space.names.namespace}' needs the schema '${schema}' of ${database.location}, which belongs to ${whose}; choose another name`,
    )
  }
  const create = found === undefined ? `create schema ${quote(schema)};` : ''
  await database.script(tx, 'history.ensure', `${create} comment on schema ${quote(schema)} is ${literal(mark)}`)
}

/** Left behind where the entities were divided in another way: nobody goes on with these. */
async function shadowsOfOtherDivisions({ database, names, shard }: Space, unit: Unit): Promise<string[]> {
  const all = names.shadowSchema(unit.version, null)
  const rows = await database.query(
    unit.tx,
    'history.beginShadow',
    'select nspname from pg_namespace where starts_with(nspname, $1)',
    [all],
  )
  return rows
    .map(([name]) => name as string)
    .filter((name) => {
      const id = name.slice(all.length)
      return shard === null ? id !== '' : id === '' || Number(id) >= shard.total
    })
}

export function likeReplaced(schema: string): string {
  return `${schema.replaceAll('_', '\\_')}~old%`
}

/**
 * A statement that drops the replaced schemas of a version, except where somebody still reads them or has come to depend
 * on them: those are left for another time. It waits for nobody and makes nobody wait.
 */
export function dropReplaced(schema: string): string {
  return `do $do$
    declare old record; tables text; views text;
    begin
      for old in select oid, nspname from pg_namespace where nspname like ${literal(likeReplaced(schema))} loop
        begin
          select string_agg(oid::regclass::text, ', ') filter (where relkind = 'r'),
              string_agg(oid::regclass::text, ', ') filter (where relkind = 'v')
            into tables, views from pg_class where relnamespace = old.oid;
          if tables is not null then execute 'lock table ' || tables || ' in access exclusive mode nowait'; end if;
          if views is not null then execute 'drop view ' || views; end if;
          if tables is not null then execute 'drop table ' || tables; end if;
          execute format('drop schema %I', old.nspname);
        exception when lock_not_available or dependent_objects_still_exist or undefined_table or undefined_object
          or invalid_schema_name then null;
        end;
      end loop;
    end $do$`
}
