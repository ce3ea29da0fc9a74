/** Writes rows and edges of entities (spec 07 §6.1): one open row per entity, same instant replaces, touch, edges. */
import type { EdgeRow, EntityWrite, HistoryLayout, HistoryRow } from '../../core/history.ts'
import { toParam } from './columns.ts'
import type { Connection, Param, Row } from './connection.ts'
import { edgeColumns, historyColumns, plainVersion } from './history-tables.ts'
import { edgeTable, historyTable, quote, shadowHistoryTable, type Target } from './names.ts'

type Statement = ReturnType<Connection['statement']>

/** Statements of one entity type, prepared once per batch. */
interface EntityTable {
  readonly columns: readonly string[]
  readonly open: Statement
  readonly close: Statement
  /** `close` and `touch` of a row whose begin is known, unless the write is old. */
  readonly closeKnown: Statement
  readonly insert: Statement
  readonly touch: Statement
  /** `touch` unless the write is old. */
  readonly touchNewer: Statement
  /** All rows of an entity, columns as inserted. */
  readonly stored: (id: string) => Row[]
  readonly removeRow: Statement
  /** Parameters of one row, reused. */
  readonly params: Param[]
}
interface EdgeTable {
  /** Whether entities of this type write such edges. */
  readonly writtenBy: (entityType: string) => boolean
  readonly columns: readonly string[]
  readonly insert: Statement
  readonly close: Statement
  readonly removeStarted: Statement
  readonly removeAll: Statement
  readonly params: Param[]
}

export function writeHistory(
  connection: Connection,
  version: string,
  target: Target,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): void {
  const entities = entityTables(connection, version, target, layout)
  const edges = edgeTables(connection, version, target, layout)
  for (const write of writes) {
    const table = entities.get(write.type)
    if (table === undefined) throw new Error(`no history table of type '${write.type}' in version '${version}'`)
    if (target === 'shadow') for (const row of write.rows) table.insert.run(...rowParams(table, write, row))
    else if (write.replace) {
      if (!admit(table, write)) continue
      replaceRows(table, write)
      for (const edge of edges.values()) if (edge.writtenBy(write.type)) edge.removeAll.run(write.id)
    } else if (write.rows.length === 0) {
      if (write.touch !== null) table.touchNewer.run(write.touch.toString(), write.id, write.generation)
    } else {
      if (!closeKnown(table, write) && !admit(table, write)) continue
      for (const row of write.rows) table.insert.run(...rowParams(table, write, row))
    }
    if (write.closedEdges.length > 0 || write.edges.length > 0) writeEdges(edges, write)
  }
}

/** Closes the open row by what the writer knows of it; false if that is not the stored row or the write is no news. */
function closeKnown(table: EntityTable, { id, generation, revision, rows, openSince, touch }: EntityWrite): boolean {
  if (openSince === undefined) return false
  const from = openSince.toString()
  const to = (rows[0] as HistoryRow).validFrom.toString()
  if (from === to) return false
  const seen = touch === null ? null : touch.toString()
  return table.closeKnown.run(to, seen, id, from, generation, generation, revision).changes === 1
}

/**
 * Whether the write is news: a lower generation than the stored one, or a revision that is already there, is a
 * repetition and changes nothing (rule 1). Closes the open row where another one follows.
 */
function admit(table: EntityTable, write: EntityWrite): boolean {
  const open = table.open.get(write.id) as unknown as [string, number, number] | undefined
  if (open === undefined) return true
  const [validFrom, generation, revision] = open
  if (write.generation < generation) return false
  const first = write.rows[0]
  if (write.replace || first === undefined) return true
  if (write.generation === generation && write.revision <= revision) return false
  const from = first.validFrom.toString()
  // What the open row still saw counts before it is closed.
  if (write.touch !== null) table.touch.run(write.touch.toString(), write.id)
  // A row that begins at the same instant takes the place of the open one.
  if (validFrom !== from) table.close.run(from, write.id, validFrom)
  return true
}

/**
 * Puts these rows in the place of the entity's. Most rebuilds change the newest rows only, so a closed row that is there
 * already stays as it is, with the generation that wrote it; the generation of the entity is that of its open row.
 */
function replaceRows(table: EntityTable, write: EntityWrite): void {
  const { params } = table
  const begin = params.length - LAST_COLUMNS
  const stored = new Map<Param, Row>()
  for (const row of table.stored(write.id)) stored.set(row[begin] as Param, row)
  for (const row of write.rows) {
    rowParams(table, write, row)
    const before = stored.get(params[begin] as Param)
    stored.delete(params[begin] as Param)
    if (row.validTo === null || before === undefined || !sameRow(before, params)) table.insert.run(...params)
  }
  for (const from of stored.keys()) table.removeRow.run(write.id, from)
}

/** `before` has `merged_into` behind the parameters, which is null for an entity that is alive. */
function sameRow(before: Row, params: readonly Param[]): boolean {
  const sequence = params.length - 1
  if (before[sequence] !== params[sequence] || before[params.length] !== null) return false
  // Generation and revision stand before the sequence.
  for (let i = sequence - 3; i >= 0; i--) if (before[i] !== params[i]) return false
  return true
}

/** From `valid_from` to the end. */
const LAST_COLUMNS = 8

/** The table's reused parameters, filled. */
function rowParams(table: EntityTable, write: EntityWrite, row: HistoryRow): Param[] {
  const { params, columns } = table
  const { properties } = row
  let at = 0
  params[at++] = write.id
  params[at++] = row.state
  for (let i = 0; i < columns.length; i++) params[at++] = toParam(properties[columns[i] as string])
  params[at++] = row.validFrom.toString()
  params[at++] = row.validTo === null ? null : row.validTo.toString()
  params[at++] = row.lastEventTime.toString()
  params[at++] = row.stateEnteredTime.toString()
  params[at++] = row.createdTime.toString()
  params[at++] = write.generation
  params[at++] = write.revision
  params[at] = row.sequence
  return params
}

function writeEdges(edges: ReadonlyMap<string, EdgeTable>, write: EntityWrite): void {
  for (const { type, targetId, at } of write.closedEdges) {
    const table = edges.get(type)
    if (table === undefined) continue
    const end = at.toString()
    table.removeStarted.run(write.id, targetId, end)
    table.close.run(end, write.id, targetId)
  }
  for (const edge of write.edges) {
    const table = edges.get(edge.type)
    if (table !== undefined) insertEdge(table, write, edge)
  }
}

function insertEdge(table: EdgeTable, write: EntityWrite, edge: EdgeRow): void {
  const { params, columns } = table
  let at = 0
  params[at++] = write.id
  params[at++] = edge.targetId
  for (let i = 0; i < columns.length; i++) params[at++] = toParam(edge.properties[columns[i] as string])
  params[at++] = edge.validFrom.toString()
  params[at++] = edge.validTo === null ? null : edge.validTo.toString()
  params[at++] = write.generation
  params[at] = write.revision
  table.insert.run(...params)
}

function entityTables(
  connection: Connection,
  version: string,
  target: Target,
  layout: HistoryLayout,
): Map<string, EntityTable> {
  const plain = plainVersion(connection) === version
  return new Map(
    layout.entities.map((entity) => {
      const { type } = entity
      const name = target === 'live' ? historyTable(type, version, plain) : shadowHistoryTable(type, version)
      const table = quote(name)
      const id = quote(`${type}_id`)
      const columns = historyColumns(entity).filter((column) => column !== 'merged_into')
      const own = columns.slice(2, 2 + entity.columns.length)
      const touch = `update ${table} set last_event_time = max(?, last_event_time) where ${id} = ? and valid_to is null`
      const stored = `select ${columns.map(quote).join(', ')}, merged_into from ${table} where ${id} = ?`
      return [
        type,
        {
          columns: own,
          open: connection.statement(
            `select valid_from, _generation, _revision from ${table} where ${id} = ? and valid_to is null`,
          ),
          close: connection.statement(`update ${table} set valid_to = ? where ${id} = ? and valid_from = ?`),
          insert: connection.statement(`insert or replace into ${table} (${columns.map(quote).join(', ')})
            values (${columns.map(() => '?').join(', ')})`),
          closeKnown: connection.statement(`update ${table} set valid_to = ?,
            last_event_time = max(coalesce(?, last_event_time), last_event_time)
            where ${id} = ? and valid_from = ? and valid_to is null
              and (_generation < ? or (_generation = ? and _revision < ?))`),
          touch: connection.statement(touch),
          touchNewer: connection.statement(`${touch} and _generation <= ?`),
          stored: (key) => connection.allExact(stored, key),
          removeRow: connection.statement(`delete from ${table} where ${id} = ? and valid_from = ?`),
          params: new Array<Param>(columns.length).fill(null),
        },
      ]
    }),
  )
}

function edgeTables(
  connection: Connection,
  version: string,
  target: Target,
  layout: HistoryLayout,
): Map<string, EdgeTable> {
  return new Map(
    layout.relationships.map((relationship) => {
      const table = quote(edgeTable(relationship.type, version, target))
      const columns = edgeColumns(relationship).filter((column) => column !== '_sequence')
      return [
        relationship.type,
        {
          writtenBy: (entityType) => relationship.sources?.includes(entityType) ?? true,
          columns: relationship.columns.map((column) => column.name),
          insert: connection.statement(`insert or replace into ${table} (${columns.map(quote).join(', ')})
            values (${columns.map(() => '?').join(', ')})`),
          close: connection.statement(
            `update ${table} set valid_to = ? where source_id = ? and target_id = ? and valid_to is null`,
          ),
          removeStarted: connection.statement(
            `delete from ${table} where source_id = ? and target_id = ? and valid_from = ? and valid_to is null`,
          ),
          removeAll: connection.statement(`delete from ${table} where source_id = ?`),
          params: new Array<Param>(columns.length).fill(null),
        },
      ]
    }),
  )
}
