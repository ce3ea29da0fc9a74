/** Changes values of rows and edges where they lie (spec 05 §5.4). */
import type { HistoryLayout, PropertyChange, PropertyRow } from '../../core/history.ts'
import { type Instant, instantFromText } from '../../core/instant.ts'
import type { Value } from '../../core/value.ts'
import { type Column, fromColumn, toParam } from './columns.ts'
import type { Connection, Row } from './connection.ts'
import { plainVersion } from './history-tables.ts'
import { edgeTable, historyTable, quote } from './names.ts'

/** What tells one row of an entity from the others, in front of its properties. */
const EDGE_KEY = ['target_id', 'valid_from'] as const

export function treatEntities(
  connection: Connection,
  version: string,
  layout: HistoryLayout,
  ids: readonly { readonly id: string; readonly type: string }[],
  change: PropertyChange,
): number {
  const plain = plainVersion(connection) === version
  let changed = 0
  for (const { type, columns } of layout.entities) {
    const times = ['valid_from', 'last_event_time', 'state_entered_time', 'created_time']
    const of = { table: historyTable(type, version, plain), owner: `${type}_id`, columns }
    const key = [`${type}_state`, ...times]
    changed += treatTable(
      connection,
      of,
      { key, unique: ['valid_from'] },
      ids,
      (id, row) => {
        const [validFrom, lastEventTime, stateEnteredTime, createdTime] = row.slice(1, 5).map((at) => instantOf(at))
        if (!validFrom || !lastEventTime || !stateEnteredTime || !createdTime) return null
        const state = row[0] as string
        return { kind: 'entity', id, type, state, validFrom, lastEventTime, stateEnteredTime, createdTime }
      },
      change,
    )
  }
  for (const { type, columns } of layout.relationships) {
    const of = { table: edgeTable(type, version), owner: 'source_id', columns }
    changed += treatTable(
      connection,
      of,
      { key: EDGE_KEY, unique: EDGE_KEY },
      ids,
      (id) => {
        return { kind: 'relationship', id, type }
      },
      change,
    )
  }
  return changed
}

function treatTable(
  connection: Connection,
  { table, owner, columns }: { table: string; owner: string; columns: readonly Column[] },
  { key, unique }: { key: readonly string[]; unique: readonly string[] },
  ids: readonly { readonly id: string }[],
  rowOf: (id: string, row: Row) => PropertyRow | null,
  change: PropertyChange,
): number {
  if (columns.length === 0 || !connection.hasTable(table)) return 0
  const names = [...key, ...columns.map(({ name }) => name)].map(quote).join(', ')
  const select = `select ${names} from ${quote(table)} where ${quote(owner)} = ?`
  const same = unique.map((name) => `${quote(name)} = ?`).join(' and ')
  const update = connection.statement(
    `update ${quote(table)} set ${columns.map(({ name }) => `${quote(name)} = ?`).join(', ')}
      where ${quote(owner)} = ? and ${same}`,
  )
  let changed = 0
  for (const { id } of ids) {
    for (const row of connection.allExact(select, id)) {
      const about = rowOf(id, row)
      if (about === null) continue
      const properties: Record<string, Value> = {}
      columns.forEach(({ name, type }, index) => {
        properties[name] = fromColumn(row[key.length + index], type)
      })
      const next = change(about, properties)
      if (next === null) continue
      const place = unique.map((name) => row[key.indexOf(name)] as string)
      update.run(...columns.map(({ name }) => toParam(next[name])), id, ...place)
      changed += 1
    }
  }
  return changed
}

function instantOf(stored: unknown): Instant | null {
  return stored === null ? null : instantFromText(String(stored))
}
