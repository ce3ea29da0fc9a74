/** E04 and W10: names (spec 01 §1.3), and system columns (E13, §2.2 and §2.7). */
import type { Check } from './check.ts'
import type { EntityDef } from './model.ts'
import type { Path } from './path.ts'
import { NAME } from './shape.ts'
import { entries, relationshipsOf } from './visit.ts'

const LONGEST = 48
const HIDDEN = ['_generation', '_revision', '_sequence']
const ENTITY_COLUMNS = [
  'valid_from',
  'valid_to',
  'merged_into',
  'last_event_time',
  'state_entered_time',
  'created_time',
  ...HIDDEN,
]
const EDGE_COLUMNS = ['source_id', 'target_id', 'relationship_type', 'valid_from', 'valid_to', ...HIDDEN]

export function checkNames(check: Check): void {
  const { entities, sources, schemas, pipelines } = check.definitions
  uniqueNames(check, ['entities'], Object.keys(entities))
  for (const [name, entity] of entries(entities)) checkEntity(check, name, entity)
  checkRelationshipTypes(check)
  for (const [name, source] of entries(sources)) {
    const path: Path = ['sources', name]
    freeText(check, path, name)
    for (const [event, body] of entries(source.events)) {
      const here = [...path, 'events', event]
      freeText(check, here, event)
      for (const field of Object.keys(body.mappings ?? {})) spelled(check, [...here, 'mappings', field], field)
    }
  }
  for (const name of Object.keys(schemas)) freeText(check, ['schemas', name], name)
  for (const name of Object.keys(pipelines)) pipelineName(check, ['pipelines', name], name)
}

/** Pipelines and what they are made of: names that ids of runs are made of. */
export function pipelineName(check: Check, path: Path, name: string): void {
  if (/^[a-z][a-z0-9_-]{0,47}$/.test(name)) return
  const rule = 'expected a lower-case letter, then at most 47 of a-z, 0-9, _ and -'
  check.issues.add('E04', path, `invalid name '${name}': ${rule}`, 'key')
}

function checkEntity(check: Check, name: string, entity: EntityDef): void {
  const path: Path = ['entities', name]
  columnName(check, path, name)
  if (/^sqlite_/i.test(name)) {
    const why = "the embedded database keeps table names starting 'sqlite_' to itself"
    check.issues.add('E04', path, `invalid name '${name}': ${why}`, 'key')
  }
  for (const field of Object.keys(entity.identity ?? {})) spelled(check, [...path, 'identity', field], field)
  const properties = Object.keys(entity.properties ?? {})
  uniqueNames(check, [...path, 'properties'], properties)
  const reserved = new Set([`${name}_id`.toLowerCase(), `${name}_state`.toLowerCase(), ...ENTITY_COLUMNS])
  for (const property of properties) {
    columnName(check, [...path, 'properties', property], property)
    systemColumn(check, [...path, 'properties', property], property, reserved)
  }
  for (const [state, body] of entries(entity.states)) {
    freeText(check, [...path, 'states', state], state)
    for (const event of Object.keys(body.when ?? {})) freeText(check, [...path, 'states', state, 'when', event], event)
  }
  for (const event of Object.keys(entity.always ?? {})) freeText(check, [...path, 'always', event], event)
}

/** Relationship types name tables of the whole set; several entity types may share one. */
function checkRelationshipTypes(check: Check): void {
  const { entities } = check.definitions
  const seen = new Map<string, string>()
  for (const [name, entity] of entries(entities)) {
    for (const { path, relationship } of relationshipsOf(name, entity)) {
      const { type, properties } = relationship
      for (const property of Object.keys(properties ?? {})) {
        columnName(check, [...path, 'properties', property], property)
        systemColumn(check, [...path, 'properties', property], property, new Set(EDGE_COLUMNS))
      }
      uniqueNames(check, [...path, 'properties'], Object.keys(properties ?? {}))
      // A colon is reserved and reported as such (E23).
      if (type === undefined || type.includes(':')) continue
      columnName(check, [...path, 'type'], type)
      const other = seen.get(type.toLowerCase())
      if (other === undefined) seen.set(type.toLowerCase(), type)
      else if (other !== type) {
        check.issues.add('E04', [...path, 'type'], `invalid name '${type}': it equals '${other}' but for case`)
      }
    }
  }
  checkTables(check, seen)
}

/** The history table of a relationship type must not be that of an entity type. */
function checkTables(check: Check, types: ReadonlyMap<string, string>): void {
  for (const name of Object.keys(check.definitions.entities)) {
    const type = name.toLowerCase().startsWith('rel_') ? types.get(name.slice(4).toLowerCase()) : undefined
    if (type === undefined) continue
    const message = `invalid name '${name}': its table ${name}_history is that of relationship '${type}'`
    check.issues.add('E04', ['entities', name], message, 'key')
  }
}

function columnName(check: Check, path: Path, name: string): void {
  if (!NAME.test(name)) {
    const rule = 'expected letters, digits and _, not starting with a digit'
    check.issues.add('E04', path, `invalid name '${name}': ${rule}`, 'key')
  } else if (name.length > LONGEST) {
    check.issues.add('E04', path, `invalid name '${name}': it is longer than ${LONGEST} characters`, 'key')
  }
}

function uniqueNames(check: Check, path: Path, names: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const other = seen.get(name.toLowerCase())
    if (other === undefined) seen.set(name.toLowerCase(), name)
    else check.issues.add('E04', [...path, name], `invalid name '${name}': it equals '${other}' but for case`, 'key')
  }
}

function freeText(check: Check, path: Path, name: string): void {
  if (name === '') check.issues.add('E04', path, "invalid name '': expected a non-empty text", 'key')
  else if (/\p{Cc}/u.test(name)) {
    check.issues.add('E04', path, `invalid name ${JSON.stringify(name)}: it has control characters`, 'key')
  }
}

function spelled(check: Check, path: Path, field: string): void {
  if (NAME.test(field)) return
  const rule = 'use letters, digits and _, not starting with a digit'
  check.issues.add('W10', path, `expressions cannot spell the field name '${field}': ${rule}`, 'key')
}

function systemColumn(check: Check, path: Path, name: string, reserved: ReadonlySet<string>): void {
  if (!reserved.has(name.toLowerCase())) return
  check.issues.add('E13', path, `property '${name}' collides with system column '${name.toLowerCase()}'`, 'key')
}
