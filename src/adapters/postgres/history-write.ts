/** Writes rows and edges of entities (spec 07 §6.1). What a batch does to one table is a handful of statements. */
import type { EdgeRow, EntityWrite, HistoryLayout, HistoryRow } from '../../core/history.ts'
import type { Unit } from '../../ports/store.ts'
import { NULL, propertyField } from './columns.ts'
import { copyField } from './connection.ts'
import { EdgesPlan, EntityPlan, type NewEdge, type NewestRow, type NewRow } from './history-plan.ts'
import { edgeTable, historyTable, quote } from './names.ts'
import type { Space } from './space.ts'
import type { EntityLayout, RelationshipLayout } from './version-tables.ts'

const OPERATION = 'history.write'

/** The shadow is empty, and every entity is written to it once: nothing to look for, nothing to close. */
export async function writeShadow(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  const byType = groupByType(unit.version, layout, writes)
  for (const [entity, own] of byType) {
    const rows = own.flatMap((write) => write.rows.map((row) => historyLine(entity, write, row)))
    await copyRows(space, unit, 'shadow', entity, rows)
  }
  for (const relationship of layout.relationships) {
    const edges: string[] = []
    for (const write of writes) {
      for (const edge of write.edges)
        if (edge.type === relationship.type) edges.push(edgeLine(relationship, write, edge))
    }
    await copyEdges(space, unit, 'shadow', relationship, edges)
  }
}

export async function writeLive(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  const edges = new Map(layout.relationships.map((relationship) => [relationship.type, new EdgesPlan()]))
  for (const [entity, own] of groupByType(unit.version, layout, writes)) {
    const plans = await plansOf(space, unit, entity, own)
    const writers = layout.relationships.filter(({ sources }) => sources?.includes(entity.type) ?? true)
    for (const write of own) {
      if (plans.get(write.id)?.apply(write) === true) planEdges(edges, writers, write)
    }
    await writeRows(space, unit, entity, plans)
  }
  for (const relationship of layout.relationships) {
    await writeEdges(space, unit, relationship, edges.get(relationship.type) as EdgesPlan)
  }
}

function groupByType(
  version: string,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Map<EntityLayout, EntityWrite[]> {
  const groups = new Map<EntityLayout, EntityWrite[]>()
  const types = new Map(layout.entities.map((entity) => [entity.type, entity]))
  for (const write of writes) {
    const entity = types.get(write.type)
    if (entity === undefined) throw new Error(`no history table of type '${write.type}' in version '${version}'`)
    const group = groups.get(entity)
    if (group === undefined) groups.set(entity, [write])
    else group.push(write)
  }
  return groups
}

/** By the primary key, backwards: one row per entity, whatever its history. */
async function plansOf(
  { database, names, shard }: Space,
  unit: Unit,
  entity: EntityLayout,
  writes: readonly EntityWrite[],
): Promise<Map<string, EntityPlan>> {
  const ids = [...new Set(writes.map((write) => write.id))]
  const table = names.table(unit.version, historyTable(entity.type), 'live', shard)
  const id = quote(`${entity.type}_id`)
  const rows = await database.query(
    unit.tx,
    OPERATION,
    `select w.id, h.valid_from, h.valid_to, h._generation, h._revision from unnest($1::text[]) w(id)
      cross join lateral (select valid_from, valid_to, _generation, _revision from ${table}
        where ${id} = w.id order by valid_from desc limit 1) h`,
    [ids],
  )
  const newest = new Map<string, NewestRow>()
  for (const [key, validFrom, validTo, generation, revision] of rows as [string, string, string, number, number][]) {
    newest.set(key, { validFrom, validTo, generation, revision })
  }
  return new Map(ids.map((key) => [key, new EntityPlan(newest.get(key) ?? null)]))
}

function planEdges(
  plans: ReadonlyMap<string, EdgesPlan>,
  writers: readonly RelationshipLayout[],
  write: EntityWrite,
): void {
  if (write.replace) for (const { type } of writers) plans.get(type)?.replace(write.id)
  for (const { type, targetId, at } of write.closedEdges) plans.get(type)?.end(write.id, targetId, at.toString())
  for (const edge of write.edges) plans.get(edge.type)?.add(write, edge)
}

async function writeRows(
  space: Space,
  unit: Unit,
  entity: EntityLayout,
  plans: ReadonlyMap<string, EntityPlan>,
): Promise<void> {
  const { database, names, shard } = space
  const table = names.table(unit.version, historyTable(entity.type), 'live', shard)
  const id = quote(`${entity.type}_id`)
  const replaced: string[] = []
  const taken: { ids: string[]; from: string[] } = { ids: [], from: [] }
  const changed: { ids: string[]; from: string[]; to: (string | null)[]; seen: (string | null)[] } = {
    ids: [],
    from: [],
    to: [],
    seen: [],
  }
  const lines: string[] = []
  for (const [key, plan] of plans) {
    if (plan.replaced) replaced.push(key)
    for (const from of plan.takenPlaces()) {
      taken.ids.push(key)
      taken.from.push(from)
    }
    const since = plan.changedRow
    if (since !== null) {
      changed.ids.push(key)
      changed.from.push(since)
      changed.to.push(plan.closedAt)
      changed.seen.push(plan.seen)
    }
    for (const row of plan.rows) lines.push(historyLine(entity, row.write, row.row, row))
  }
  // All by the primary key.
  if (replaced.length > 0) {
    await database.query(unit.tx, OPERATION, `delete from ${table} where ${id} = any($1)`, [replaced])
  }
  if (taken.ids.length > 0) {
    const sql = `delete from ${table} h using unnest($1::text[], $2::timestamptz[]) w(id, valid_from)
      where h.${id} = w.id and h.valid_from = w.valid_from`
    await database.query(unit.tx, OPERATION, sql, [taken.ids, taken.from])
  }
  if (changed.ids.length > 0) {
    const sql = `update ${table} h set valid_to = w.valid_to, last_event_time = greatest(h.last_event_time, w.seen)
      from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) w(id, valid_from, valid_to, seen)
      where h.${id} = w.id and h.valid_from = w.valid_from and h.valid_to is null`
    await database.query(unit.tx, OPERATION, sql, [changed.ids, changed.from, changed.to, changed.seen])
  }
  await copyRows(space, unit, 'live', entity, lines)
}

async function writeEdges(space: Space, unit: Unit, relationship: RelationshipLayout, plan: EdgesPlan): Promise<void> {
  const { database, names, shard } = space
  const table = names.table(unit.version, edgeTable(relationship.type), 'live', shard)
  const added = plan.added()
  if (plan.replaced.size > 0) {
    await database.query(unit.tx, OPERATION, `delete from ${table} where source_id = any($1)`, [[...plan.replaced]])
  }
  // Edges that end when they began, and those whose place a repeated write takes. By the primary key.
  const kept = added.filter(({ write }) => !plan.replaced.has(write.id))
  if (kept.length + plan.ended.length > 0) {
    const sql = `delete from ${table} e using unnest($1::text[], $2::text[], $3::timestamptz[], $4::boolean[])
        w(source_id, target_id, valid_from, ended)
      where e.source_id = w.source_id and e.target_id = w.target_id and e.valid_from = w.valid_from
        and (e.valid_to is null or not w.ended)`
    await database.query(unit.tx, OPERATION, sql, [
      [...plan.ended.map((end) => end.source), ...kept.map((edge) => edge.write.id)],
      [...plan.ended.map((end) => end.target), ...kept.map((edge) => edge.edge.targetId)],
      [...plan.ended.map((end) => end.at), ...kept.map((edge) => edge.validFrom)],
      [...plan.ended.map(() => true), ...kept.map(() => false)],
    ])
  }
  if (plan.ended.length > 0) {
    const sql = `update ${table} e set valid_to = w.valid_to
      from unnest($1::text[], $2::text[], $3::timestamptz[]) w(source_id, target_id, valid_to)
      where e.source_id = w.source_id and e.target_id = w.target_id and e.valid_to is null`
    await database.query(unit.tx, OPERATION, sql, [
      plan.ended.map((end) => end.source),
      plan.ended.map((end) => end.target),
      plan.ended.map((end) => end.at),
    ])
  }
  const lines = added.map((edge) => edgeLine(relationship, edge.write, edge.edge, edge))
  await copyEdges(space, unit, 'live', relationship, lines)
}

async function copyRows(
  { database, names, shard }: Space,
  unit: Unit,
  target: 'live' | 'shadow',
  { type, columns }: EntityLayout,
  lines: readonly string[],
): Promise<void> {
  if (lines.length === 0) return
  const table = names.table(unit.version, historyTable(type), target, shard)
  const list = [`${type}_id`, `${type}_state`, ...columns.map(({ name }) => name)].map(quote).join(', ')
  const sql = `copy ${table} (${list}, valid_from, valid_to, last_event_time, state_entered_time, created_time,
    _generation, _revision, _sequence) from stdin`
  await database.copy(unit.tx, OPERATION, sql, lines)
}

function historyLine(
  { columns }: EntityLayout,
  write: EntityWrite,
  row: HistoryRow,
  interval: Pick<NewRow, 'validTo' | 'lastEventTime'> | null = null,
): string {
  let line = `${copyField(write.id)}\t${copyField(row.state)}`
  for (const { name, type } of columns) line += `\t${propertyField(row.properties[name], type)}`
  const validTo = interval === null ? row.validTo : interval.validTo
  const seen = interval?.lastEventTime ?? row.lastEventTime
  return `${line}\t${row.validFrom}\t${validTo ?? NULL}\t${seen}\t${row.stateEnteredTime}\t${row.createdTime}\t${write.generation}\t${write.revision}\t${row.sequence ?? NULL}`
}

async function copyEdges(
  { database, names, shard }: Space,
  unit: Unit,
  target: 'live' | 'shadow',
  { type, columns }: RelationshipLayout,
  lines: readonly string[],
): Promise<void> {
  if (lines.length === 0) return
  const table = names.table(unit.version, edgeTable(type), target, shard)
  const list = ['source_id', 'target_id', ...columns.map(({ name }) => name)].map(quote).join(', ')
  const sql = `copy ${table} (${list}, valid_from, valid_to, _generation, _revision) from stdin`
  await database.copy(unit.tx, OPERATION, sql, lines)
}

function edgeLine(
  { columns }: RelationshipLayout,
  write: EntityWrite,
  edge: EdgeRow,
  interval: Pick<NewEdge, 'validTo'> = { validTo: edge.validTo === null ? null : edge.validTo.toString() },
): string {
  let line = `${copyField(write.id)}\t${copyField(edge.targetId)}`
  for (const { name, type } of columns) line += `\t${propertyField(edge.properties[name], type)}`
  return `${line}\t${edge.validFrom}\t${interval.validTo ?? NULL}\t${write.generation}\t${write.revision}`
}
