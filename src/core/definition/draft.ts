/** Steps that change a definition set one part at a time (spec 09 §5). Pure: every step gives a new set or a refusal. */
import { didYouMean } from '../spelling.ts'
import { fromObject } from './load.ts'
import type { DefinitionsObject, EntityDef, Issue, StateDef } from './model.ts'
import { type Path, pathText } from './path.ts'
import { validate } from './validate.ts'

/** A changed set, or why the step is refused. */
export type StepResult = { definitions: DefinitionsObject } | { issues: readonly Issue[] }

/** What no later step can repair (spec 01 §5): these refuse a step at once, the rest waits for `validate`. */
const IRREPARABLE = new Set([
  ...['E01', 'E02', 'E03', 'E04', 'E05', 'E06'],
  ...['E10', 'E11', 'E12', 'E13', 'E14', 'E15', 'E18', 'E19'],
])

/** Thrown inside a step only. */
class Refusal {
  readonly issue: Issue
  constructor(code: string, path: Path, message: string) {
    this.issue = { severity: 'error', code, path: pathText(path), message, place: null }
  }
}

/** A copy of the set changed by `change`, unless that leaves something no later step can repair. */
function step(definitions: DefinitionsObject, change: (copy: DefinitionsObject) => void): StepResult {
  const copy = structuredClone(definitions)
  try {
    change(copy)
  } catch (refusal) {
    if (refusal instanceof Refusal) return { issues: [refusal.issue] }
    throw refusal
  }
  const loaded = fromObject(copy)
  const issues = validate(loaded).issues.filter((issue) => IRREPARABLE.has(issue.code))
  return issues.length > 0 ? { issues } : { definitions: loaded.definitions }
}

function entityOf(definitions: DefinitionsObject, name: string): EntityDef {
  const { entities } = definitions
  if (Object.hasOwn(entities, name)) return entities[name]!
  throw new Refusal('E02', ['entities', name], `entity '${name}' not found${didYouMean(name, Object.keys(entities))}`)
}

function stateOf(entity: EntityDef, entityName: string, name: string): StateDef {
  if (Object.hasOwn(entity.states, name)) return entity.states[name]!
  const hint = didYouMean(name, Object.keys(entity.states))
  throw new Refusal(
    'E16',
    ['entities', entityName, 'states', name],
    `entity '${entityName}': state '${name}' not found${hint}`,
  )
}

/** Adds a member whose name may be anything, even `__proto__`, which the check then reports. */
function add<T>(map: Record<string, T>, name: string, value: T, path: Path, what: string): void {
  if (Object.hasOwn(map, name))
    throw new Refusal('E32', [...path, name], `Duplicate ${what} '${name}': it already exists`)
  Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true })
}

function remove<T>(map: Record<string, T>, name: string, path: Path, what: string): void {
  if (!Object.hasOwn(map, name)) {
    throw new Refusal('E17', [...path, name], `${what} '${name}' not found${didYouMean(name, Object.keys(map))}`)
  }
  delete map[name]
}

export function addProperty(from: DefinitionsObject, entity: string, name: string, property: unknown): StepResult {
  return step(from, (copy) => {
    const body = entityOf(copy, entity)
    body.properties ??= {}
    add<unknown>(body.properties, name, property, ['entities', entity, 'properties'], 'property')
  })
}

export function addState(from: DefinitionsObject, entity: string, name: string, state: unknown): StepResult {
  return step(from, (copy) => {
    add<unknown>(entityOf(copy, entity).states, name, state, ['entities', entity, 'states'], 'state')
  })
}

export function addHandler(
  from: DefinitionsObject,
  entity: string,
  state: string,
  event: string,
  handler: unknown,
): StepResult {
  return step(from, (copy) => {
    const body = stateOf(entityOf(copy, entity), entity, state)
    body.when ??= {}
    add<unknown>(body.when, event, handler, ['entities', entity, 'states', state, 'when'], 'handler')
  })
}

/** A handler whose last effect is the transition. */
export function addTransition(
  from: DefinitionsObject,
  entity: string,
  state: string,
  to: string,
  event: string,
  handler: { guard?: unknown; effects?: unknown } = {},
): StepResult {
  const before = handler.effects ?? []
  const effects = Array.isArray(before) ? [...before, { transition: { to } }] : before
  return addHandler(from, entity, state, event, { ...handler, effects })
}

export function addRelationship(from: DefinitionsObject, entity: string, relationship: unknown): StepResult {
  return step(from, (copy) => {
    const body = entityOf(copy, entity)
    const list: unknown[] = body.relationships ?? []
    list.push(relationship)
    body.relationships = list as EntityDef['relationships']
  })
}

/** Replaces the whole identity block. */
export function updateIdentity(from: DefinitionsObject, entity: string, identity: unknown): StepResult {
  return step(from, (copy) => {
    entityOf(copy, entity).identity = identity as EntityDef['identity']
  })
}

export function removeProperty(from: DefinitionsObject, entity: string, name: string): StepResult {
  return step(from, (copy) => {
    remove(entityOf(copy, entity).properties ?? {}, name, ['entities', entity, 'properties'], 'property')
  })
}

export function removeState(from: DefinitionsObject, entity: string, name: string): StepResult {
  return step(from, (copy) => remove(entityOf(copy, entity).states, name, ['entities', entity, 'states'], 'state'))
}
