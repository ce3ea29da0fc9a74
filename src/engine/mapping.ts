/** Which entity an event belongs to: identity resolution of ledger ranges in sequence order (spec 04 §3.4, §4.6 step 2). */

import type { DefinitionHashes } from '../core/definition/model.ts'
import { MERGE_EVENT } from '../core/directive.ts'
import type { Hints } from '../core/event.ts'
import { type HintedEvent, hintKey, type Merge, relateGroups, resolveBatch } from '../core/identity.ts'
import { decodeEvent } from '../core/normalize.ts'
import type { FullLedgerRow, HintKey, MappingState, Unit } from '../ports/store.ts'
import { directiveMappings } from './directives.ts'
import { BUILD_CHUNK, type Edition, type Engine } from './engine.ts'
import { failpoint } from './failpoint.ts'
import { withTokens } from './privacy/lookup.ts'
import { type Slot, waitForOthers } from './slot.ts'
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
  const state = { ...(await mapping.lock(unit, { wait: true })), ...next }
  await mapping.setState(unit, state)
  return state
}

/** Hash that no definitions have: the ledger holds events normalized for several definition sets. */
export const MIXED = 'mixed'

/**
 * Notes that events normalized for `hashes` join the ledger. If that holds events of other sources or identity rules,
 * every version has to renormalize before its next build (spec 04 §4.3). Returns whether it does.
 */
export async function noteAppend(engine: Engine, unit: Unit, hashes: DefinitionHashes): Promise<boolean> {
  // Under the head lock of the append: a reset that begins now waits for this unit, one that has begun is seen.
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

/**
 * Maps everything in `(mapped_upto, upTo]`, one transaction per chunk, for all shards: whoever gets the mapping lock does
 * the next chunk, the others wait for it (spec 04 §4.6 step 2).
 */
export async function mapUpTo(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  upTo: number,
  tally: BuildTally,
): Promise<void> {
  const { store } = engine
  while ((await store.mapping.state()).mappedUpto < upTo) {
    const chunk = await slot.unit(edition.version, (unit) => mapChunk(engine, edition, unit, upTo))
    if (chunk === null) {
      await waitForOthers(engine, slot.signal)
      continue
    }
    failpoint('map.committed')
    tally.mergesDetected += chunk.merges.length
    for (const { entityType, from, into } of chunk.merges) {
      engine.logger.child('defacto.lifecycle').debug('entity merged', { entity_type: entityType, from, into })
    }
    tally.progress('map', chunk.mappedUpto, upTo)
  }
}

/** The next chunk in sequence order; null if another process is at it. */
async function mapChunk(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  upTo: number,
): Promise<{ mappedUpto: number; merges: readonly Merge[] } | null> {
  const { ledger, mapping, signals } = engine.store
  // Another shard does the same work meanwhile; whoever else holds the lock is waited for as for any other.
  const state = await mapping.lock(unit, { wait: engine.store.shard === null })
  if (state === null) return null
  const { mappedUpto } = state
  if (mappedUpto >= upTo) return { mappedUpto, merges: [] }
  const to = Math.min(mappedUpto + BUILD_CHUNK, upTo)
  const events: HintedEvent[] = []
  const directives: FullLedgerRow[] = []
  for await (const rows of ledger.scan({ unit, after: mappedUpto, to, raw: false })) {
    for (const row of rows) {
      if (row.eventType === MERGE_EVENT) directives.push(row)
      else events.push(hintedEvent(edition, row))
    }
  }
  const merges = await mapEvents(engine, unit, events)
  // A merge by hand has been carried out already; here it only gets its place again.
  await mapping.write(unit, await directiveMappings(engine, edition, unit, directives))
  await mapping.setState(unit, { ...state, mappedUpto: to })
  if (engine.store.shard !== null) await signals.send(unit)
  failpoint('map.written')
  return { mappedUpto: to, merges }
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
  const hinted = await withTokens(engine, unit, events, keys, known)
  const resolved = resolveBatch(hinted.events, hinted.known, engine.newId)
  await identity.insert(unit, resolved.inserts)
  for (const merge of resolved.merges) {
    await identity.merge(unit, merge.entityType, merge.from, merge.into, 'shared identity')
  }
  await mapping.write(unit, resolved.mappings)
  return resolved.merges
}
