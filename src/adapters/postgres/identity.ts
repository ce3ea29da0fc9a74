/** Hints, merges and the change feed in Postgres (spec 04 §3). Writers hold the mapping lock. */
import type { Instant } from '../../core/instant.ts'
import { shardHash } from '../../core/shard.ts'
import { givenText, storedText } from '../../core/stored-text.ts'
import { IdentityError } from '../../errors.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { HintKey, HintRow, IdentityChange, IdentityPort, Unit } from '../../ports/store.ts'
import { IdentityPrivacy } from '../sql/identity-privacy.ts'
import type { Param, Row } from './connection.ts'
import { redactHints, resetIdentity } from './identity-reset.ts'
import { pages } from './pages.ts'
import { PostgresLogDatabase } from './run-log.ts'
import type { Space } from './space.ts'

const CHUNK = 5000
/** Rows of one statement; arrays of more take the server much memory. */
const ROWS = 20_000
const HINT_COLUMNS = 'entity_type, hint_type, hint_value, entity_id'

export class PostgresIdentity implements IdentityPort {
  readonly #space: Space
  readonly #identity: string
  readonly #mergeLog: string
  readonly #changes: string
  readonly #privacy: IdentityPrivacy

  constructor(space: Space, now: () => Instant) {
    this.#space = space
    this.#privacy = new IdentityPrivacy(new PostgresLogDatabase(space, now), {
      id: '$1::text collate "C"',
      isSet: (column) => column,
    })
    this.#identity = space.names.infra('identity')
    this.#mergeLog = space.names.infra('merge_log')
    this.#changes = space.names.infra('identity_changes')
  }

  async lookup(unit: Unit | null, keys: readonly HintKey[]): Promise<(string | undefined)[]> {
    if (keys.length === 0) return []
    // One probe of identity_pkey for each key.
    const rows = await this.#read(
      unit,
      'identity.lookup',
      `select i.entity_id from unnest($1::text[], $2::text[], $3::text[]) with ordinality w (type, hint, value, n)
        left join lateral (select entity_id from ${this.#identity}
          where entity_type = w.type and hint_type = w.hint and hint_value = w.value offset 0) i on true
        order by w.n`,
      ...keyArrays(keys),
    )
    return rows.map(([id]) => (id === null ? undefined : givenText(id as string)))
  }

  async insert(unit: Unit, rows: readonly HintRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += ROWS) {
      const part = rows.slice(from, from + ROWS)
      // In order of the key, so that units which reserve the same targets wait for each other instead of locking up.
      await this.#space.database.query(
        unit.tx,
        'identity.insert',
        `insert into ${this.#identity} (${HINT_COLUMNS}, created_at)
          select type, hint, value, id, $5::timestamptz
            from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality w (type, hint, value, id, n)
            order by type collate "C", hint collate "C", value collate "C", n
          on conflict do nothing`,
        [...keyArrays(part), part.map((row) => storedText(row.entityId)), unit.now.toString()],
      )
    }
  }

  async merge(unit: Unit, entityType: string, from: string, into: string, reason: string): Promise<number> {
    if (from === into) throw new IdentityError(`entity '${from}' cannot be merged into itself`)
    const { database, names } = this.#space
    const mappings = names.infra('event_entities')
    const ids = [storedText(from), storedText(into)]
    // identity_entity; in order of id, so that merges the other way round wait instead of locking up.
    await database.query(
      unit.tx,
      'identity.merge',
      `select 1 from ${this.#identity} where entity_id = any($1::text[])
        order by entity_id, entity_type, hint_type, hint_value for update`,
      [ids],
    )
    // identity_entity, event_entities_entity. An event mapped to both keeps one mapping.
    const [row] = await database.query(
      unit.tx,
      'identity.merge',
      `with hints as (update ${this.#identity} set entity_id = $2 where entity_id = $1 returning 1),
        mappings as (delete from ${mappings} where entity_id = $1 and entity_type = $3 returning sequence),
        kept as (insert into ${mappings} (sequence, entity_id, entity_type, shard_hash)
          select sequence, $2, $3, $4 from mappings on conflict do nothing)
      select (select count(*) from hints), (select count(*) from mappings),
        exists (select 1 from ${this.#mergeLog} where from_entity_id = $1 and into_entity_id = $2)`,
      [...ids, storedText(entityType), shardHash(into)],
    )
    const [hints, moved, known] = row as [number, number, boolean]
    if (known && hints === 0 && moved === 0) return 0
    // A survivor is alive: if it was a loser before a reset, that row is history. The log stays a forest.
    await database.query(
      unit.tx,
      'identity.merge',
      `with change as (insert into ${this.#changes} (change_seq, kind, entity_id, into_entity_id, at)
          select coalesce(max(change_seq), 0) + 1, 'merge', $1, $2, $3::timestamptz from ${this.#changes}
          returning change_seq),
        revived as (delete from ${this.#mergeLog} where from_entity_id = $2)
      insert into ${this.#mergeLog} (from_entity_id, into_entity_id, "timestamp", reason, change_seq)
        select $1, $2, $3::timestamptz, $4, change_seq from change on conflict do nothing`,
      [...ids, unit.now.toString(), storedText(reason)],
    )
    return moved
  }

  async hintsFor(entityId: string): Promise<Record<string, string[]>> {
    // identity_entity
    const rows = await this.#read(
      null,
      'identity.hintsFor',
      `select hint_type, hint_value from ${this.#identity} where entity_id = $1 order by hint_type, hint_value`,
      storedText(entityId),
    )
    const hints = Map.groupBy(rows, (row) => givenText(row[0] as string))
    return Object.fromEntries([...hints].map(([type, own]) => [type, own.map((row) => givenText(row[1] as string))]))
  }

  async lookupAll(value: string, filter: { entityType?: string; hintType?: string } = {}): Promise<HintRow[]> {
    // The distinct (type, hint type) pairs, found by jumping through identity_pkey, then one probe of it for each.
    const next = (from: string): string => `select entity_type, hint_type from ${this.#identity} ${from}
      order by entity_type, hint_type limit 1`
    const rows = await this.#read(
      null,
      'identity.lookupAll',
      `with recursive kinds as (
          (${next('')})
          union all
          select n.entity_type, n.hint_type from kinds k cross join lateral
            (${next('where (entity_type, hint_type) > (k.entity_type, k.hint_type)')}) n)
      select i.entity_type, i.hint_type, i.hint_value, i.entity_id from kinds k cross join lateral
        (select * from ${this.#identity}
          where entity_type = k.entity_type and hint_type = k.hint_type and hint_value = $1 offset 0) i
        where ($2::text is null or i.entity_type = $2) and ($3::text is null or i.hint_type = $3)
        order by i.created_at, i.entity_type, i.hint_type`,
      storedText(value),
      filter.entityType === undefined ? null : storedText(filter.entityType),
      filter.hintType === undefined ? null : storedText(filter.hintType),
    )
    return rows.map(hintRow)
  }

  async *all(chunk: number = CHUNK): AsyncIterable<HintRow[]> {
    // Walks identity_pkey.
    const sql = `select ${HINT_COLUMNS} from ${this.#identity} where (entity_type, hint_type, hint_value) > ($1, $2, $3)
      order by entity_type, hint_type, hint_value limit $4`
    yield* pages<HintRow, readonly string[]>(['', '', ''], async (after) => {
      const rows = await this.#read(null, 'identity.all', sql, ...after, chunk)
      const last = rows.at(-1) as string[] | undefined
      return { items: rows.map(hintRow), next: last === undefined || rows.length < chunk ? null : last.slice(0, 3) }
    })
  }

  async mergesInto(entityId: string): Promise<{ from: string; into: string; timestamp: string; reason: string }[]> {
    // merge_log_into
    const rows = await this.#read(
      null,
      'identity.mergesInto',
      `select from_entity_id, into_entity_id, "timestamp", reason from ${this.#mergeLog} where into_entity_id = $1
        order by change_seq, from_entity_id`,
      storedText(entityId),
    )
    return rows.map((row) => ({
      from: givenText(row[0] as string),
      into: givenText(row[1] as string),
      timestamp: row[2] as string,
      reason: givenText(row[3] as string),
    }))
  }

  async survivorOf(entityId: string): Promise<string> {
    // merge_log_pkey for each step; the newest row of an id counts.
    const [row] = await this.#read(
      null,
      'identity.survivorOf',
      `with recursive steps (id, seen, turns) as (
          select $1::text collate "C", array[$1::text collate "C"], false
          union all
          select m.into_entity_id, s.seen || m.into_entity_id, m.into_entity_id = any(s.seen) from steps s
            cross join lateral (select into_entity_id from ${this.#mergeLog} where from_entity_id = s.id
              order by change_seq desc limit 1) m
            where not s.turns)
      select id, turns from steps order by cardinality(seen) desc limit 1`,
      storedText(entityId),
    )
    const [survivor, turns] = row as [string, boolean]
    if (turns) throw new IdentityError(`the merge log leads from entity '${entityId}' back to itself`)
    return givenText(survivor)
  }

  async changes(unit: Unit | null, after: number): Promise<IdentityChange[]> {
    // identity_changes_pkey
    const rows = await this.#read(
      unit,
      'identity.changes',
      `select change_seq, kind, entity_id, into_entity_id from ${this.#changes} where change_seq > $1 order by change_seq`,
      after,
    )
    return rows.map((row) => ({
      changeSeq: row[0] as number,
      kind: row[1] as IdentityChange['kind'],
      entityId: row[2] === null ? null : givenText(row[2] as string),
      intoEntityId: row[3] === null ? null : givenText(row[3] as string),
    }))
  }

  async reset(
    unit: Unit,
    hints: Iterable<HintRow>,
    retired: readonly { entityType: string; from: string; into: string }[],
  ): Promise<void> {
    await resetIdentity(this.#space, unit, hints, retired)
  }

  family(unit: Unit | null, entityId: string): Promise<FrozenEntity[]> {
    return this.#privacy.family(unit, entityId)
  }

  hintsOf(unit: Unit | null, entityIds: readonly string[]): Promise<(HintRow & { readonly redacted: boolean })[]> {
    return this.#privacy.hintsOf(unit, entityIds)
  }

  erase(unit: Unit, entityIds: readonly string[]): Promise<{ hints: number; mappings: number; mergeLog: number }> {
    return this.#privacy.erase(unit, entityIds)
  }

  redact(unit: Unit, rows: readonly (HintRow & { readonly token: string })[], sticky: boolean): Promise<number> {
    return redactHints(this.#space, unit, rows, sticky)
  }

  hasTokens(unit: Unit | null): Promise<boolean> {
    return this.#privacy.hasTokens(unit)
  }

  tokens(unit: Unit | null, values: readonly string[], options?: { sticky?: boolean }): Promise<HintRow[]> {
    return this.#privacy.tokens(unit, values, options)
  }

  #read(unit: Unit | null, operation: string, sql: string, ...params: Param[]): Promise<Row[]> {
    return this.#space.database.query(unit?.tx, operation, sql, params)
  }
}

function keyArrays(keys: readonly HintKey[]): [string[], string[], string[]] {
  return [
    keys.map((key) => storedText(key.entityType)),
    keys.map((key) => storedText(key.hintType)),
    keys.map((key) => storedText(key.value)),
  ]
}

function hintRow(row: Row): HintRow {
  return {
    entityType: givenText(row[0] as string),
    hintType: givenText(row[1] as string),
    value: givenText(row[2] as string),
    entityId: givenText(row[3] as string),
  }
}
