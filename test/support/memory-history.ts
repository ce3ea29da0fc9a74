/** State history kept in memory by the rules of spec 07 §6.1, to try what the core hands to a history store. */
import assert from 'node:assert/strict'
import type { EdgeRow, EntityWrite, HistoryRow } from '../../src/core/history.ts'
import { compareTime, type Instant, sameInstant } from '../../src/core/instant.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export interface EntityHistory {
  readonly type: string
  rows: Mutable<HistoryRow>[]
  edges: Mutable<EdgeRow>[]
}

export class MemoryHistory {
  readonly entities = new Map<string, EntityHistory>()

  apply(write: EntityWrite): void {
    let history = this.entities.get(write.id)
    if (history === undefined || write.replace) {
      history = { type: write.type, rows: [], edges: [] }
      this.entities.set(write.id, history)
    }
    if (write.touch !== null) openRow(history).lastEventTime = write.touch
    const first = write.rows[0]
    if (first !== undefined && history.rows.length > 0) closeRow(history, first.validFrom)
    history.rows.push(...write.rows.map((row) => ({ ...row })))
    for (const { type, targetId, at } of write.closedEdges) closeEdge(history, type, targetId, at)
    history.edges.push(...write.edges.map((edge) => ({ ...edge })))
    check(history)
  }
}

function openRow(history: EntityHistory): Mutable<HistoryRow> {
  const row = history.rows.at(-1)
  assert.ok(row !== undefined && row.validTo === null, 'there is an open row')
  return row
}

function closeRow(history: EntityHistory, at: Instant): void {
  const open = openRow(history)
  if (sameInstant(open.validFrom, at)) history.rows.pop()
  else open.validTo = at
}

function closeEdge(history: EntityHistory, type: string, targetId: string, at: Instant): void {
  const open = history.edges.find((edge) => edge.type === type && edge.targetId === targetId && edge.validTo === null)
  assert.ok(open !== undefined, 'there is an open edge')
  if (sameInstant(open.validFrom, at)) history.edges = history.edges.filter((edge) => edge !== open)
  else open.validTo = at
}

/** One open row at the end, no gaps, nothing that lasts no time. */
function check({ rows, edges }: EntityHistory): void {
  for (const [index, row] of rows.entries()) {
    assert.deepEqual(row.validTo, rows[index + 1]?.validFrom ?? null, 'rows are chained')
    if (row.validTo !== null) assert.ok(compareTime(row.validFrom, row.validTo) < 0, 'a row lasts')
  }
  const open = new Set<string>()
  for (const edge of edges) {
    if (edge.validTo !== null) assert.ok(compareTime(edge.validFrom, edge.validTo) < 0, 'an edge lasts')
    else {
      const key = `${edge.type} ${edge.targetId}`
      assert.ok(!open.has(key), 'an edge is open once')
      open.add(key)
    }
  }
}
