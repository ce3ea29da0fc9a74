/** Working state of an entity as text (spec 04 §4.10). */
import type { CompiledEntity } from './program/types.ts'
import type { EntityState } from './snapshot.ts'

/** Without edges; those live in the relationship tables. */
export function encodeState(_state: EntityState): string {
  throw new Error('not available yet')
}

/** The state `encodeState` was given, with no edges; kinds of values follow the property types. */
export function decodeState(_entity: CompiledEntity, _id: string, _text: string): EntityState {
  throw new Error('not available yet')
}
