/** Which entity an event belongs to: identity resolution of ledger ranges in sequence order (spec 04 §3.4, §4.6 step 2). */

import type { Hints } from '../core/event.ts'
import { type HintGroup, hintKey, relateGroups, resolveBatch } from '../core/identity.ts'
import { decodeEvent } from '../core/normalize.ts'
import type { FullLedgerRow, HintKey, MappingState, Unit } from '../ports/store.ts'
import { BUILD_CHUNK, type Edition, type Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'

/** Identity groups one ledger row brings along: its own hints, and the targets its handlers could relate to. */
export interface HintedEvent {
  readonly sequence: number
  readonly hints: Hints
  readonly groups: readonly HintGroup[]
}

export function hintedEvent(edition: Edition, row: FullLedgerRow): HintedEvent {
  const hints = JSON.parse(row.hints) as Hints
  const { program } = edition
  // Decoding is needed only where a handler of the event could relate.
  const groups = program.relatingEvents.has(row.eventType)
    ? relateGroups(program, decodeEvent(program, row), hints)
    : []
  return { sequence: row.sequence, hints, groups }
}

/** Maps everything in `(mapped_upto, upTo]`, one transaction per chunk. */
export async function mapUpTo(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  upTo: number,
  tally: BuildTally,
): Promise<void> {
  const { store } = engine
  let state = await store.mapping.state()
  while (state.mappedUpto < upTo) {
    const to = Math.min(state.mappedUpto + BUILD_CHUNK, upTo)
    const events: HintedEvent[] = []
    for await (const rows of store.ledger.scan({ after: state.mappedUpto, to, raw: false })) {
      for (const row of rows) events.push(hintedEvent(edition, row))
    }
    const before: MappingState = state
    state = await slot.unit(edition.version, async (unit) => {
      const merges = await mapEvents(engine, unit, events)
      tally.mergesDetected += merges
      const next = { ...before, mappedUpto: to }
      await store.mapping.setState(unit, next)
      failpoint('map.written')
      return next
    })
    failpoint('map.committed')
    tally.progress('map', state.mappedUpto, upTo)
  }
}

/** Resolves one batch inside the unit: new hints, merges, mappings. Returns the number of merges. */
async function mapEvents(engine: Engine, unit: Unit, events: readonly HintedEvent[]): Promise<number> {
  const { identity, mapping } = engine.store
  const keys = new Map<string, HintKey>()
  const collect = (entityType: string, fields: Readonly<Record<string, string>>): void => {
    for (const hintType in fields) {
      const value = fields[hintType] as string
      keys.set(hintKey(entityType, hintType, value), { entityType, hintType, value })
    }
  }
  for (const event of events) {
    for (const entityType in event.hints) collect(entityType, event.hints[entityType] ?? {})
    for (const group of event.groups) collect(group.entityType, group.hints)
  }
  const known = new Map<string, string>()
  const ids = await identity.lookup(unit, [...keys.values()])
  let index = 0
  for (const key of keys.keys()) {
    const id = ids[index++]
    if (id !== undefined) known.set(key, id)
  }
  const resolved = resolveBatch(events, known, engine.newId)
  await identity.insert(unit, resolved.inserts)
  for (const merge of resolved.merges) {
    await identity.merge(unit, merge.entityType, merge.from, merge.into, 'shared identity')
  }
  await mapping.write(unit, resolved.mappings)
  return resolved.merges.length
}
