/** Hints, merges and the change feed in SQLite (spec 04 §3). */

import type { Instant } from '../../core/instant.ts'
import { shardHash } from '../../core/shard.ts'
import { givenText, storedText } from '../../core/stored-text.ts'
import { IdentityError } from '../../errors.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { HintKey, HintRow, IdentityChange, IdentityPort, Unit } from '../../ports/store.ts'
import { IdentityPrivacy } from '../sql/identity-privacy.ts'
import type { Connection, Param, Row } from './connection.ts'
import type { Database } from './database.ts'
import { HINT_COLUMNS, insertHints, logMerge, redactHints, resetIdentity, writeChange } from './identity-reset.ts'
import { SqliteLogDatabase } from './run-log.ts'

const CHUNK = 5000
const LOOKUP = 'select entity_id from identity where entity_type = ? and hint_type = ? and hint_value = ?'

export class SqliteIdentity implements IdentityPort {
  readonly #database: Database
  readonly #privacy: IdentityPrivacy

  constructor(database: Database, now: () => Instant) {
    this.#database = database
    this.#privacy = new IdentityPrivacy(new SqliteLogDatabase(database, now), {
      id: 'cast($1 as text)',
      isSet: (column) => `${column} = 1`,
    })
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
    this.#database.within(unit.tx, 'identity.reset', (connection) =>
      resetIdentity(connection, hints, retired, unit.now.toString()),
    )
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

  async redact(unit: Unit, rows: readonly (HintRow & { readonly token: string })[], sticky: boolean): Promise<number> {
    return this.#database.within(unit.tx, 'identity.redact', (connection) => redactHints(connection, rows, sticky))
  }

  hasTokens(unit: Unit | null): Promise<boolean> {
    return this.#privacy.hasTokens(unit)
  }

  tokens(unit: Unit | null, values: readonly string[], options?: { sticky?: boolean }): Promise<HintRow[]> {
    return this.#privacy.tokens(unit, values, options)
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
