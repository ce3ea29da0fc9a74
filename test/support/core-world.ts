/** Short forms for tests of the pure core: small definitions, events and folds. */
import assert from 'node:assert/strict'
import { fromObject } from '../../src/core/definition/load.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import type { LedgerEvent, NormalizedEvent } from '../../src/core/event.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import { emptyState, type FoldOptions, type FoldResult, fold } from '../../src/core/interpret.ts'
import { type NormalizedBatch, normalizeBatch } from '../../src/core/normalize.ts'
import type { CompiledEntity } from '../../src/core/program.ts'
import { compileProgram, type Program, type ProgramOptions } from '../../src/core/program.ts'
import type { EntityState } from '../../src/core/snapshot.ts'
import type { Value } from '../../src/core/value.ts'

export function definitionsOf(value: unknown): DefinitionsObject {
  const { definitions, issues } = fromObject(value)
  const errors = issues.filter((issue) => issue.severity === 'error').map((issue) => issue.message)
  assert.deepEqual(errors, [])
  return definitions
}

export function programOf(value: unknown, options?: ProgramOptions): Program {
  return compileProgram(definitionsOf(value), options)
}

/** `2024-` is put in front of texts that start with a month. */
export function time(text: string): Instant {
  const instant = instantFromText(/^\d\d-/.test(text) ? `2024-${text}` : text)
  assert.ok(instant !== null, `'${text}' is an instant`)
  return instant
}

// ── normalizing ──────────────────────────────────────────────────────────────────────────────────────────────────

/** A program with one source `app` whose event `e` has these mappings; `extra` replaces parts of the event. */
export function mapped(
  mappings: Record<string, unknown>,
  extra: Record<string, unknown> = {},
  more: { identity?: Record<string, unknown>; schemas?: unknown; source?: Record<string, unknown> } = {},
  options?: ProgramOptions,
): Program {
  const identity = more.identity ?? { id: {} }
  const known = Object.keys(identity).filter((field) => Object.hasOwn(mappings, field))
  return programOf(
    {
      entities: {
        thing: { starts: 'on', identity, states: { on: { when: { e: { effects: ['create'] } } } } },
      },
      sources: {
        app: {
          event_type: 'type',
          timestamp: 'at',
          ...more.source,
          events: { e: { mappings, hints: known.length > 0 ? { thing: known } : { thing: ['id'] }, ...extra } },
        },
      },
      schemas: more.schemas ?? {},
    },
    options,
  )
}

const WALL = time('2030-01-01')

export function normalizeAll(program: Program, records: readonly unknown[], source = 'app'): NormalizedBatch {
  const compiled = program.sources.get(source)
  assert.ok(compiled)
  return normalizeBatch(
    program,
    compiled,
    records.map((value) => ({ value })),
    WALL,
  )
}

/** The one event of a record that normalizes. */
export function normalized(program: Program, record: Record<string, unknown>, source = 'app'): NormalizedEvent {
  const batch = normalizeAll(program, [{ type: 'e', at: '2024-01-01T00:00:00Z', ...record }], source)
  assert.deepEqual(batch.failures, [])
  return batch.events[0] as NormalizedEvent
}

/** Field and text of the one failure of a record. */
export function rejected(program: Program, record: unknown, source = 'app'): { field: string | null; error: string } {
  const literal = typeof record === 'object' && record !== null && Object.getPrototypeOf(record) === Object.prototype
  const value = literal ? { type: 'e', at: '2024-01-01T00:00:00Z', ...record } : record
  const batch = normalizeAll(program, [value], source)
  assert.equal(batch.events.length, 0)
  const [failure] = batch.failures
  assert.ok(failure)
  return { field: failure.field, error: failure.error }
}

// ── interpreting ─────────────────────────────────────────────────────────────────────────────────────────────────

/** An entity type `thing` from its parts; identity and a source are filled in. */
export function thing(parts: Record<string, unknown>, options?: ProgramOptions): CompiledEntity {
  const program = programOf({ entities: { thing: { identity: { id: {} }, starts: 'on', ...parts } } }, options)
  const entity = program.entities.get('thing')
  assert.ok(entity)
  return entity
}

export function event(sequence: number, eventType: string, at: string, data: Record<string, Value> = {}): LedgerEvent {
  return { sequence, eventId: `e_${sequence}`, eventType, timestamp: time(at), source: 'app', data }
}

export function run(
  entity: CompiledEntity,
  events: readonly LedgerEvent[],
  options: Partial<FoldOptions> & { from?: EntityState } = {},
): FoldResult {
  const { from = emptyState(entity.type, 'id-1'), ...rest } = options
  return fold(entity, from, events, { targets: (_, hints) => Object.values(hints)[0], ...rest })
}

/** `MM-DD HH:MM state` of every change. */
export function path(result: FoldResult): string[] {
  return result.changes.map(({ snapshot }) => `${short(snapshot.validFrom)} ${snapshot.state}`)
}

export function short(instant: Instant | null): string | null {
  return instant === null ? null : instant.toString().slice(5, 16).replace('T', ' ')
}
