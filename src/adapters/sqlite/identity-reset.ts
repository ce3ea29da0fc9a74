/** Writing hints in SQLite: new ones, all of them in one step, tokens in their place; and what tells of it (spec 04 §4.4, 05 §5.3). */
import { storedText } from '../../core/stored-text.ts'
import type { HintRow, IdentityChange } from '../../ports/store.ts'
import type { Connection } from './connection.ts'

export const HINT_COLUMNS = 'entity_type, hint_type, hint_value, entity_id'
const WRITE_MERGE = `insert into merge_log (from_entity_id, into_entity_id, timestamp, reason, change_seq)
  values (?, ?, ?, ?, ?) on conflict do nothing`
const WRITE_CHANGE = 'insert into identity_changes (kind, entity_id, into_entity_id, at) values (?, ?, ?, ?)'

export function insertHints(connection: Connection, table: string, rows: Iterable<HintRow>, at: string): void {
  const insert = connection.statement(
    `insert into ${table} (${HINT_COLUMNS}, created_at) values (?, ?, ?, ?, ?) on conflict do nothing`,
  )
  for (const row of rows) insert.run(row.entityType, row.hintType, storedText(row.value), row.entityId, at)
}

/** Puts these hints in the place of all; keys that stay keep when they were made, and tokens that they are tokens. */
export function resetIdentity(
  connection: Connection,
  hints: Iterable<HintRow>,
  retired: readonly { readonly from: string; readonly into: string }[],
  at: string,
): void {
  // Filled beside the old table: the hints may still be read from it.
  const old = connection.get(`select sql from sqlite_schema where type = 'table' and name = 'identity'`)?.[0]
  const indexes = connection.all(
    `select sql from sqlite_schema where type = 'index' and tbl_name = 'identity' and sql is not null`,
  )
  connection.exec(String(old).replace(/create table "?identity"?/i, 'create table identity_next'))
  insertHints(connection, 'identity_next', hints, at)
  connection.exec(`
    update identity_next as n set created_at = o.created_at from identity as o
      where o.entity_type = n.entity_type and o.hint_type = n.hint_type and o.hint_value = n.hint_value;
    -- No plain value reads like a token, and a token stays one under whatever name of the field.
    update identity_next as n set redacted = 1, sticky = t.sticky
      from (select hint_value, max(sticky) as sticky from identity where redacted = 1 group by hint_value) as t
      where t.hint_value = n.hint_value;
    drop table identity;
    alter table identity_next rename to identity;
    ${indexes.map(([sql]) => `${sql};`).join('\n')}
    delete from event_entities;
    -- An id that owns hints again is nobody's loser any more.
    delete from merge_log where exists (select 1 from identity where entity_id = from_entity_id);`)
  const change = writeChange(connection, 'reset', null, null, at)
  for (const { from, into } of retired) logMerge(connection, { from, into, at, reason: 'identity reset', change })
}

/** Puts tokens in place of values; a token that is there already is the same hint. Returns how many rows changed. */
export function redactHints(
  connection: Connection,
  rows: readonly (HintRow & { readonly token: string })[],
  sticky: boolean,
): number {
  const key = 'entity_type = ? and hint_type = ? and hint_value = ?'
  const replace = connection.statement(
    `update or ignore identity set hint_value = ?, redacted = 1, sticky = max(sticky, ?)
      where ${key} and entity_id = ? and (hint_value <> ? or redacted = 0 or sticky < ?)`,
  )
  const mark = connection.statement(`update identity set sticky = max(sticky, ?) where ${key} and redacted = 1`)
  const remove = connection.statement(`delete from identity where ${key} and entity_id = ? and redacted = 0`)
  const flag = sticky ? 1 : 0
  let changed = 0
  for (const { entityType, hintType, value, entityId, token } of rows) {
    const plain = storedText(value)
    const done = replace.run(token, flag, entityType, hintType, plain, entityId, token, flag).changes
    if (Number(done) === 1) changed += 1
    else if (Number(remove.run(entityType, hintType, plain, entityId).changes) === 1) {
      mark.run(flag, entityType, hintType, token)
      changed += 1
    }
  }
  return changed
}

export function writeChange(
  connection: Connection,
  kind: IdentityChange['kind'],
  entityId: string | null,
  into: string | null,
  at: string,
): number {
  return Number(connection.statement(WRITE_CHANGE).run(kind, entityId, into, at).lastInsertRowid)
}

export function logMerge(
  connection: Connection,
  { from, into, at, reason, change }: { from: string; into: string; at: string; reason: string; change: number },
): void {
  // A survivor is alive: if it was a loser before a reset, that row is history. The log stays a forest.
  connection.run('delete from merge_log where from_entity_id = ?', into)
  connection.run(WRITE_MERGE, from, into, at, reason, change)
}
