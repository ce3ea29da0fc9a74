/**
 * The whole engine out of the pure functions of core, with everything stored as text as a database would: what they
 * add up to, without a store. Batches, ticks and restarts are the caller's choice.
 */
import { decodeState, encodeState } from '../../src/core/checkpoint.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import type { Hints, LedgerEvent, StoredEvent } from '../../src/core/event.ts'
import { historyWrite } from '../../src/core/history-rows.ts'
import { hintKey, type IdentityRow, relateGroups, resolveBatch } from '../../src/core/identity.ts'
import { compareTime, type Instant, laterOf } from '../../src/core/instant.ts'
import { emptyState, type FoldFailure, fold } from '../../src/core/interpret.ts'
import { decodeEvent, type NormalizeFailure, normalizeBatch } from '../../src/core/normalize.ts'
import { compileProgram, type Program, type ProgramOptions } from '../../src/core/program.ts'
import type { Edge, EntityState } from '../../src/core/snapshot.ts'
import { isLate, nextDue } from '../../src/core/time-rules.ts'
import { MemoryHistory } from './memory-history.ts'

interface Row extends StoredEvent {
  readonly hints: string
}
interface Stored {
  readonly type: string
  readonly text: string
  readonly edges: readonly Edge[]
}

export class PureEngine {
  readonly program: Program
  readonly history = new MemoryHistory()
  readonly normalizeFailures: NormalizeFailure[] = []
  failures: (FoldFailure & { entityId: string })[] = []
  duplicates = 0
  unresolved = 0
  rebuilds = 0
  readonly identity = new Map<string, IdentityRow>()
  readonly #rows: Row[] = []
  readonly #ids = new Set<string>()
  readonly #mappings = new Map<string, Set<number>>()
  readonly #states = new Map<string, Stored>()
  #horizon: Instant | null = null
  #lastId = 0

  constructor(definitions: DefinitionsObject, options?: ProgramOptions) {
    this.program = compileProgram(definitions, options)
  }

  /** One batch of records of one source, interpreted at once. */
  ingest(source: string, records: readonly unknown[], wall: Instant): void {
    const compiled = this.program.sources.get(source)
    if (compiled === undefined) throw new Error(`no source ${source}`)
    const normal = normalizeBatch(
      this.program,
      compiled,
      records.map((value) => ({ value })),
      wall,
    )
    this.normalizeFailures.push(...normal.failures)
    const first = this.#rows.length
    for (const event of normal.events) {
      if (this.#ids.has(event.eventId)) {
        this.duplicates += 1
        continue
      }
      this.#ids.add(event.eventId)
      const { eventId, eventType, timestamp, dataJson, kindsJson, hintsJson } = event
      this.#rows.push({
        sequence: this.#rows.length + 1,
        eventId,
        eventType,
        timestamp: timestamp.toString(),
        source,
        data: dataJson,
        kinds: kindsJson,
        hints: hintsJson,
      })
    }
    this.#interpret(this.#map(this.#rows.slice(first)))
  }

  /** Advances every entity. */
  tick(asOf: Instant): void {
    this.#horizon = laterOf(this.#horizon, asOf)
    for (const id of this.#states.keys()) {
      const before = this.#load(id)
      const entity = this.program.entities.get(before.type)
      if (entity === undefined) continue
      const due = nextDue(entity, before)
      const result = fold(entity, before, [], { targets: () => undefined, advanceTo: asOf })
      const isDue = due !== null && compareTime(due, asOf) < 0
      if (!isDue && (result.changes.length > 0 || result.failures.length > 0))
        throw new Error('fired before it was due')
      this.#finish(before, result, false)
    }
  }

  /** Identity for a batch; returns the new (entity, sequence) pairs and the entities to rebuild. */
  #map(rows: readonly Row[]): { touched: Map<string, number[]>; rebuild: Set<string> } {
    const events = rows.map((row) => {
      const hints = JSON.parse(row.hints) as Hints
      return {
        sequence: row.sequence,
        hints,
        groups: relateGroups(this.program, decodeEvent(this.program, row), hints),
      }
    })
    const known = new Map([...this.identity].map(([key, row]) => [key, row.entityId]))
    const resolved = resolveBatch(events, known, () => `id-${String(++this.#lastId).padStart(5, '0')}`)
    this.unresolved += resolved.unresolved
    for (const row of resolved.inserts) {
      const key = hintKey(row.entityType, row.hintType, row.value)
      if (this.identity.has(key)) throw new Error('insert of a known hint')
      this.identity.set(key, row)
    }
    const rebuild = new Set<string>()
    for (const { from, into } of resolved.merges) this.#merge(from, into, rebuild)
    const touched = new Map<string, number[]>()
    for (const { sequence, entityId, entityType } of resolved.mappings) {
      const own = this.#mappings.get(entityId) ?? new Set<number>()
      own.add(sequence)
      this.#mappings.set(entityId, own)
      if (!this.#states.has(entityId)) this.#put(emptyState(entityType, entityId))
      touched.set(entityId, [...(touched.get(entityId) ?? []), sequence])
    }
    return { touched, rebuild }
  }

  #merge(from: string, into: string, rebuild: Set<string>): void {
    for (const [key, row] of this.identity) {
      if (row.entityId === from) this.identity.set(key, { ...row, entityId: into })
    }
    const own = this.#mappings.get(into) ?? new Set<number>()
    for (const sequence of this.#mappings.get(from) ?? []) own.add(sequence)
    if (own.size > 0) this.#mappings.set(into, own)
    const type = this.#states.get(from)?.type
    if (type !== undefined && !this.#states.has(into)) this.#put(emptyState(type, into))
    this.#mappings.delete(from)
    this.#states.delete(from)
    this.history.entities.delete(from)
    this.failures = this.failures.filter((failure) => failure.entityId !== from)
    rebuild.delete(from)
    if (this.#mappings.has(into)) rebuild.add(into)
    for (const [id, history] of this.history.entities) {
      if (history.edges.some((edge) => edge.targetId === from)) rebuild.add(id)
    }
  }

  #interpret({ touched, rebuild }: { touched: Map<string, number[]>; rebuild: Set<string> }): void {
    for (const [id, sequences] of touched) {
      if (rebuild.has(id)) continue
      const before = this.#load(id)
      const events = this.#events(sequences)
      const [first] = events
      if (first !== undefined && isLate(before, first.timestamp)) rebuild.add(id)
      else this.#fold(before, events, false)
    }
    for (const id of rebuild) {
      const type = this.#states.get(id)?.type
      if (type === undefined) continue
      this.rebuilds += 1
      this.failures = this.failures.filter((failure) => failure.entityId !== id)
      this.#fold(emptyState(type, id), this.#events([...(this.#mappings.get(id) ?? [])]), true)
    }
  }

  #fold(before: EntityState, events: readonly LedgerEvent[], replace: boolean): void {
    const entity = this.program.entities.get(before.type)
    if (entity === undefined) throw new Error(`no entity ${before.type}`)
    const targets = (entityType: string, hints: Readonly<Record<string, string>>): string | undefined =>
      Object.entries(hints)
        .map(([field, value]) => this.identity.get(hintKey(entityType, field, value))?.entityId)
        .find((id) => id !== undefined)
    this.#finish(before, fold(entity, before, events, { targets, advanceTo: replace ? this.#horizon : null }), replace)
  }

  #finish(before: EntityState, result: ReturnType<typeof fold>, replace: boolean): void {
    const write = historyWrite(replace ? null : before, result, { generation: 1, revision: 1, replace })
    if (write !== null) this.history.apply(write)
    this.failures.push(...result.failures.map((failure) => ({ ...failure, entityId: before.id })))
    this.#put(result.state)
  }

  #events(sequences: readonly number[]): LedgerEvent[] {
    return sequences
      .map((sequence) => decodeEvent(this.program, this.#rows[sequence - 1] as Row))
      .sort((a, b) => compareTime(a.timestamp, b.timestamp) || a.sequence - b.sequence)
  }

  #put(state: EntityState): void {
    this.#states.set(state.id, { type: state.type, text: encodeState(state), edges: state.edges })
  }

  #load(id: string): EntityState {
    const { type, text, edges } = this.#states.get(id) as Stored
    const entity = this.program.entities.get(type)
    if (entity === undefined) throw new Error(`no entity ${type}`)
    return { ...decodeState(entity, id, text), edges }
  }
}
