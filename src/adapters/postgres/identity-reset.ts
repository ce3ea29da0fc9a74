/** Replacing all hints in one step, without a lock that readers would notice (spec 04 §4.4, §5.4). */
import { storedText } from '../../core/stored-text.ts'
import type { HintRow, Unit } from '../../ports/store.ts'
import { copyField } from './connection.ts'
import type { Space } from './space.ts'

/**
 * The new hints are laid beside the old ones and compared with them, and only rows that differ are written. So most of a
 * reset that changes little costs two reads of the table, rows keep when they were created and what was redacted, and
 * readers see the old hints and mappings until the unit commits; swapping or truncating tables would make them wait.
 */
export async function resetIdentity(
  { database, names }: Space,
  unit: Unit,
  hints: Iterable<HintRow>,
  retired: readonly { from: string; into: string }[],
): Promise<void> {
  const next = names.infra('identity~next')
  const identity = names.infra('identity')
  const mergeLog = names.infra('merge_log')
  const changes = names.infra('identity_changes')
  const sameKey = `i.entity_type = n.entity_type and i.hint_type = n.hint_type and i.hint_value = n.hint_value`
  await database.script(
    unit.tx,
    'identity.reset',
    `create unlogged table ${next} (like ${identity} including storage);
    alter table ${next} alter column created_at drop not null, alter column redacted drop not null,
      alter column sticky drop not null, add primary key (entity_type, hint_type, hint_value)`,
  )
  await database.copy(
    unit.tx,
    'identity.reset',
    `copy ${next} (entity_type, hint_type, hint_value, entity_id) from stdin`,
    copyLines(hints),
  )
  await database.script(
    unit.tx,
    'identity.reset',
    // No plain value reads like a token, and a token stays one under whatever name of the field.
    `update ${next} n set redacted = true, sticky = t.sticky
      from (select hint_value, bool_or(sticky) as sticky from ${identity} where redacted group by hint_value) t
      where t.hint_value = n.hint_value;
    analyze ${next};
    delete from ${identity} i where not exists (select 1 from ${next} n where ${sameKey});
    update ${identity} i set entity_id = n.entity_id from ${next} n where ${sameKey} and i.entity_id <> n.entity_id`,
  )
  await database.query(
    unit.tx,
    'identity.reset',
    `insert into ${identity} (entity_type, hint_type, hint_value, entity_id, created_at, redacted, sticky)
      select n.entity_type, n.hint_type, n.hint_value, n.entity_id, $1::timestamptz,
        coalesce(n.redacted, false), coalesce(n.sticky, false) from ${next} n
      where not exists (select 1 from ${identity} i where ${sameKey})`,
    [unit.now.toString()],
  )
  // An id that owns hints again is nobody's loser any more.
  await database.script(
    unit.tx,
    'identity.reset',
    `drop table ${next};
    delete from ${names.infra('event_entities')};
    delete from ${mergeLog} m where exists (select 1 from ${identity} i where i.entity_id = m.from_entity_id)`,
  )
  await database.query(
    unit.tx,
    'identity.reset',
    `with change as (insert into ${changes} (change_seq, kind, at)
        select coalesce(max(change_seq), 0) + 1, 'reset', $3::timestamptz from ${changes} returning change_seq),
      alive as (delete from ${mergeLog} where from_entity_id = any($2::text[]))
    insert into ${mergeLog} (from_entity_id, into_entity_id, "timestamp", reason, change_seq)
      select r.old, r.new, $3::timestamptz, 'identity reset', change_seq
        from change cross join unnest($1::text[], $2::text[]) r (old, new) on conflict do nothing`,
    [retired.map(({ from }) => storedText(from)), retired.map(({ into }) => storedText(into)), unit.now.toString()],
  )
}

function* copyLines(hints: Iterable<HintRow>): Iterable<string> {
  for (const { entityType, hintType, value, entityId } of hints) {
    yield [entityType, hintType, value, entityId].map((text) => copyField(storedText(text))).join('\t')
  }
}

/** Puts tokens in place of values; a token that is there already is the same hint. Returns how many rows changed. */
export async function redactHints(
  { database, names }: Space,
  { tx }: Unit,
  rows: readonly (HintRow & { readonly token: string })[],
  sticky: boolean,
): Promise<number> {
  if (rows.length === 0) return 0
  const identity = names.infra('identity')
  const params = [
    rows.map((row) => storedText(row.entityType)),
    rows.map((row) => storedText(row.hintType)),
    rows.map((row) => storedText(row.value)),
    rows.map((row) => storedText(row.entityId)),
    rows.map((row) => row.token),
  ]
  const given = 'unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) w (type, hint, value, id, token)'
  const isToken = 'i.entity_type = w.type and i.hint_type = w.hint and i.hint_value = w.token and i.redacted'
  // By identity_pkey, all three.
  const marked = await database.query(
    tx,
    'identity.redact',
    `update ${identity} i set sticky = i.sticky or $6::boolean from ${given}
      where ${isToken} and ((not i.sticky and $6::boolean) or exists (select 1 from ${identity} p
        where p.entity_type = w.type and p.hint_type = w.hint and p.hint_value = w.value and p.hint_value <> w.token
          and p.entity_id = w.id))
      returning i.entity_type, i.hint_type, i.hint_value`,
    [...params, sticky],
  )
  await database.query(
    tx,
    'identity.redact',
    `delete from ${identity} p using ${given}
      where p.entity_type = w.type and p.hint_type = w.hint and p.hint_value = w.value and p.entity_id = w.id
        and not p.redacted and exists (select 1 from ${identity} i where ${isToken})`,
    params,
  )
  const replaced = await database.execute(
    tx,
    'identity.redact',
    `update ${identity} p set hint_value = w.token, redacted = true, sticky = $6::boolean from ${given}
      where p.entity_type = w.type and p.hint_type = w.hint and p.hint_value = w.value and p.entity_id = w.id
        and not p.redacted`,
    [...params, sticky],
  )
  return marked.length + replaced
}
