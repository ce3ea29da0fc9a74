/** Which relationship is the other side of which (spec 01 §2.7). */
import type { Cardinality, DefinitionsObject, EdgePropertyDef, RelationshipDef } from './model.ts'

const PAIRS: Readonly<Record<Cardinality, readonly Cardinality[]>> = {
  has_many: ['belongs_to'],
  has_one: ['belongs_to'],
  belongs_to: ['has_many', 'has_one'],
  many_to_many: ['many_to_many'],
}

/** True if the two sides of one relationship may have these cardinalities. */
export function pairsUp(a: Cardinality, b: Cardinality): boolean {
  return PAIRS[a].includes(b)
}

export interface InverseSearch {
  /** The other side; null if there is none. */
  inverse: RelationshipDef | null
  /** Relationships of the target that point back but do not fit. */
  unfit: readonly RelationshipDef[]
}

/**
 * The other side of a relationship of `entityType`: the one it names, else one that names it, else the first of the
 * target that points back and whose cardinality pairs up. Its own inverse it can be only for `many_to_many`.
 */
export function findInverse(
  definitions: DefinitionsObject,
  entityType: string,
  relationship: RelationshipDef,
): InverseSearch {
  const target = Object.hasOwn(definitions.entities, relationship.target)
    ? definitions.entities[relationship.target]
    : undefined
  const back = (target?.relationships ?? []).filter(
    (other) =>
      other.target === entityType &&
      (relationship.inverse === undefined || other.type === relationship.inverse) &&
      (other.inverse === undefined || other.inverse === relationship.type) &&
      // A relationship to the own type finds itself here, too.
      (other !== relationship || relationship.cardinality === 'many_to_many' || other.inverse === other.type),
  )
  const fits = (other: RelationshipDef): boolean =>
    other.cardinality !== undefined &&
    relationship.cardinality !== undefined &&
    pairsUp(relationship.cardinality, other.cardinality)
  const fitting = back.filter(fits)
  const inverse =
    fitting.find((other) => other.inverse === relationship.type) ??
    // Between entities of one type, another relationship is the likelier inverse than the same one.
    fitting.find((other) => other !== relationship) ??
    fitting[0]
  return { inverse: inverse ?? null, unfit: back.filter((other) => !fits(other)) }
}

/** The properties edges of this relationship carry, declared on this side or on the other. */
export function edgeProperties(
  definitions: DefinitionsObject,
  entityType: string,
  relationship: RelationshipDef,
): Readonly<Record<string, EdgePropertyDef>> {
  return relationship.properties ?? findInverse(definitions, entityType, relationship).inverse?.properties ?? {}
}
