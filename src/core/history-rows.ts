/** From the changes of a fold to rows of state history (spec 03 §9, 07 §6.1). */
import type { EdgeRow, EntityWrite, HistoryRow } from './history.ts'
import { type Instant, sameInstant } from './instant.ts'
import type { Change, EdgeChange, EntityState, FoldResult } from './snapshot.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * What a fold writes. `before` is the state the fold began with, its open edges loaded if an event could relate; null
 * with `replace`. Null result: nothing to write. With `replace` there always is one, for the rows to be removed.
 */
export function historyWrite(
  before: EntityState | null,
  result: FoldResult,
  options: { generation: number; revision: number; replace: boolean },
): EntityWrite | null {
  const { state, changes } = result
  const rows = historyRows(changes, state.lastEventTime)
  const touch = before === null || before.state === null ? null : touchOf(before, result)
  if (rows.length === 0 && touch === null && !options.replace) return null
  const { id, type } = state
  const { closedEdges, edges } = edgeRows(before, changes)
  const write = { id, type, ...options, rows, touch, closedEdges, edges }
  const openSince = before?.lastSnapshot
  return openSince ? { ...write, openSince } : write
}

/** One row per instant; each row ends with the last event time there was when the next one closed it. */
function historyRows(changes: readonly Change[], lastEventTime: Instant | null): HistoryRow[] {
  const rows: Mutable<HistoryRow>[] = []
  for (const { cause, snapshot, lastEventBefore } of changes) {
    const { state, properties, validFrom, stateEnteredTime, createdTime } = snapshot
    const open = rows.at(-1)
    // Of several changes at one instant the last one is the row.
    if (open !== undefined && sameInstant(open.validFrom, validFrom)) rows.pop()
    else if (open !== undefined) {
      open.validTo = validFrom
      open.lastEventTime = lastEventBefore ?? open.lastEventTime
    }
    rows.push({
      state,
      properties,
      validFrom,
      validTo: null,
      lastEventTime: snapshot.lastEventTime,
      stateEnteredTime,
      createdTime,
      sequence: cause.kind === 'event' ? cause.sequence : null,
    })
  }
  const last = rows.at(-1)
  if (last !== undefined && lastEventTime !== null) last.lastEventTime = lastEventTime
  return rows
}

/** Activity that the row open before this write saw, up to the change that closes it. */
function touchOf(before: EntityState, { state, changes }: FoldResult): Instant | null {
  const first = changes[0]
  // The row is about to be replaced.
  if (first !== undefined && sameInstant(first.snapshot.validFrom, before.lastSnapshot)) return null
  const seen = first === undefined ? state.lastEventTime : first.lastEventBefore
  return sameInstant(seen, before.lastEventTime) ? null : seen
}

/** Edges keyed by type and target; like rows, an edge that would last no time at all is none. */
function edgeRows(
  before: EntityState | null,
  changes: readonly Change[],
): { closedEdges: { type: string; targetId: string; at: Instant }[]; edges: EdgeRow[] } {
  const opened = new Map<string, Mutable<EdgeRow>>()
  const rows = new Set<Mutable<EdgeRow>>()
  const earlier = new Set(before?.edges.map(keyOf))
  const closedEdges: { type: string; targetId: string; at: Instant }[] = []

  const end = (edge: EdgeChange, key: string, at: Instant): void => {
    const row = opened.get(key)
    if (row !== undefined) {
      opened.delete(key)
      if (sameInstant(row.validFrom, at)) rows.delete(row)
      else row.validTo = at
    } else if (earlier.delete(key)) closedEdges.push({ type: edge.type, targetId: edge.targetId, at })
  }
  for (const { snapshot } of changes) {
    for (const edge of snapshot.relationships) {
      const key = keyOf(edge)
      const at = snapshot.validFrom
      end(edge, key, at)
      if (edge.ended) continue
      const { type, targetId, properties } = edge
      const row = { type, targetId, properties, validFrom: at, validTo: null }
      opened.set(key, row)
      rows.add(row)
    }
  }
  return { closedEdges, edges: [...rows] }
}

function keyOf(edge: { type: string; targetId: string }): string {
  return `${edge.type}\u0000${edge.targetId}`
}
