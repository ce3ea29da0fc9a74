/** Looking into the ledger and into identity (spec 09 §6). */

import type { Hints } from './core/event.ts'
import { parseJson } from './core/expression/json.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { directiveOf } from './engine/merge.ts'
import { lookupValue } from './engine/privacy/lookup.ts'
import { replayEntity } from './engine/timeline.ts'
import { QueryError } from './errors.ts'
import type { FullLedgerRow, Store } from './ports/store.ts'
import { describeChanges } from './query/timeline.ts'
import type { Timeline } from './results.ts'
import type { LedgerTiers } from './tiers.ts'

/** One ledger event as stored; `data` is plain JSON (instants are text). */
export interface LedgerEventView {
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string
  readonly source: string
  readonly data: Readonly<Record<string, unknown>>
  readonly raw: unknown
  readonly resolutionHints: Hints
  /** Sequence of the canonical row this one duplicates after a renormalization; else null. */
  readonly duplicateOf: number | null
}

export class LedgerInspection {
  readonly tiers: LedgerTiers
  readonly #store: Store

  constructor(store: Store, tiers: LedgerTiers) {
    this.#store = store
    this.tiers = tiers
  }

  /** Stored events, of one source or all. */
  async count(options: { source?: string } = {}): Promise<number> {
    return this.#store.ledger.count(options)
  }

  /** Events of one entity in order of time; an unknown or merged-away id has none. */
  async eventsFor(
    entityId: string,
  ): Promise<readonly { sequence: number; eventId: string; eventType: string; timestamp: string }[]> {
    return this.#store.ledger.eventsFor(entityId)
  }

  async event(ref: { sequence: number } | { eventId: string }): Promise<LedgerEventView | undefined> {
    const row = await this.#store.ledger.event(ref)
    return row === undefined ? undefined : view(row)
  }

  /** All rows in order of sequence, duplicates included; memory stays flat. */
  async *scan(options: { from?: number; to?: number; source?: string } = {}): AsyncIterable<LedgerEventView> {
    const to = options.to ?? (await this.#store.ledger.head())
    const range = { after: (options.from ?? 1) - 1, to, all: true, source: options.source }
    for await (const rows of this.#store.ledger.scan(range)) {
      for (const row of rows) yield view(row)
    }
  }
}

export function view(row: FullLedgerRow): LedgerEventView {
  return {
    sequence: row.sequence,
    eventId: row.eventId,
    eventType: row.eventType,
    timestamp: row.timestamp,
    source: row.source,
    data: parseJson(row.data) as Record<string, unknown>,
    raw: parseJson(row.raw),
    resolutionHints: JSON.parse(row.hints) as Hints,
    duplicateOf: row.duplicateOf,
  }
}

export class IdentityInspection {
  readonly #engine: Engine
  readonly #store: Store

  constructor(engine: Engine) {
    this.#engine = engine
    this.#store = engine.store
  }

  /** Id of the entity with this hint value (canonical form), the oldest one if several; undefined if none. */
  async lookup(value: string, options: { type?: string; hintType?: string } = {}): Promise<string | undefined> {
    const rows = await lookupValue(this.#engine, value, { entityType: options.type, hintType: options.hintType })
    return rows[0]?.entityId
  }

  async lookupAll(value: string): Promise<readonly { entityId: string; entityType: string; hintType: string }[]> {
    const rows = await lookupValue(this.#engine, value)
    return rows.map(({ entityId, entityType, hintType }) => ({ entityId, entityType, hintType }))
  }

  /** `{field: [values]}` of one entity. */
  async hints(entityId: string): Promise<Record<string, readonly string[]>> {
    return this.#store.identity.hintsFor(entityId)
  }

  /** Entities merged directly into this one. */
  async merges(
    entityId: string,
  ): Promise<
    readonly { mergedEntity: string; intoEntity: string; timestamp: string; reason: string; trigger: string | null }[]
  > {
    const rows = await this.#store.identity.mergesInto(entityId)
    const merges = []
    for (const { from, into, timestamp, reason } of rows) {
      // The event of an explicit merge; merges found by shared identities have none.
      const trigger = await directiveOf(this.#store, from, into)
      merges.push({ mergedEntity: from, intoEntity: into, timestamp, reason, trigger })
    }
    return merges
  }
}

/** Chronological changes of one entity; merged-away ids give those of the survivor, unknown ids none (spec 06 §8). */
export async function entityTimeline(
  engine: Engine,
  edition: Edition,
  entityId: string,
  options: { all?: boolean },
): Promise<Timeline> {
  if (typeof entityId !== 'string')
    throw new QueryError('timeline: the entity id must be a text', { code: 'E_QUERY_STEP' })
  const { identity } = engine.store
  const survivor = await identity.survivorOf(entityId)
  const replayed = await replayEntity(engine, edition, survivor)
  if (replayed === undefined) return { entityId: survivor, entityType: '', entries: [] }
  const { entityType, events, result } = replayed
  const definition = edition.program.definitions.entities[entityType]
  if (definition === undefined) return { entityId: survivor, entityType, entries: [] }
  return {
    entityId: survivor,
    entityType,
    entries: describeChanges(definition, result.changes, {
      events: options.all ? events : undefined,
      merges: await mergesBehind(identity, survivor),
    }),
    ...(survivor === entityId ? {} : { resolvedFrom: entityId }),
  }
}

/** Merges into the entity, and into those that were merged into it. */
async function mergesBehind(
  identity: Store['identity'],
  entityId: string,
): Promise<Awaited<ReturnType<Store['identity']['mergesInto']>>> {
  const found = await identity.mergesInto(entityId)
  // Merges never go round in a circle: a survivor is merged into nobody.
  for (const { from } of found) found.push(...(await identity.mergesInto(from)))
  return found
}
