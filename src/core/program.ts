/** Compiling a valid definition set into the form the engine runs (spec 01–03). Pure. */
import { hashesOf, versionName } from './definition/canonical.ts'
import type { DefinitionsObject } from './definition/model.ts'
import { compileEntity, compileIdentities } from './program/entity.ts'
import { historyLayout } from './program/layout.ts'
import { compileSource } from './program/source.ts'
import type { CompiledEntity, CompiledSource, Program, SchemaMode } from './program/types.ts'

export type { CompiledEntity, CompiledSource, Program } from './program/types.ts'

export interface ProgramOptions {
  /** What a schema violation does to an event (spec 03 §3.3); default `enforce`. */
  schemaValidation?: SchemaMode
  /** What `now()` sees (spec 02 §8); default `event`. */
  expressionClock?: 'event' | 'wall'
}

/** Compiles definitions that passed `validate`; a mistake that slipped through surfaces as `ExpressionError`. */
export function compileProgram(definitions: DefinitionsObject, options: ProgramOptions = {}): Program {
  const wallClock = options.expressionClock === 'wall'
  const schemaMode = options.schemaValidation ?? 'enforce'
  const identities = new Map(
    Object.entries(definitions.entities).map(([type, entity]) => [type, compileIdentities(entity)]),
  )
  const entities = new Map<string, CompiledEntity>()
  const relatingEvents = new Set<string>()
  for (const type of Object.keys(definitions.entities)) {
    const entity = compileEntity(definitions, type, identities, wallClock)
    entities.set(type, entity)
    for (const eventType of entity.relates.keys()) relatingEvents.add(eventType)
  }
  const sources = new Map<string, CompiledSource>()
  for (const [name, source] of Object.entries(definitions.sources)) {
    sources.set(name, compileSource(name, source, definitions, identities, schemaMode))
  }
  return {
    definitions,
    hashes: hashesOf(definitions),
    version: versionName(definitions),
    entities,
    sources,
    layout: historyLayout(definitions),
    relatingEvents,
    wallClock,
  }
}
