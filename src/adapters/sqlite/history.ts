/** State history in SQLite (spec 06 §1, 07 §6). */
import type { EntityWrite, HistoryLayout, PropertyChange } from '../../core/history.ts'
import type { Instant } from '../../core/instant.ts'
import type { HistoryPort, OpenEdge, Unit } from '../../ports/store.ts'
import { fromColumn } from './columns.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { removeEntities } from './history-remove.ts'
import { createShadow, dropShadow, ensureTables, plainVersion, swapTables, takePlainNames } from './history-tables.ts'
import { treatEntities } from './history-treat.ts'
import { writeHistory } from './history-write.ts'
import { edgeTable, historyTable, quote } from './names.ts'

export class SqliteHistory implements HistoryPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async ensure(unit: Unit, layout: HistoryLayout): Promise<void> {
    this.#within(unit, 'history.ensure', (connection) => ensureTables(connection, unit.version, layout))
  }

  async write(
    unit: Unit,
    target: 'live' | 'shadow',
    layout: HistoryLayout,
    writes: readonly EntityWrite[],
  ): Promise<void> {
    this.#within(unit, 'history.write', (connection) => writeHistory(connection, unit.version, target, layout, writes))
  }

  async openEdges(
    unit: Unit | null,
    version: string,
    layout: HistoryLayout,
    sourceIds: readonly string[],
  ): Promise<OpenEdge[]> {
    const ids = JSON.stringify(sourceIds)
    return this.#database.read(unit?.tx, 'history.openEdges', (connection) => {
      const edges: OpenEdge[] = []
      if (sourceIds.length === 0) return edges
      for (const relationship of layout.relationships) {
        const table = edgeTable(relationship.type, version)
        if (!connection.hasTable(table)) continue
        const columns = relationship.columns.map((column) => `e.${quote(column.name)}`)
        const sql = `select ${['e.source_id', 'e.target_id', ...columns].join(', ')}
          from (select distinct value as id from json_each(?)) w cross join ${quote(table)} e on e.source_id = w.id
          where e.valid_to is null order by e.source_id, e.target_id`
        for (const row of connection.allExact(sql, ids)) edges.push(openEdge(row, relationship))
      }
      return edges
    })
  }

  async targetsAmong(unit: Unit, layout: HistoryLayout, ids: readonly string[]): Promise<Set<string>> {
    return this.#within(unit, 'history.targetsAmong', (connection) => {
      const found = new Set<string>()
      for (const { type } of layout.relationships) {
        const leads = connection.statement(
          `select 1 from ${quote(edgeTable(type, unit.version))} where target_id = ? limit 1`,
        )
        for (const id of ids) if (leads.get(id) !== undefined) found.add(id)
      }
      return found
    })
  }

  async absorb(
    unit: Unit,
    layout: HistoryLayout,
    type: string,
    from: string,
    into: string,
    at: Instant,
  ): Promise<string[]> {
    return this.#within(unit, 'history.absorb', (connection) => {
      const { version } = unit
      if (layout.entities.some((entity) => entity.type === type)) {
        const table = quote(historyTable(type, version, plainVersion(connection) === version))
        const id = quote(`${type}_id`)
        connection.run(
          `update ${table} set merged_into = ?1, valid_to = coalesce(valid_to, max(?2, valid_from)) where ${id} = ?3`,
          into,
          at.toString(),
          from,
        )
      }
      const both = new Set<string>()
      for (const relationship of layout.relationships) {
        for (const source of moveEdges(connection, quote(edgeTable(relationship.type, version)), from, into)) {
          both.add(source)
        }
      }
      both.delete(into)
      return [...both]
    })
  }

  async remove(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    target: 'live' | 'shadow' = 'live',
  ): Promise<number> {
    return this.#within(unit, 'history.remove', (connection) =>
      removeEntities(connection, unit.version, layout, ids, target),
    )
  }

  async sourcesOf(unit: Unit, layout: HistoryLayout, targetIds: readonly string[]): Promise<string[]> {
    return this.#within(unit, 'history.sourcesOf', (connection) => {
      const sources = new Set<string>()
      for (const { type } of layout.relationships) {
        const table = edgeTable(type, unit.version)
        if (!connection.hasTable(table)) continue
        // By the index over target_id.
        const leads = connection.statement(`select distinct source_id from ${quote(table)} where target_id = ?`)
        for (const id of targetIds) for (const row of leads.all(id) as unknown as Row[]) sources.add(row[0] as string)
      }
      return [...sources]
    })
  }

  async treat(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    change: PropertyChange,
  ): Promise<number> {
    return this.#within(unit, 'history.treat', (connection) =>
      treatEntities(connection, unit.version, layout, ids, change),
    )
  }

  async beginShadow(unit: Unit, layout: HistoryLayout): Promise<void> {
    this.#within(unit, 'history.beginShadow', (connection) => createShadow(connection, unit.version, layout))
  }

  async swapShadow(unit: Unit, layout: HistoryLayout): Promise<void> {
    this.#within(unit, 'history.swapShadow', (connection) => swapTables(connection, unit.version, layout))
  }

  async dropShadow(unit: Unit): Promise<void> {
    this.#within(unit, 'history.dropShadow', (connection) => dropShadow(connection, unit.version))
  }

  async activate(unit: Unit, _previous: string | null): Promise<void> {
    this.#within(unit, 'history.activate', (connection) => takePlainNames(connection, unit.version))
  }

  #within<T>(unit: Unit, operation: string, work: (connection: Connection) => T): T {
    return this.#database.within(unit.tx, operation, work)
  }
}

/** Incoming edges of `from` point at `into`; its outgoing edges go. Returns sources that had edges to both. */
function moveEdges(connection: Connection, table: string, from: string, into: string): string[] {
  connection.run(`delete from ${table} where source_id = ?`, from)
  const both = connection.all(
    `select distinct source_id from ${table} a where target_id = ?1
      and exists (select 1 from ${table} b where b.source_id = a.source_id and b.target_id = ?2)`,
    from,
    into,
  )
  // What cannot be moved is an edge the source already has to `into`; the caller rebuilds those sources.
  connection.run(`update or ignore ${table} set target_id = ?2 where target_id = ?1`, from, into)
  connection.run(`delete from ${table} where target_id = ?`, from)
  return both.map((row) => row[0] as string)
}

function openEdge(row: Row, relationship: HistoryLayout['relationships'][number]): OpenEdge {
  const properties: Record<string, OpenEdge['properties'][string]> = {}
  relationship.columns.forEach((column, index) => {
    properties[column.name] = fromColumn(row[index + 2], column.type)
  })
  return { sourceId: row[0] as string, type: relationship.type, targetId: row[1] as string, properties }
}
