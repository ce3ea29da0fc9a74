/** E23: relationships and their other sides (spec 01 §2.7). */
import { didYouMean } from '../spelling.ts'
import { canonicalJson } from './canonical.ts'
import type { Check } from './check.ts'
import type { RelationshipDef } from './model.ts'
import type { Path } from './path.ts'
import { findInverse } from './relationships.ts'
import { entries, relationshipsOf } from './visit.ts'

export function checkRelationships(check: Check): void {
  const declared = new Map<string, { entity: string; properties: string }>()
  for (const [entity, body] of entries(check.definitions.entities)) {
    const pairs = new Set<string>()
    for (const { path, relationship } of relationshipsOf(entity, body)) {
      const { type, target } = relationship
      if (type === undefined) continue
      if (type.includes(':')) {
        check.issues.add('E23', [...path, 'type'], `relationship type '${type}' contains ':', which is reserved`)
      }
      if (target !== undefined) {
        const pair = canonicalJson([type, target])
        if (pairs.has(pair)) {
          check.issues.add('E04', [...path, 'type'], `invalid name '${type}': it is declared for '${target}' already`)
        }
        pairs.add(pair)
        checkOtherSide(check, path, entity, relationship)
      }
      const properties = canonicalJson(relationship.properties ?? {})
      const first = declared.get(type)
      if (first === undefined) declared.set(type, { entity, properties })
      else if (first.properties !== properties) {
        const message = `relationship '${type}' declares differing properties here and on entity '${first.entity}'`
        check.issues.add('E23', path, message, 'key')
      }
    }
  }
}

function checkOtherSide(check: Check, path: Path, entity: string, relationship: RelationshipDef): void {
  const { type, target, cardinality } = relationship
  const { entities } = check.definitions
  if (!Object.hasOwn(entities, target)) {
    if (check.partial) return
    const message = `target entity '${target}' of relationship '${type}' is not defined${didYouMean(target, Object.keys(entities))}`
    check.issues.add('E23', [...path, 'target'], message)
    return
  }
  if (cardinality === undefined || check.damaged(['entities', target, 'relationships'])) return
  const { inverse, unfit } = findInverse(check.definitions, entity, relationship)
  if (inverse === null) {
    const [rival] = unfit
    if (rival) {
      const message = `cardinality mismatch: '${type}' is ${cardinality}, but '${rival.type}' of '${target}' is ${rival.cardinality}`
      check.issues.add('E23', [...path, 'cardinality'], message)
    } else {
      const named = relationship.inverse === undefined ? '' : ` named '${relationship.inverse}'`
      const message = `relationship '${type}' has no inverse${named}: declare one on entity '${target}' with target '${entity}'`
      check.issues.add('E23', path, message, 'key')
    }
    return
  }
  const [mine, theirs] = [relationship.properties, inverse.properties]
  // Reported once, on the side that comes second in name order.
  if (mine && theirs && inverse.type < type && canonicalJson(mine) !== canonicalJson(theirs)) {
    const message = `relationship '${type}' and its inverse '${inverse.type}' of '${target}' declare differing properties`
    check.issues.add('E23', path, message, 'key')
  }
}
