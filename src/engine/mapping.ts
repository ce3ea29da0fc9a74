/** Which entity an event belongs to: identity resolution of ledger ranges in sequence order (spec 04 §3.4, §4.6 step 2). */

import type { DefinitionHashes } from '../core/definition/model.ts'
import type { Hints } from '../core/event.ts'
import { type HintedEvent, hintKey, type Merge, relateGroups, resolveBatch } from '../core/identity.ts'
import { decodeEvent } from '../core/normalize.ts'
import type { FullLedgerRow, HintKey, MappingState, Unit } from '../ports/store.ts'
import { BUILD_CHUNK, type Edition, type Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'

/** What one ledger row brings along: its own hints, and the targets its handlers could relate to. */
function hintedEvent(edition: Edition, row: FullLedgerRow): HintedEvent {
  const hints = JSON.parse(row.hints) as Hints
  const { program } = edition
  // Decoding is needed only where a handler of the event could relate.
  const groups = program.relatingEvents.has(row.eventType)
    ? relateGroups(program, decodeEvent(program, row), hints)
    : []
  return { sequence: row.sequence, hints, groups }
}

/** Changes some of the mapping state and leaves what others may have written meanwhile; returns the whole. */
export async function putMapping(engine: Engine, unit: Unit, next: Partial<MappingState>): Promise<MappingState> {
  const { mapping } = engine.store
  const state = { ...(await mapping.state(unit)), ...next }
  await mapping.setState(unit, state)
  return state
}

/** Hash that no definitions have: the ledger holds events normalized for several definition sets. */
const MIXED = 'mixed'

/**
 * Notes that events normalized for `hashes` join the ledger. If that holds events of other sources or identity rules,
 * every version has to renormalize before its next build (spec 04 §4.3). Returns whether it does.
 */
export async function noteAppend(engine: Engine, unit: Unit, hashes: DefinitionHashes): Promise<boolean> {
  const { sourceHash, identityHash } = await engine.store.mapping.state(unit)
  const otherSources = sourceHash !== '' && sourceHash !== hashes.sourceHash
  const otherIdentity = identityHash !== '' && identityHash !== hashes.identityHash
  if (!otherSources && !otherIdentity) return false
  await putMapping(engine, unit, {
    sourceHash: otherSources ? MIXED : sourceHash,
    identityHash: otherIdentity ? MIXED : identityHash,
  })
  return true
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
    let merges: readonly Merge[] = []
    state = await slot.unit(edition.version, async (unit) => {
      merges = await mapEvents(engine, unit, events)
      const next = await putMapping(engine, unit, { mappedUpto: to })
      failpoint('map.written')
      return next
    })
    failpoint('map.committed')
    tally.mergesDetected += merges.length
    for (const { entityType, from, into } of merges) {
      engine.logger.child('defacto.lifecycle').debug('entity merged', { entity_type: entityType, from, into })
    }
    tally.progress('map', state.mappedUpto, upTo)
  }
}

/** Resolves one batch inside the unit: new hints, merges, mappings. Returns the merges. */
async function mapEvents(engine: Engine, unit: Unit, events: readonly HintedEvent[]): Promise<readonly Merge[]> {
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
  return resolved.merges
}
