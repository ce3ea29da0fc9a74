/** Compiling a valid definition set into the form the engine runs (spec 01–03). Pure. */
import type { DefinitionsObject } from './definition/model.ts'
import type { Program, SchemaMode } from './program/types.ts'

export type { CompiledEntity, CompiledSource, Program } from './program/types.ts'

export interface ProgramOptions {
  /** What a schema violation does to an event (spec 03 §3.3); default `enforce`. */
  schemaValidation?: SchemaMode
  /** What `now()` sees (spec 02 §8); default `event`. */
  expressionClock?: 'event' | 'wall'
}

/** Compiles definitions that passed `validate`; a mistake that slipped through surfaces as `ExpressionError`. */
export function compileProgram(_definitions: DefinitionsObject, _options: ProgramOptions = {}): Program {
  throw new Error('not available yet')
}
