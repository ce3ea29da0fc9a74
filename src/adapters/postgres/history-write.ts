/** Writes rows and edges of entities (spec 07 §6.1). What a batch does to one table is a handful of statements. */
import type { EntityWrite, HistoryLayout, HistoryRow } from '../../core/history.ts'
import { type Instant, sameInstant } from '../../core/instant.ts'
import type { Unit } from '../../ports/store.ts'
import { NULL, propertyField } from './columns.ts'
import { copyField } from './connection.ts'
import { writeLiveEdges, writeShadowEdges } from './edge-write.ts'
import { EntityPlan, type NewestRow, type NewRow } from './history-plan.ts'
import { historyTable, quote } from './names.ts'
import type { Space } from './space.ts'
import type { EntityLayout } from './version-tables.ts'

const OPERATION = 'history.write'

/** The shadow is empty, and every entity is written to it once: nothing to look for, nothing to close. */
export async function writeShadow(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  for (const [entity, own] of groupByType(unit.version, layout, writes)) {
    if (own.some(({ rows }) => rows.length > 0)) await copyRows(space, unit, 'shadow', entity, shadowRows(entity, own))
  }
  await writeShadowEdges(space, unit, layout, writes)
}

function* shadowRows(entity: EntityLayout, writes: readonly EntityWrite[]): Iterable<string> {
  for (const write of writes) for (const row of write.rows) yield historyLine(entity, write, row)
}

export async function writeLive(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  writes: readonly EntityWrite[],
): Promise<void> {
  const news: EntityWrite[] = []
  for (const [entity, own] of groupByType(unit.version, layout, writes)) {
    const closed = await closeKnown(space, unit, entity, own)
    const plans = await plansOf(space, unit, entity, own, closed)
    for (const write of own) if (plans.get(write.id)?.apply(write) === true) news.push(write)
    await writeRows(space, unit, entity, plans)
  }
  await writeLiveEdges(space, unit, layout, news)
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

/**
 * Closes and touches open rows by what the writers know of them, which spares looking for them: the common case of
 * entities that go on. Returns the ids of which this was the stored row, and the write news. By the primary key.
 */
async function closeKnown(
  { database, names, shard }: Space,
  unit: Unit,
  entity: EntityLayout,
  writes: readonly EntityWrite[],
): Promise<ReadonlySet<string>> {
  const known = new Map<string, EntityWrite>()
  const several = new Set<string>()
  for (const write of writes) {
    if (known.has(write.id)) several.add(write.id)
    else known.set(write.id, write)
  }
  const candidates = [...known.values()].filter(({ id, replace, rows: [first], openSince, touch }) => {
    if (several.has(id) || replace || openSince === undefined) return false
    return first === undefined ? touch !== null : !sameInstant(openSince, first.validFrom)
  })
  if (candidates.length === 0) return new Set()
  const id = quote(`${entity.type}_id`)
  const closed = await database.query(
    unit.tx,
    OPERATION,
    `update ${names.table(unit.version, historyTable(entity.type), 'live', shard)} h
      set valid_to = w.valid_to, last_event_time = greatest(h.last_event_time, w.seen)
      from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::bigint[])
        w(id, valid_from, valid_to, seen, generation, revision)
      where h.${id} = w.id and h.valid_from = w.valid_from and h.valid_to is null
        and case when w.valid_to is null then h._generation <= w.generation
          else (h._generation, h._revision) < (w.generation, w.revision) end
      returning h.${id}`,
    [
      candidates.map((write) => write.id),
      candidates.map((write) => (write.openSince as Instant).toString()),
      candidates.map((write) => write.rows[0]?.validFrom.toString() ?? null),
      candidates.map((write) => write.touch?.toString() ?? null),
      candidates.map((write) => write.generation),
      candidates.map((write) => write.revision),
    ],
  )
  return new Set(closed.map(([key]) => key as string))
}

/** By the primary key, backwards: one row per entity, whatever its history. What was open of those in `closed` is done with. */
async function plansOf(
  { database, names, shard }: Space,
  unit: Unit,
  entity: EntityLayout,
  writes: readonly EntityWrite[],
  closed: ReadonlySet<string>,
): Promise<Map<string, EntityPlan>> {
  const ids = [...new Set(writes.map((write) => write.id))]
  const unknown = ids.filter((id) => !closed.has(id))
  const table = names.table(unit.version, historyTable(entity.type), 'live', shard)
  const id = quote(`${entity.type}_id`)
  const rows =
    unknown.length === 0
      ? []
      : await database.query(
          unit.tx,
          OPERATION,
          `select w.id, h.valid_from, h.valid_to, h._generation, h._revision from unnest($1::text[]) w(id)
      cross join lateral (select valid_from, valid_to, _generation, _revision from ${table}
        where ${id} = w.id order by valid_from desc limit 1) h`,
          [unknown],
        )
  const newest = new Map<string, NewestRow>()
  for (const [key, validFrom, validTo, generation, revision] of rows as [string, string, string, number, number][]) {
    newest.set(key, { validFrom, validTo, generation, revision })
  }
  return new Map(ids.map((key) => [key, new EntityPlan(newest.get(key) ?? null)]))
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
  const kept = await keptRows(space, unit, entity, plans)
  const taken: { ids: string[]; from: string[] } = { ids: [], from: [] }
  const changed: { ids: string[]; from: string[]; to: (string | null)[]; seen: (string | null)[] } = {
    ids: [],
    from: [],
    to: [],
    seen: [],
  }
  for (const [key, plan] of plans) {
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
  }
  for (const [key, froms] of kept.gone) {
    for (const from of froms) {
      taken.ids.push(key)
      taken.from.push(from)
    }
  }
  // Both by the primary key.
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
  const added = [...plans.values()].flatMap((plan) => plan.rows).filter((row) => !kept.rows.has(row))
  if (added.length > 0) await copyRows(space, unit, 'live', entity, liveRows(entity, added))
}

/**
 * Most rebuilds change the newest rows only, so a closed row that is there already stays as it is, with the generation
 * that wrote it; the generation of the entity is that of its open row. By the primary key.
 */
async function keptRows(
  { database, names, shard }: Space,
  unit: Unit,
  entity: EntityLayout,
  plans: ReadonlyMap<string, EntityPlan>,
): Promise<{ rows: ReadonlySet<NewRow>; gone: ReadonlyMap<string, readonly string[]> }> {
  const rows = new Set<NewRow>()
  const gone = new Map<string, string[]>()
  const ids = [...plans].filter(([, plan]) => plan.replaced).map(([id]) => id)
  if (ids.length === 0) return { rows, gone }
  const id = quote(`${entity.type}_id`)
  const columns = rowColumns(entity).map((name) => `h.${quote(name)}`)
  const stored = await database.query(
    unit.tx,
    OPERATION,
    `select h.${id}, h.valid_from, h.merged_into, ${columns.join(', ')}
      from unnest($1::text[]) w(id) join ${names.table(unit.version, historyTable(entity.type), 'live', shard)} h
        on h.${id} = w.id`,
    [ids],
  )
  const fresh = new Map<string, Map<string, NewRow>>()
  for (const key of ids) fresh.set(key, new Map(plans.get(key)?.rows.map((row) => [row.validFrom, row])))
  for (const [key, validFrom, mergedInto, ...values] of stored as [string, string, string | null, ...Stored[]][]) {
    const row = fresh.get(key)?.get(validFrom)
    const isKept = row !== undefined && row.validTo !== null && mergedInto === null
    if (isKept && rowFields(entity, row.write, row.row, row) === values.map(copyField).join('\t')) rows.add(row)
    else {
      const froms = gone.get(key)
      if (froms === undefined) gone.set(key, [validFrom])
      else froms.push(validFrom)
    }
  }
  return { rows, gone }
}

type Stored = string | number | boolean | null

function* liveRows(entity: EntityLayout, rows: readonly NewRow[]): Iterable<string> {
  for (const row of rows) yield historyLine(entity, row.write, row.row, row)
}

async function copyRows(
  { database, names, shard }: Space,
  unit: Unit,
  target: 'live' | 'shadow',
  entity: EntityLayout,
  lines: Iterable<string>,
): Promise<void> {
  const table = names.table(unit.version, historyTable(entity.type), target, shard)
  const sql = `copy ${table} (${rowColumns(entity).map(quote).join(', ')}, _generation, _revision) from stdin`
  await database.copy(unit.tx, OPERATION, sql, lines)
}

/** What a row says, in the order of `rowFields`. */
function rowColumns({ type, columns }: EntityLayout): string[] {
  return [
    `${type}_id`,
    `${type}_state`,
    ...columns.map(({ name }) => name),
    'valid_from',
    'valid_to',
    'last_event_time',
    'state_entered_time',
    'created_time',
    '_sequence',
  ]
}

type Interval = Pick<NewRow, 'validTo' | 'lastEventTime'>

function rowFields({ columns }: EntityLayout, write: EntityWrite, row: HistoryRow, interval: Interval | null): string {
  let line = `${copyField(write.id)}\t${copyField(row.state)}`
  for (const { name, type } of columns) line += `\t${propertyField(row.properties[name], type)}`
  const validTo = interval === null ? row.validTo : interval.validTo
  const seen = interval?.lastEventTime ?? row.lastEventTime
  return `${line}\t${row.validFrom}\t${validTo ?? NULL}\t${seen}\t${row.stateEnteredTime}\t${row.createdTime}\t${row.sequence ?? NULL}`
}

function historyLine(
  entity: EntityLayout,
  write: EntityWrite,
  row: HistoryRow,
  interval: Interval | null = null,
): string {
  return `${rowFields(entity, write, row, interval)}\t${write.generation}\t${write.revision}`
}
