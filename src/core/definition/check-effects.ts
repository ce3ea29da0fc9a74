/** E14 (writes), E17–E19, E24 and the literals of effects (spec 01 §2.4). */
import { didYouMean } from '../spelling.ts'
import type { Check } from './check.ts'
import { literalOf } from './check-values.ts'
import type { EntityDef, IncrementDef, Literal, PropertyDef, PropertyType, RelateDef, ValueSource } from './model.ts'
import type { Path } from './path.ts'
import { edgeProperties } from './relationships.ts'
import { blocksOf, entries } from './visit.ts'

export function checkEffects(check: Check): void {
  for (const [name, entity] of entries(check.definitions.entities)) {
    for (const block of blocksOf(name, entity)) {
      for (const effect of block.effects) {
        if (effect.kind === 'relate') checkRelate(check, effect.path, name, entity, effect.body)
        else if (effect.kind === 'set') {
          const property = target(check, effect.path, 'set', name, entity, effect.body.property)
          checkSource(check, effect.path, effect.body, `set of '${effect.body.property}'`, property?.type)
        } else if (effect.kind === 'increment') {
          const property = target(check, effect.path, 'increment', name, entity, effect.body.property)
          if (property) checkIncrement(check, effect.path, effect.body, property)
        }
      }
    }
  }
}

/** The property an effect writes, after E17 and E14. */
function target(
  check: Check,
  path: Path,
  kind: string,
  name: string,
  entity: EntityDef,
  property: string | undefined,
): PropertyDef | null {
  if (property === undefined || check.unusable(['entities', name, 'properties'])) return null
  const properties = entity.properties ?? {}
  const here = [...path, 'property']
  if (!Object.hasOwn(properties, property)) {
    const hint = didYouMean(property, Object.keys(properties))
    check.issues.add('E17', here, `${kind} of undeclared property '${property}'${hint}`)
    return null
  }
  const found = properties[property]!
  if (found.compute !== undefined) {
    check.issues.add('E14', here, `property '${property}' is computed and cannot be the target of '${kind}'`)
  }
  return found
}

/** Exactly one of `from`, `value`, `compute` (E18), and a literal of the right type (E11). */
function checkSource(
  check: Check,
  path: Path,
  source: ValueSource,
  what: string,
  type: PropertyType | undefined,
): void {
  const given = (['from', 'value', 'compute'] as const).filter((key) => Object.hasOwn(source, key))
  // A key of the wrong kind was reported and left out.
  const broken = (['from', 'value', 'compute'] as const).some((key) => check.unusable([...path, key]))
  if (given.length === 0 && !broken) {
    check.issues.add('E18', path, `${what} has no value source: give one of from, value, compute`)
  }
  if (given.length > 1) {
    check.issues.add('E18', path, `${what} has multiple value sources (${given.join(', ')}): keep one of them`)
  }
  const literal = source.value as Literal | undefined
  if (literal !== undefined && literal !== null && type !== undefined) {
    literalOf(check, [...path, 'value'], 'value', literal, type)
  }
}

function checkIncrement(check: Check, path: Path, { property, by }: IncrementDef, { type }: PropertyDef): void {
  if (type === undefined) return
  if (type !== 'number' && type !== 'integer') {
    check.issues.add('E19', [...path, 'property'], `property '${property}' of type '${type}' is not numeric`)
  } else if (type === 'integer' && by !== undefined && !Number.isSafeInteger(by)) {
    const message = `'by' ${by} does not fit the integer property '${property}': it is not numeric in whole numbers`
    check.issues.add('E19', [...path, 'by'], message)
  }
}

function checkRelate(check: Check, path: Path, name: string, entity: EntityDef, relate: RelateDef): void {
  const { type, target } = relate
  if (type === undefined || target === undefined) return
  const declared = entity.relationships ?? []
  if (check.damaged(['entities', name, 'relationships'])) return
  const ofType = declared.filter((relationship) => relationship.type === type)
  if (ofType.length === 0) {
    const hint = didYouMean(
      type,
      declared.map((relationship) => relationship.type),
    )
    check.issues.add(
      'E24',
      [...path, 'type'],
      `relate names relationship '${type}', which this entity does not declare${hint}`,
    )
    return
  }
  const relationship = ofType.find((candidate) => candidate.target === target)
  if (relationship === undefined) {
    const targets = ofType.map((candidate) => `'${candidate.target}'`).join(', ')
    check.issues.add('E24', [...path, 'target'], `relate '${type}' leads to ${targets}, not to '${target}'`)
    return
  }
  checkRelateHints(check, [...path, 'hints'], relate)
  const properties = edgeProperties(check.definitions, name, relationship)
  for (const [property, source] of entries(relate.properties)) {
    const here = [...path, 'properties', property]
    const known = Object.hasOwn(properties, property) ? properties[property] : undefined
    if (known === undefined && !(check.partial && relationship.properties === undefined)) {
      const hint = didYouMean(property, Object.keys(properties))
      check.issues.add('E24', here, `relate '${type}' has no edge property '${property}'${hint}`, 'key')
    }
    checkSource(check, here, source, `edge property '${property}'`, known?.type)
  }
}

function checkRelateHints(check: Check, path: Path, { type, target, hints }: RelateDef): void {
  const { entities } = check.definitions
  for (const [entityType, fields] of entries(hints)) {
    const here = [...path, entityType]
    if (entityType !== target) {
      check.issues.add(
        'E24',
        here,
        `relate '${type}' takes hints for its target '${target}', not for '${entityType}'`,
        'key',
      )
      continue
    }
    const identity = Object.hasOwn(entities, target) ? entities[target]!.identity : undefined
    if (identity === undefined) continue
    for (const [i, field] of fields.entries()) {
      if (Object.hasOwn(identity, field)) continue
      const hint = didYouMean(field, Object.keys(identity))
      const message = `relate '${type}': hint '${field}' is not an identity field of '${target}'${hint}`
      check.issues.add('E24', [...here, i], message)
    }
  }
}
