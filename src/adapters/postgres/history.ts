/**
 * State history in Postgres (spec 06 §1, 07 §6): typed tables in a schema per version.
 *
 * Readers are never made to wait by a full build: it is made in a schema of its own, and the two exchange names at the
 * end. A transaction that began before (REPEATABLE READ) and looks at a table for the first time afterwards may find it
 * empty, as with every table that was made after the transaction's snapshot.
 */
import type { EntityWrite, HistoryLayout, PropertyChange } from '../../core/history.ts'
import type { Instant } from '../../core/instant.ts'
import { owns } from '../../core/shard.ts'
import type { HistoryPort, OpenEdge, Unit } from '../../ports/store.ts'
import { fromColumn } from './columns.ts'
import type { Row } from './connection.ts'
import { existingTables, removeEntities } from './history-remove.ts'
import { swapShadow } from './history-swap.ts'
import { createShadow, dropSchema, ensureTables } from './history-tables.ts'
import { treatEntities } from './history-treat.ts'
import { writeLive, writeShadow } from './history-write.ts'
import { edgeTable, historyTable, owned, quote, shardHashSql } from './names.ts'
import type { Space } from './space.ts'
import type { RelationshipLayout } from './version-tables.ts'

export class PostgresHistory implements HistoryPort {
  readonly #space: Space

  constructor(space: Space) {
    this.#space = space
  }

  async ensure(unit: Unit, layout: HistoryLayout): Promise<void> {
    await ensureTables(this.#space, unit, layout)
  }

  async write(
    unit: Unit,
    target: 'live' | 'shadow',
    layout: HistoryLayout,
    writes: readonly EntityWrite[],
  ): Promise<void> {
    await (target === 'live' ? writeLive : writeShadow)(this.#space, unit, layout, writes)
  }

  async openEdges(
    unit: Unit | null,
    version: string,
    layout: HistoryLayout,
    sourceIds: readonly string[],
  ): Promise<OpenEdge[]> {
    const edges: OpenEdge[] = []
    if (sourceIds.length === 0 || layout.relationships.length === 0) return edges
    const { database } = this.#space
    const tables = layout.relationships.map(({ type }) => this.#live(version, edgeTable(type)))
    const existing = await database.query(
      unit?.tx,
      'history.openEdges',
      'select name from unnest($1::text[]) name where to_regclass(name) is not null',
      [tables],
    )
    const known = new Set(existing.map(([name]) => name))
    for (const [index, relationship] of layout.relationships.entries()) {
      const table = tables[index] as string
      if (!known.has(table)) continue
      const columns = relationship.columns.map((column) => `, e.${quote(column.name)}`).join('')
      // By the primary key, which begins with the source.
      const rows = await database.query(
        unit?.tx,
        'history.openEdges',
        `select e.source_id, e.target_id${columns}
          from (select distinct unnest($1::text[]) as id) w join ${table} e on e.source_id = w.id
          where e.valid_to is null order by e.source_id, e.target_id`,
        [sourceIds],
      )
      for (const row of rows) edges.push(openEdge(row, relationship))
    }
    return edges
  }

  async targetsAmong(unit: Unit, layout: HistoryLayout, ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0 || layout.relationships.length === 0) return new Set()
    // By the indexes over target_id.
    const leads = layout.relationships.map(
      ({ type }) => `exists (select 1 from ${this.#live(unit.version, edgeTable(type))} where target_id = w.id)`,
    )
    const rows = await this.#space.database.query(
      unit.tx,
      'history.targetsAmong',
      `select w.id from unnest($1::text[]) w (id) where ${leads.join(' or ')}`,
      [ids],
    )
    return new Set(rows.map(([id]) => id as string))
  }

  async absorb(
    unit: Unit,
    layout: HistoryLayout,
    type: string,
    from: string,
    into: string,
    at: Instant,
  ): Promise<string[]> {
    const { database, shard } = this.#space
    const loserIsOwned = owns(shard, from)
    const hasRows = loserIsOwned && layout.entities.some((entity) => entity.type === type)
    const both = new Set<string>()
    for (const table of await this.#closeLoser(unit, layout, hasRows ? type : null, from, into, at)) {
      if (loserIsOwned) {
        await database.query(unit.tx, 'history.absorb', `delete from ${table} where source_id = $1`, [from])
      }
      const rows = await database.query(unit.tx, 'history.absorb', this.#moveEdges(table), [from, into])
      for (const [source] of rows) both.add(source as string)
    }
    both.delete(into)
    return [...both]
  }

  async remove(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    target: 'live' | 'shadow' = 'live',
  ): Promise<number> {
    return removeEntities(this.#space, unit, layout, ids, target)
  }

  async sourcesOf(unit: Unit, layout: HistoryLayout, targetIds: readonly string[]): Promise<string[]> {
    if (targetIds.length === 0) return []
    const { database } = this.#space
    const tables = layout.relationships.map(({ type }) => this.#live(unit.version, edgeTable(type)))
    const existing = await existingTables(this.#space, unit, tables)
    if (existing.length === 0) return []
    // By the indexes over target_id; `union` leaves one of each.
    const leads = existing.map((table) => `select source_id from ${table} where target_id = any($1::text[])`)
    const rows = await database.query(unit.tx, 'history.sourcesOf', leads.join(' union '), [targetIds])
    return [...new Set(rows.map(([id]) => id as string))]
  }

  async treat(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    change: PropertyChange,
  ): Promise<number> {
    return treatEntities(this.#space, unit, layout, ids, change)
  }

  async beginShadow(unit: Unit, layout: HistoryLayout): Promise<void> {
    await createShadow(this.#space, unit, layout)
  }

  async swapShadow(unit: Unit, layout: HistoryLayout): Promise<void> {
    await swapShadow(this.#space, unit, layout)
  }

  async dropShadow(unit: Unit): Promise<void> {
    await dropSchema(this.#space, unit.tx, this.#space.names.shadowSchema(unit.version, this.#space.shard))
  }

  /** Every version has a schema of its own, so none has to give way. */
  async activate(): Promise<void> {}

  /**
   * Marks the rows of an entity of this type (null: it has none here), and returns the edge tables in which it occurs. Few
   * merged entities have edges, so one statement about all tables spares many.
   */
  async #closeLoser(
    unit: Unit,
    layout: HistoryLayout,
    type: string | null,
    from: string,
    into: string,
    at: Instant,
  ): Promise<string[]> {
    const tables = layout.relationships.map((relationship) => this.#live(unit.version, edgeTable(relationship.type)))
    // By the primary keys, which begin with the source, and the indexes over target_id.
    const occurs = tables.map(
      (table, index) => `select ${index} where exists (select 1 from ${table} where source_id = $1)
        or exists (select 1 from ${table} where target_id = $1)`,
    )
    const found = `(${occurs.join(' union all ') || 'select 0 where $1::text is null'})`
    const rows =
      type === null
        ? await this.#space.database.query(unit.tx, 'history.absorb', found, [from])
        : await this.#space.database.query(
            unit.tx,
            'history.absorb',
            `with marked as (update ${this.#live(unit.version, historyTable(type))}
                set merged_into = $2, valid_to = coalesce(valid_to, greatest($3, valid_from))
                where ${quote(`${type}_id`)} = $1)
              ${found}`,
            [from, into, at.toString()],
          )
    return rows.map(([index]) => tables[index as number] as string)
  }

  /**
   * Incoming edges of `$1` point at `$2`, except where the source has one of the same begin already: that one stays, and
   * the caller rebuilds the source. Returns sources that had edges to both.
   */
  #moveEdges(table: string): string {
    return `with incoming as (
        select a.source_id, a.valid_from,
          exists (select 1 from ${table} b where b.source_id = a.source_id and b.target_id = $2) as known,
          exists (select 1 from ${table} b
            where b.source_id = a.source_id and b.target_id = $2 and b.valid_from = a.valid_from) as taken
        from ${table} a where a.target_id = $1 and ${owned(this.#space.shard, shardHashSql('a.source_id'))}
      ), moved as (
        update ${table} e set target_id = $2 from incoming i
        where e.target_id = $1 and e.source_id = i.source_id and e.valid_from = i.valid_from and not i.taken
      ), dropped as (
        delete from ${table} e using incoming i
        where e.target_id = $1 and e.source_id = i.source_id and e.valid_from = i.valid_from and i.taken
      )
      select distinct source_id from incoming where known`
  }

  #live(version: string, table: string): string {
    return this.#space.names.table(version, table, 'live', null)
  }
}

function openEdge(row: Row, relationship: RelationshipLayout): OpenEdge {
  const properties: Record<string, OpenEdge['properties'][string]> = {}
  relationship.columns.forEach((column, index) => {
    properties[column.name] = fromColumn(row[index + 2], column.type)
  })
  return { sourceId: row[0] as string, type: relationship.type, targetId: row[1] as string, properties }
}
