/** Changes values of rows and edges where they lie (spec 05 §5.4). */
import type { HistoryLayout, PropertyChange, PropertyRow } from '../../core/history.ts'
import { Instant, instantFromText } from '../../core/instant.ts'
import { Float, type Value } from '../../core/value.ts'
import type { Unit } from '../../ports/store.ts'
import { type Column, fromColumn, SQL_TYPES } from './columns.ts'
import type { Row } from './connection.ts'
import { removeReplaced } from './history-remove.ts'
import { edgeTable, historyTable, quote } from './names.ts'
import type { Space } from './space.ts'

const EDGE_KEY = ['target_id', 'valid_from'] as const
const TIMES = ['valid_from', 'last_event_time', 'state_entered_time', 'created_time'] as const

interface Table {
  readonly name: string
  readonly owner: string
  readonly columns: readonly Column[]
  /** What is read in front of the properties. */
  readonly key: readonly string[]
  /** Those of it that tell one row of an entity from the others. */
  readonly unique: readonly string[]
}

export async function treatEntities(
  space: Space,
  unit: Unit,
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
  change: PropertyChange,
): Promise<number> {
  await removeReplaced(space, unit, layout, ids)
  let changed = 0
  for (const { type, columns } of layout.entities) {
    const name = space.names.table(unit.version, historyTable(type), 'live', null)
    const table = { name, owner: `${type}_id`, columns, key: [`${type}_state`, ...TIMES], unique: ['valid_from'] }
    changed += await treatTable(space, unit, table, ids, change, (id, row) => {
      const [validFrom, lastEventTime, stateEnteredTime, createdTime] = row.slice(1, 5).map((at) => instantOf(at))
      if (!validFrom || !lastEventTime || !stateEnteredTime || !createdTime) return null
      const state = row[0] as string
      return { kind: 'entity', id, type, state, validFrom, lastEventTime, stateEnteredTime, createdTime }
    })
  }
  for (const { type, columns } of layout.relationships) {
    const name = space.names.table(unit.version, edgeTable(type), 'live', null)
    const table = { name, owner: 'source_id', columns, key: EDGE_KEY, unique: EDGE_KEY }
    changed += await treatTable(space, unit, table, ids, change, (id) => ({ kind: 'relationship', id, type }))
  }
  return changed
}

async function treatTable(
  { database }: Space,
  unit: Unit,
  { name, owner, columns, key, unique }: Table,
  ids: readonly { readonly id: string }[],
  change: PropertyChange,
  rowOf: (id: string, row: Row) => PropertyRow | null,
): Promise<number> {
  if (columns.length === 0 || ids.length === 0) return 0
  const [known] = await database.query(unit.tx, 'history.treat', 'select to_regclass($1) is not null', [name])
  if (known?.[0] !== true) return 0
  // By the primary keys, which begin with the owner.
  const rows = await database.query(
    unit.tx,
    'history.treat',
    `select ${[owner, ...key, ...columns.map((column) => column.name)].map(quote).join(', ')} from ${name}
      where ${quote(owner)} = any($1)`,
    [ids.map(({ id }) => id)],
  )
  const places: string[][] = [[], ...unique.map(() => [] as string[])]
  const values: (string | null)[][] = columns.map(() => [])
  for (const [id, ...row] of rows) {
    const about = rowOf(id as string, row)
    if (about === null) continue
    const properties: Record<string, Value> = {}
    columns.forEach((column, index) => {
      properties[column.name] = fromColumn(row[key.length + index], column.type)
    })
    const next = change(about, properties)
    if (next === null) continue
    places[0]?.push(id as string)
    unique.forEach((column, index) => {
      places[index + 1]?.push(String(row[key.indexOf(column)]))
    })
    columns.forEach((column, index) => {
      values[index]?.push(textOf(next[column.name], column))
    })
  }
  const changed = places[0]?.length ?? 0
  if (changed === 0) return 0
  const params = [...places, ...values]
  const sets = columns.map((column, index) => `${quote(column.name)} = v.c${index}::${SQL_TYPES[column.type]}`)
  const same = unique.map((column, index) => {
    return `t.${quote(column)} = v.k${index + 1}${column === 'valid_from' ? `::${SQL_TYPES.datetime}` : ''}`
  })
  const given = [...places.map((_, index) => `k${index}`), ...columns.map((_, index) => `c${index}`)]
  await database.query(
    unit.tx,
    'history.treat',
    `update ${name} t set ${sets.join(', ')}
      from unnest(${params.map((_, index) => `$${index + 1}::text[]`).join(', ')}) v (${given.join(', ')})
      where t.${quote(owner)} = v.k0 and ${same.join(' and ')}`,
    params,
  )
  return changed
}

/** As the cast to the column's type reads it; null for what is not of the type (spec 05 §5.2). */
function textOf(value: Value | undefined, { type }: Column): string | null {
  if (value === null || value === undefined) return null
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : String(value)
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : null
    case 'datetime':
      return value instanceof Instant ? value.toString() : null
    case 'integer':
      return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
    case 'number':
      if (value instanceof Float) return String(value.value)
      return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
  }
}

function instantOf(stored: unknown): Instant | null {
  return stored === null ? null : instantFromText(String(stored))
}
