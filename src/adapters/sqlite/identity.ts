/** Hints, merges and the change feed in SQLite (spec 04 §3). */

import { shardHash } from '../../core/shard.ts'
import { givenText, storedText } from '../../core/stored-text.ts'
import { IdentityError } from '../../errors.ts'
import type { HintKey, HintRow, IdentityChange, IdentityPort, Unit } from '../../ports/store.ts'
import type { Connection, Param, Row } from './connection.ts'
import type { Database } from './database.ts'

const CHUNK = 5000
const LOOKUP = 'select entity_id from identity where entity_type = ? and hint_type = ? and hint_value = ?'
const HINT_COLUMNS = 'entity_type, hint_type, hint_value, entity_id'
const WRITE_MERGE = `insert into merge_log (from_entity_id, into_entity_id, timestamp, reason, change_seq)
  values (?, ?, ?, ?, ?) on conflict do nothing`
const WRITE_CHANGE = 'insert into identity_changes (kind, entity_id, into_entity_id, at) values (?, ?, ?, ?)'

export class SqliteIdentity implements IdentityPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async lookup(unit: Unit | null, keys: readonly HintKey[]): Promise<(string | undefined)[]> {
    return this.#database.read(unit?.tx, 'identity.lookup', (connection) => {
      const statement = connection.statement(LOOKUP)
      return keys.map((key) => {
        const row = statement.get(key.entityType, key.hintType, storedText(key.value)) as unknown as Row | undefined
        return row?.[0] as string | undefined
      })
    })
  }

  async insert(unit: Unit, rows: readonly HintRow[]): Promise<void> {
    this.#database.within(unit.tx, 'identity.insert', (connection) =>
      insertHints(connection, 'identity', rows, unit.now.toString()),
    )
  }

  async merge(unit: Unit, entityType: string, from: string, into: string, reason: string): Promise<number> {
    if (from === into) throw new IdentityError(`entity '${from}' cannot be merged into itself`)
    return this.#database.within(unit.tx, 'identity.merge', (connection) =>
      merge(connection, { entityType, from, into, reason, at: unit.now.toString() }),
    )
  }

  async hintsFor(entityId: string): Promise<Record<string, string[]>> {
    const rows = await this.#read(
      'identity.hintsFor',
      'select hint_type, hint_value from identity where entity_id = ? order by hint_type, hint_value',
      entityId,
    )
    const hints = new Map<string, string[]>()
    for (const [hintType, value] of rows as [string, string][]) {
      const values = hints.get(hintType)
      if (values === undefined) hints.set(hintType, [givenText(value)])
      else values.push(givenText(value))
    }
    return Object.fromEntries(hints)
  }

  async lookupAll(value: string, filter: { entityType?: string; hintType?: string } = {}): Promise<HintRow[]> {
    return this.#database.read(null, 'identity.lookupAll', (connection) => {
      const found: { row: HintRow; since: string }[] = []
      for (const [entityType, hintType] of hintKinds(connection)) {
        if (filter.entityType !== undefined && filter.entityType !== entityType) continue
        if (filter.hintType !== undefined && filter.hintType !== hintType) continue
        const row = connection.get(
          'select entity_id, created_at from identity where entity_type = ? and hint_type = ? and hint_value = ?',
          entityType,
          hintType,
          storedText(value),
        ) as [string, string] | undefined
        if (row !== undefined) found.push({ row: { entityType, hintType, value, entityId: row[0] }, since: row[1] })
      }
      // Oldest mapping first; the sort is stable, so equal times stay in key order.
      return found.sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0)).map(({ row }) => row)
    })
  }

  async *all(chunk: number = CHUNK): AsyncIterable<HintRow[]> {
    const sql = `select ${HINT_COLUMNS} from identity where (entity_type, hint_type, hint_value) > (?, ?, ?)
      order by entity_type, hint_type, hint_value limit ?`
    let after: [string, string, string] = ['', '', '']
    while (true) {
      const rows = await this.#read('identity.all', sql, ...after, chunk)
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(hintRow)
      if (rows.length < chunk) return
      after = [last[0] as string, last[1] as string, last[2] as string]
    }
  }

  async mergesInto(entityId: string): Promise<{ from: string; into: string; timestamp: string; reason: string }[]> {
    const rows = await this.#read(
      'identity.mergesInto',
      `select from_entity_id, into_entity_id, timestamp, reason from merge_log where into_entity_id = ?
        order by change_seq, from_entity_id`,
      entityId,
    )
    return rows.map((row) => ({
      from: row[0] as string,
      into: row[1] as string,
      timestamp: row[2] as string,
      reason: row[3] as string,
    }))
  }

  async survivorOf(entityId: string): Promise<string> {
    return this.#database.read(null, 'identity.survivorOf', (connection) => {
      const seen = new Set<string>()
      let id = entityId
      while (!seen.has(id)) {
        seen.add(id)
        const next = connection.get(
          'select into_entity_id from merge_log where from_entity_id = ? order by change_seq desc limit 1',
          id,
        )
        if (next === undefined) return id
        id = next[0] as string
      }
      throw new IdentityError(`the merge log leads from entity '${entityId}' back to itself`)
    })
  }

  async changes(unit: Unit | null, after: number): Promise<IdentityChange[]> {
    const sql =
      'select change_seq, kind, entity_id, into_entity_id from identity_changes where change_seq > ? order by change_seq'
    const rows = await this.#database.read(unit?.tx, 'identity.changes', (connection) => connection.all(sql, after))
    return rows.map((row) => ({
      changeSeq: row[0] as number,
      kind: row[1] as IdentityChange['kind'],
      entityId: row[2] as string | null,
      intoEntityId: row[3] as string | null,
    }))
  }

  async reset(
    unit: Unit,
    hints: Iterable<HintRow>,
    retired: readonly { entityType: string; from: string; into: string }[],
  ): Promise<void> {
    const at = unit.now.toString()
    this.#database.within(unit.tx, 'identity.reset', (connection) => {
      // Filled beside the old table: the hints may still be read from it.
      const old = connection.get(`select sql from sqlite_schema where type = 'table' and name = 'identity'`)?.[0]
      connection.exec(String(old).replace(/create table "?identity"?/i, 'create table identity_next'))
      insertHints(connection, 'identity_next', hints, at)
      connection.exec(`
        update identity_next as n set created_at = o.created_at, redacted = o.redacted from identity as o
          where o.entity_type = n.entity_type and o.hint_type = n.hint_type and o.hint_value = n.hint_value;
        drop table identity;
        alter table identity_next rename to identity;
        create index identity_entity on identity (entity_id);
        delete from event_entities;
        -- An id that owns hints again is nobody's loser any more.
        delete from merge_log where exists (select 1 from identity where entity_id = from_entity_id);`)
      const change = writeChange(connection, 'reset', null, null, at)
      for (const { from, into } of retired) logMerge(connection, { from, into, at, reason: 'identity reset', change })
    })
  }

  #read(operation: string, sql: string, ...params: Param[]): Promise<Row[]> {
    return this.#database.read(null, operation, (connection) => connection.all(sql, ...params))
  }
}

function hintRow(row: Row): HintRow {
  return {
    entityType: row[0] as string,
    hintType: row[1] as string,
    value: givenText(row[2] as string),
    entityId: row[3] as string,
  }
}

function insertHints(connection: Connection, table: string, rows: Iterable<HintRow>, at: string): void {
  const insert = connection.statement(
    `insert into ${table} (${HINT_COLUMNS}, created_at) values (?, ?, ?, ?, ?) on conflict do nothing`,
  )
  for (const row of rows) insert.run(row.entityType, row.hintType, storedText(row.value), row.entityId, at)
}

/** The distinct (type, hint type) pairs, found by jumping through the primary key. */
function hintKinds(connection: Connection): [string, string][] {
  const next = `select entity_type, hint_type from identity where (entity_type, hint_type) > (?, ?)
    order by entity_type, hint_type limit 1`
  const kinds: [string, string][] = []
  while (true) {
    const [entityType, hintType] = kinds.at(-1) ?? ['', '']
    const row = connection.get(next, entityType, hintType)
    if (row === undefined) return kinds
    kinds.push(row as [string, string])
  }
}

interface Merge {
  readonly entityType: string
  readonly from: string
  readonly into: string
  readonly reason: string
  readonly at: string
}

function merge(connection: Connection, { entityType, from, into, reason, at }: Merge): number {
  const known = connection.get('select 1 from merge_log where from_entity_id = ? and into_entity_id = ?', from, into)
  const hints = connection.run('update identity set entity_id = ? where entity_id = ?', into, from)
  // An event mapped to both keeps one mapping.
  connection.run(
    `insert into event_entities (sequence, entity_id, entity_type, shard_hash)
      select sequence, ?, entity_type, ? from event_entities where entity_id = ? and entity_type = ? on conflict do nothing`,
    into,
    shardHash(into),
    from,
    entityType,
  )
  const moved = connection.run('delete from event_entities where entity_id = ? and entity_type = ?', from, entityType)
  if (known !== undefined && hints === 0 && moved === 0) return 0
  logMerge(connection, { from, into, at, reason, change: writeChange(connection, 'merge', from, into, at) })
  return moved
}

function writeChange(
  connection: Connection,
  kind: IdentityChange['kind'],
  entityId: string | null,
  into: string | null,
  at: string,
): number {
  return Number(connection.statement(WRITE_CHANGE).run(kind, entityId, into, at).lastInsertRowid)
}

function logMerge(
  connection: Connection,
  { from, into, at, reason, change }: { from: string; into: string; at: string; reason: string; change: number },
): void {
  // A survivor is alive: if it was a loser before a reset, that row is history. The log stays a forest.
  connection.run('delete from merge_log where from_entity_id = ?', into)
  connection.run(WRITE_MERGE, from, into, at, reason, change)
}
