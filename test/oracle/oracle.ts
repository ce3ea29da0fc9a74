/**
 * The reference interpreter: a whole log to the history of every entity, in one go (03 §12 made executable).
 * No increments, no caches, no batches: normalize all, group all, sort each, replay each, advance to the horizon.
 */
import type { Defs } from './definitions.ts'
import { type EntityKey, groupAll } from './identity.ts'
import { type EntityFailure, Replay } from './interpret.ts'
import { normalize, type OracleEvent } from './normalize.ts'
import { Failure, Time, timeText, type V } from './values.ts'

export interface Delivery {
  source: string
  record: unknown
}
/** A value as the query layer returns it. */
export type Plain = null | boolean | number | bigint | string
export interface PlainRow {
  state: string
  properties: Record<string, Plain>
  validFrom: string
  validTo: string | null
  lastEventTime: string
  stateEnteredTime: string
  createdTime: string
}
export interface PlainEdge {
  type: string
  target: EntityKey
  properties: Record<string, Plain>
  validFrom: string
  validTo: string | null
}
export interface PlainEntity {
  type: string
  rows: PlainRow[]
  edges: PlainEdge[]
}
/** Entities that exist, by the sorted set of their hints. */
export type World = Record<EntityKey, PlainEntity>

export interface OracleResult {
  world: World
  /** Records that fail normalization: their position and the field at fault. */
  rejected: { index: number; field: string | null }[]
  /** Positions of records that repeat an earlier event. */
  duplicates: number[]
  /** Events without any hint. */
  unresolved: number
  failures: EntityFailure[]
}

/** `horizon`: the greatest instant any build pass or tick advanced to, as text or epoch milliseconds; null: none. */
export function oracle(defs: Defs, deliveries: readonly Delivery[], horizon: number | null): OracleResult {
  const { events, rejected, duplicates } = readLog(defs, deliveries)
  return { ...interpretLog(defs, events, horizon), rejected, duplicates }
}

/** Normalizes in order of arrival; an event whose id was seen before is a duplicate. */
export function readLog(
  defs: Defs,
  deliveries: readonly Delivery[],
): { events: OracleEvent[]; rejected: OracleResult['rejected']; duplicates: number[] } {
  const events: OracleEvent[] = []
  const rejected: OracleResult['rejected'] = []
  const duplicates: number[] = []
  const seen = new Set<string>()
  for (const [index, { source, record }] of deliveries.entries()) {
    try {
      const event = normalize(defs, source, record)
      if (seen.has(event.eventId)) duplicates.push(index)
      else events.push({ ...event, sequence: events.length + 1 })
      seen.add(event.eventId)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      rejected.push({ index, field: error.field })
    }
  }
  return { events, rejected, duplicates }
}

export function interpretLog(
  defs: Defs,
  events: readonly OracleEvent[],
  horizon: number | null,
): Pick<OracleResult, 'world' | 'failures' | 'unresolved'> {
  const identity = groupAll(defs, events)
  const attached = new Map<EntityKey, { type: string; events: OracleEvent[] }>()
  for (const event of events) {
    for (const [type, hints] of Object.entries(event.hints)) {
      const key = identity.keyOf(type, hints)
      if (key === null) continue
      const entry = attached.get(key) ?? { type, events: [] }
      entry.events.push(event)
      attached.set(key, entry)
    }
  }
  const world: World = {}
  const failures: EntityFailure[] = []
  for (const [key, { type, events: own }] of attached) {
    const replay = new Replay(defs, type, key, identity)
    for (const event of [...own].sort(byTime)) replay.event(event)
    if (horizon !== null) replay.advance(BigInt(horizon) * 1000n)
    failures.push(...replay.failures)
    if (replay.rows.length > 0)
      world[key] = { type, rows: replay.rows.map(plainRow), edges: replay.edgeRows.map(plainEdge) }
  }
  const unresolved = events.filter((event) => Object.keys(event.hints).length === 0).length
  return { world, failures, unresolved }
}

function byTime(a: OracleEvent, b: OracleEvent): number {
  if (a.timestamp.us !== b.timestamp.us) return a.timestamp.us < b.timestamp.us ? -1 : 1
  return a.sequence - b.sequence
}

const at = (us: bigint): string => timeText(new Time(us))

function plainRow(row: Replay['rows'][number]): PlainRow {
  return {
    state: row.state,
    properties: plain(row.props),
    validFrom: at(row.from),
    validTo: row.to === null ? null : at(row.to),
    lastEventTime: at(row.last),
    stateEnteredTime: at(row.entered),
    createdTime: at(row.created),
  }
}

function plainEdge(edge: Replay['edgeRows'][number]): PlainEdge {
  const { type, target, props, from, to } = edge
  return { type, target, properties: plain(props), validFrom: at(from), validTo: to === null ? null : at(to) }
}

function plain(props: Map<string, V>): Record<string, Plain> {
  return Object.fromEntries([...props].map(([name, value]) => [name, plainValue(value)]))
}

function plainValue(value: V): Plain {
  if (value instanceof Time) return timeText(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  return value as Plain
}
