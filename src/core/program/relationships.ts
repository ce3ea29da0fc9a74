/** The two names of an edge (spec 01 §2.7). */
import type { DefinitionsObject, EdgePropertyDef, RelationshipDef } from '../definition/model.ts'

const PAIRS: Record<RelationshipDef['cardinality'], readonly RelationshipDef['cardinality'][]> = {
  has_many: ['belongs_to'],
  has_one: ['belongs_to'],
  belongs_to: ['has_many', 'has_one'],
  many_to_many: ['many_to_many'],
}

/**
 * The relationship of the target that is the other side of `own`: the one either side names as `inverse`, else the
 * first that points back with a fitting cardinality. Undefined only in definitions that do not validate (E23).
 */
export function inverseOf(
  definitions: DefinitionsObject,
  type: string,
  own: RelationshipDef,
): RelationshipDef | undefined {
  const back = (definitions.entities[own.target]?.relationships ?? []).filter(
    (other) =>
      other.target === type &&
      PAIRS[own.cardinality].includes(other.cardinality) &&
      (other.type !== own.type || own.target !== type || own.cardinality === 'many_to_many'),
  )
  if (own.inverse !== undefined) return back.find((other) => other.type === own.inverse)
  return (
    back.find((other) => other.inverse === own.type) ?? back.find((other) => other.inverse === undefined) ?? back[0]
  )
}

/** Properties of the edge, declared on this side or on the other. */
export function edgeProperties(
  definitions: DefinitionsObject,
  type: string,
  own: RelationshipDef,
): Record<string, EdgePropertyDef> {
  return own.properties ?? inverseOf(definitions, type, own)?.properties ?? {}
}
