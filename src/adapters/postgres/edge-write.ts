/** Writes edges (spec 07 §6.1), keyed by source, target and relationship. */
import type { EdgeRow, EntityWrite, HistoryLayout } from '../../core/history.ts'
import type { Unit } from '../../ports/store.ts'
import { NULL, propertyField } from './columns.ts'
import { copyField } from './connection.ts'
import { EdgesPlan, type NewEdge } from './history-plan.ts'
import { edgeTable, quote } from './names.ts'
import type { Space } from './space.ts'
import type { RelationshipLayout } from './version-tables.ts'

const OPERATION = 'history.write'

/** Edges of new entities into the empty shadow. */
export async function writeShadowEdges(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  for (const relationship of layout.relationships) {
    const own = writes.filter(({ edges }) => edges.some(({ type }) => type === relationship.type))
    if (own.length > 0) await copyEdges(space, unit, 'shadow', relationship, shadowEdges(relationship, own))
  }
}

/** Edges of writes that are news, in order. */
export async function writeLiveEdges(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  const plans = new Map(layout.relationships.map((relationship) => [relationship.type, new EdgesPlan()]))
  for (const write of writes) planWrite(plans, layout, write)
  for (const relationship of layout.relationships) {
    await writePlan(space, unit, relationship, plans.get(relationship.type) as EdgesPlan)
  }
}

function planWrite(plans: ReadonlyMap<string, EdgesPlan>, layout: HistoryLayout, write: EntityWrite): void {
  if (write.replace) {
    for (const { type, sources } of layout.relationships) {
      if (sources?.includes(write.type) ?? true) plans.get(type)?.replace(write.id)
    }
  }
  for (const { type, targetId, at } of write.closedEdges) plans.get(type)?.end(write.id, targetId, at.toString())
  for (const edge of write.edges) plans.get(edge.type)?.add(write, edge)
}

async function writePlan(space: Space, unit: Unit, relationship: RelationshipLayout, plan: EdgesPlan): Promise<void> {
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
  if (added.length > 0) await copyEdges(space, unit, 'live', relationship, liveEdges(relationship, added))
}

function* liveEdges(relationship: RelationshipLayout, edges: readonly NewEdge[]): Iterable<string> {
  for (const edge of edges) yield edgeLine(relationship, edge.write, edge.edge, edge)
}

function* shadowEdges(relationship: RelationshipLayout, writes: readonly EntityWrite[]): Iterable<string> {
  for (const write of writes) {
    for (const edge of write.edges) if (edge.type === relationship.type) yield edgeLine(relationship, write, edge)
  }
}

async function copyEdges(
  { database, names, shard }: Space,
  unit: Unit,
  target: 'live' | 'shadow',
  { type, columns }: RelationshipLayout,
  lines: Iterable<string>,
): Promise<void> {
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
