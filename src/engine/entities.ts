/** Entities in and out of a unit of work: load, fold, write. Shared by builds, rebuilds, full builds and the tick. */
import { decodeState, encodeState } from '../core/checkpoint.ts'
import type { LedgerEvent } from '../core/event.ts'
import type { EntityWrite } from '../core/history.ts'
import { historyWrite } from '../core/history-rows.ts'
import { type HintGroup, relateGroups } from '../core/identity.ts'
import type { Instant } from '../core/instant.ts'
import { emptyState, type FoldResult } from '../core/interpret.ts'
import { decodeEvent, rehint } from '../core/normalize.ts'
import type { CompiledEntity } from '../core/program.ts'
import type { EntityState } from '../core/snapshot.ts'
import { nextDue } from '../core/time-rules.ts'
import type { Checkpoint, MappedRow, Unit } from '../ports/store.ts'
import type { Edition, Engine } from './engine.ts'
import type { CachedEntity } from './entity-cache.ts'

/** Everything of one entity in one chunk. */
export interface EntityEvents {
  readonly id: string
  readonly type: string
  readonly events: readonly LedgerEvent[]
}

/** Decodes mapped rows (sorted by entity, timestamp, sequence) and groups them; an event shared by entities once. */
export function groupByEntity(edition: Edition, rows: readonly MappedRow[]): EntityEvents[] {
  const decoded = new Map<number, LedgerEvent>()
  const groups: { id: string; type: string; events: LedgerEvent[] }[] = []
  let group: { id: string; type: string; events: LedgerEvent[] } | undefined
  for (const row of rows) {
    if (row.eventType.startsWith('_defacto_')) continue
    let event = decoded.get(row.sequence)
    if (event === undefined) {
      event = decodeEvent(edition.program, row)
      decoded.set(row.sequence, event)
    }
    if (group === undefined || group.id !== row.entityId || group.type !== row.entityType) {
      group = { id: row.entityId, type: row.entityType, events: [] }
      groups.push(group)
    }
    group.events.push(event)
  }
  return groups
}

/** Hint groups of every target these events could relate to. */
export function targetGroups(edition: Edition, events: Iterable<LedgerEvent>, wall: Instant): HintGroup[] {
  const { program } = edition
  const groups: HintGroup[] = []
  for (const event of events) {
    if (!program.relatingEvents.has(event.eventType)) continue
    const own = rehint(program, event, wall)
    groups.push(...relateGroups(program, event, 'hints' in own ? own.hints : {}))
  }
  return groups
}

export function compiledEntity(edition: Edition, type: string): CompiledEntity | undefined {
  return edition.program.entities.get(type)
}

/**
 * Loads what is not cached; ids without a checkpoint start empty. `withEdges`: ids whose open edges are needed; `stored`:
 * the checkpoints of these ids, if the caller has read them in this unit.
 */
export async function loadEntities(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  wanted: ReadonlyMap<string, string>,
  withEdges: ReadonlySet<string>,
  stored?: ReadonlyMap<string, Checkpoint>,
): Promise<Map<string, CachedEntity>> {
  const { store } = engine
  const cache = engine.cache(edition.version)
  const loaded = new Map<string, CachedEntity>()
  const missing: string[] = []
  for (const id of wanted.keys()) {
    const cached = cache.get(id)
    if (cached !== undefined) loaded.set(id, cached)
    else missing.push(id)
  }
  if (missing.length > 0) {
    const checkpoints = stored ?? (await store.checkpoints.load(unit, edition.version, missing))
    for (const id of missing) {
      const type = wanted.get(id) as string
      const entity = compiledEntity(edition, type)
      if (entity === undefined) continue
      const checkpoint = checkpoints.get(id)
      loaded.set(
        id,
        checkpoint === undefined
          ? { state: emptyState(type, id), generation: 0, revision: 0, edgesLoaded: true }
          : {
              state: decodeState(entity, id, checkpoint.body),
              generation: checkpoint.generation,
              revision: checkpoint.revision,
              edgesLoaded: false,
            },
      )
    }
  }
  const edgeless = [...withEdges].filter((id) => loaded.get(id)?.edgesLoaded === false)
  if (edgeless.length > 0) await loadEdges(engine, edition, unit, loaded, edgeless)
  return loaded
}

async function loadEdges(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  loaded: Map<string, CachedEntity>,
  ids: readonly string[],
): Promise<void> {
  const bySource = new Map<string, EntityState['edges'][number][]>()
  for (const edge of await engine.store.history.openEdges(unit, edition.version, edition.program.layout, ids)) {
    const list = bySource.get(edge.sourceId) ?? []
    const source = loaded.get(edge.sourceId)
    const declared = compiledEntity(edition, source?.state.type ?? '')?.definition.relationships ?? []
    const targetType = declared.find((r) => r.type === edge.type)?.target ?? ''
    list.push({ type: edge.type, targetId: edge.targetId, targetType, properties: edge.properties })
    bySource.set(edge.sourceId, list)
  }
  for (const id of ids) {
    const entity = loaded.get(id)
    if (entity === undefined) continue
    loaded.set(id, { ...entity, state: { ...entity.state, edges: bySource.get(id) ?? [] }, edgesLoaded: true })
  }
}

/** What one entity's fold means for the store. */
export interface EntityOutcome {
  readonly entity: CachedEntity
  readonly write: EntityWrite | null
  readonly checkpoint: Checkpoint
}

/**
 * Turns a fold into rows and a checkpoint that holds up to `appliedUpto`. `before`: what the fold started from; null for
 * a replay from nothing, whose rows replace the entity's under the new `generation`.
 */
export function outcomeOf(
  compiled: CompiledEntity,
  before: CachedEntity | null,
  result: FoldResult,
  options: { generation: number; appliedUpto: number },
): EntityOutcome {
  const { generation } = options
  const replace = before === null
  const revision = (before?.revision ?? 0) + result.changes.length
  const write = historyWrite(before?.state ?? null, result, { generation, revision, replace })
  const { state } = result
  const due = nextDue(compiled, state)
  return {
    entity: { state, generation, revision, edgesLoaded: before?.edgesLoaded ?? true },
    write,
    checkpoint: {
      id: state.id,
      type: state.type,
      body: encodeState(state),
      generation,
      revision,
      appliedUpto: options.appliedUpto,
      nextDue: due === null ? null : due.toString(),
    },
  }
}
