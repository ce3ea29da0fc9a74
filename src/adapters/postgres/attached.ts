/** What people attach to the tables of a version: privileges, and objects of their own that depend on them. */
import type { Tx } from '../../ports/store.ts'
import type { Database } from './database.ts'
import { literal, quote } from './names.ts'
import { INDEX_NAME, OURS } from './version-tables.ts'

/**
 * Whether anything in the database that is not ours depends on the schema or its tables, or lies in it: views, foreign
 * keys, indexes, publications, policies, … Such things hold on to the tables themselves, not to their names.
 */
export async function hasDependents(database: Database, tx: Tx, schema: string): Promise<boolean> {
  const rows = await database.query(tx, 'history.dependents', DEPENDENTS, [quote(schema), INDEX_NAME, `${OURS}%`])
  return rows.length > 0
}

const DEPENDENTS = `
with
  ours as materialized (
    select oid, reltype from pg_class
    where relnamespace = to_regnamespace($1) and relkind in ('r', 'v') and obj_description(oid, 'pg_class') like $3
  ),
  row_types as materialized (
    select reltype as oid from ours where reltype <> 0
    union all select t.oid from pg_type t join ours o on t.typelem = o.reltype where o.reltype <> 0
  )
(select 1 from pg_class
  where relnamespace = to_regnamespace($1) and relkind not in ('i', 'I') and oid not in (select oid from ours))
union all
(select 1 from pg_index i join ours o on o.oid = i.indrelid join pg_class c on c.oid = i.indexrelid
  where not i.indisprimary and c.relname !~ $2)
union all
(select 1 from pg_depend d join ours o on o.oid = d.refobjid
  where d.refclassid = 'pg_class'::regclass and d.deptype <> 'i' and case d.classid
    when 'pg_class'::regclass then
      (select c.relnamespace <> to_regnamespace($1) from pg_class c where c.oid = d.objid)
    when 'pg_rewrite'::regclass then
      (select w.ev_class not in (select oid from ours) from pg_rewrite w where w.oid = d.objid)
    when 'pg_constraint'::regclass then (select c.contype not in ('p', 'n') from pg_constraint c where c.oid = d.objid)
    else true end)
union all
(select 1 from pg_depend d join row_types t on t.oid = d.refobjid
  where d.refclassid = 'pg_type'::regclass and d.deptype <> 'i')
union all
(select 1 from pg_depend d
  where d.refclassid = 'pg_namespace'::regclass and d.refobjid = to_regnamespace($1)
    and d.classid not in ('pg_class'::regclass, 'pg_default_acl'::regclass))
limit 1`

/** A statement that gives the relations of `to` the privileges that those of the same name in `from` have. */
export function copyPrivileges(from: string, to: string): string {
  const [old, next] = [`to_regnamespace(${literal(quote(from))})`, `to_regnamespace(${literal(quote(to))})`]
  return block(`
  for item in
    select ${GRANT} from pg_namespace n, aclexplode(n.nspacl) a
      where n.oid = ${old} and a.grantee <> n.nspowner
  loop
    execute format('grant %s on schema %s to %s %s', item.privilege, ${next}, item.grantee, item.further);
  end loop;
  for item in
    select ${GRANT}, pg_get_userbyid(d.defaclrole) as role from pg_default_acl d, aclexplode(d.defaclacl) a
      where d.defaclnamespace = ${old} and d.defaclobjtype = 'r' and pg_has_role(d.defaclrole, 'member')
  loop
    execute format('alter default privileges for role %I in schema %s grant %s on tables to %s %s',
      item.role, ${next}, item.privilege, item.grantee, item.further);
  end loop;
  ${relations(`select o.oid as old, n.oid as next from pg_class o join pg_class n on n.relname = o.relname
    where o.relnamespace = ${old} and n.relnamespace = ${next} and n.relkind in ('r', 'v')`)}`)
}

/** The same for two relations, given as quoted qualified names. */
export function copyRelationPrivileges(from: string, to: string): string {
  return block(relations(`select ${literal(from)}::regclass::oid as old, ${literal(to)}::regclass::oid as next`))
}

function block(body: string): string {
  return `do $do$ declare pair record; item record; begin ${body} end $do$`
}

const GRANTEE = `case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee`
const GRANT = `a.privilege_type as privilege, ${GRANTEE},
  case when a.is_grantable then 'with grant option' else '' end as further`

function relations(pairs: string): string {
  return `
  for pair in ${pairs} loop
    -- What default privileges gave may have been taken away since.
    for item in
      select distinct ${GRANTEE} from pg_class c, aclexplode(c.relacl) a where c.oid = pair.next and a.grantee <> c.relowner
    loop
      execute format('revoke all on %s from %s', pair.next::regclass, item.grantee);
    end loop;
    for item in
      select ${GRANT}, '' as columns from pg_class c, aclexplode(c.relacl) a
        where c.oid = pair.old and a.grantee <> c.relowner
      union all
      select ${GRANT}, format('(%I)', t.attname)
        from pg_attribute t join pg_attribute n on n.attrelid = pair.next and n.attname = t.attname,
          aclexplode(t.attacl) a
        where t.attrelid = pair.old and not t.attisdropped and not n.attisdropped
    loop
      execute format('grant %s %s on %s to %s %s', item.privilege, item.columns, pair.next::regclass, item.grantee,
        item.further);
    end loop;
  end loop;`
}
