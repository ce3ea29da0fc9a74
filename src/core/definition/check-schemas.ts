/** E27–E30: schemas against handlers and sources (spec 01 §4). Only when there are schemas at all. */
import { didYouMean } from '../spelling.ts'
import type { Check } from './check.ts'
import type { SchemaDef, SourceEventDef } from './model.ts'
import type { Path } from './path.ts'
import { entries, handledEvents } from './visit.ts'

export function checkSchemas(check: Check): void {
  const { entities, sources, schemas } = check.definitions
  const known = Object.keys(schemas)
  if (known.length === 0 || check.partial) return
  const missing = (code: string, path: Path, event: string): void => {
    check.issues.add(code, path, `there is no schema for event '${event}'${didYouMean(event, known)}`, 'key')
  }
  for (const [name, entity] of entries(entities)) {
    for (const [event, path] of handledEvents(name, entity)) {
      if (!Object.hasOwn(schemas, event)) missing('E27', path, event)
    }
  }
  for (const [name, source] of entries(sources)) {
    for (const [event, body] of entries(source.events)) {
      const path: Path = ['sources', name, 'events', event]
      if (!Object.hasOwn(schemas, event)) missing('E28', path, event)
      else if (schemas[event]!.fields !== undefined) checkFields(check, path, body, event, schemas[event]!)
    }
  }
}

function checkFields(check: Check, path: Path, body: SourceEventDef, event: string, schema: SchemaDef): void {
  const here = [...path, 'mappings']
  if (check.unusable(here)) return
  const mappings = body.mappings ?? {}
  for (const [field, { required }] of entries(schema.fields)) {
    if (!required || Object.hasOwn(mappings, field)) continue
    check.issues.add('E29', here, `the schema of '${event}' requires field '${field}', which is not mapped`, 'key')
  }
  for (const [field, { type }] of entries(mappings)) {
    if (!Object.hasOwn(schema.fields, field)) {
      const hint = didYouMean(field, Object.keys(schema.fields))
      check.issues.add('E30', [...here, field], `field '${field}' is not declared in schema '${event}'${hint}`, 'key')
      continue
    }
    const wanted = schema.fields[field]!.type
    if (type === undefined || wanted === undefined || type === wanted) continue
    if (type === 'integer' && wanted === 'number') continue
    const message = `field '${field}' has type '${type}', but schema '${event}' declares type '${wanted}'`
    check.issues.add('E30', [...here, field, 'type'], message)
  }
}
