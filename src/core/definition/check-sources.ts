/** E25, E26, W02, W05–W07: sources, and how they and the entities fit together (spec 01 §3). */
import { didYouMean } from '../spelling.ts'
import type { Check } from './check.ts'
import type { SourceDef, SourceEventDef } from './model.ts'
import type { Path } from './path.ts'
import { entries, handledEvents } from './visit.ts'

export function checkSources(check: Check): void {
  for (const [name, source] of entries(check.definitions.sources)) {
    const rawTypes = new Map<string, string>()
    for (const [event, body] of entries(source.events)) {
      const path: Path = ['sources', name, 'events', event]
      if (event.startsWith('_defacto_')) {
        check.issues.add(
          'E25',
          path,
          `event type '${event}' is reserved: choose a name without the start '_defacto_'`,
          'key',
        )
      }
      const rawType = body.raw_type ?? event
      const other = rawTypes.get(rawType)
      if (other === undefined) rawTypes.set(rawType, event)
      else {
        const where = body.raw_type === undefined ? path : [...path, 'raw_type']
        check.issues.add(
          'E25',
          where,
          `duplicate raw_type '${rawType}': event '${other}' of source '${name}' has it already`,
        )
      }
      checkMappings(check, path, body)
      checkHints(check, path, body)
    }
    checkEventIds(check, name, source)
  }
  if (!check.partial) checkWaiting(check)
}

function checkMappings(check: Check, path: Path, event: SourceEventDef): void {
  for (const [field, mapping] of entries(event.mappings)) {
    const here = [...path, 'mappings', field]
    if (mapping.from !== undefined && mapping.compute !== undefined) {
      check.issues.add('E26', here, `'from' and 'compute' of field '${field}' are mutually exclusive`, 'key')
    }
    if (mapping.from === '') check.issues.add('E01', [...here, 'from'], 'expected a path, found an empty text')
    const sourced = mapping.from !== undefined || mapping.compute !== undefined || mapping.default !== undefined
    if (!sourced && !check.damaged(here)) {
      check.issues.add('W07', here, `field '${field}' is always null: it has none of from, compute, default`, 'key')
    }
  }
}

function checkHints(check: Check, path: Path, event: SourceEventDef): void {
  const { entities } = check.definitions
  const here = [...path, 'hints']
  if (entries(event.hints).length === 0) {
    if (!check.damaged(here)) check.issues.add('E25', path, 'expected at least one identity hint', 'key')
    return
  }
  for (const [entityType, fields] of entries(event.hints)) {
    const entity = Object.hasOwn(entities, entityType) ? entities[entityType] : undefined
    if (entity === undefined && !check.partial && !check.unusable(['entities'])) {
      const hint = didYouMean(entityType, Object.keys(entities))
      check.issues.add(
        'E26',
        [...here, entityType],
        `hints for entity '${entityType}', which is not defined${hint}`,
        'key',
      )
    }
    for (const [i, field] of fields.entries()) {
      const identity = entity?.identity
      if (identity !== undefined && !Object.hasOwn(identity, field)) {
        const hint = didYouMean(field, Object.keys(identity))
        const message = `hint '${field}' is not an identity field of '${entityType}'${hint}`
        check.issues.add('E26', [...here, entityType, i], message)
      }
      if (!Object.hasOwn(event.mappings ?? {}, field) && !check.unusable([...path, 'mappings'])) {
        const hint = didYouMean(field, Object.keys(event.mappings ?? {}))
        check.issues.add('E26', [...here, entityType, i], `hint '${field}' is not mapped by this event${hint}`)
      }
    }
  }
}

/** W07: names that are hashed from the raw record. */
function checkEventIds(check: Check, name: string, source: SourceDef): void {
  const report = (path: Path, field: string, event: string): void => {
    const message = `event_id '${field}' is not mapped in event '${event}': it is read from the raw record`
    check.issues.add('W07', path, message)
  }
  const unmapped = (event: SourceEventDef, field: string): boolean =>
    field !== source.timestamp && !Object.hasOwn(event.mappings ?? {}, field)
  const events = entries(source.events)
  for (const [event, body] of events) {
    const path: Path = ['sources', name, 'events', event, 'event_id']
    for (const [i, field] of (body.event_id ?? []).entries())
      if (unmapped(body, field)) report([...path, i], field, event)
  }
  for (const [i, field] of (source.event_id ?? []).entries()) {
    const first = events.find(([, body]) => body.event_id === undefined && unmapped(body, field))
    if (first) report(['sources', name, 'event_id', i], field, first[0])
  }
}

/** W02 and W05: handlers without events, hints without handlers. */
function checkWaiting(check: Check): void {
  const { entities, sources } = check.definitions
  const produced = new Set(Object.values(sources).flatMap((source) => Object.keys(source.events ?? {})))
  const handled = new Map<string, Set<string>>()
  for (const [name, entity] of entries(entities)) {
    const events = handledEvents(name, entity)
    handled.set(name, new Set(events.keys()))
    for (const [event, path] of events) {
      if (produced.has(event) || check.unusable(['sources'])) continue
      check.issues.add('W05', path, `no source produces event '${event}'${didYouMean(event, produced)}`, 'key')
    }
  }
  for (const [name, source] of entries(sources)) {
    for (const [event, body] of entries(source.events)) {
      for (const entityType of Object.keys(body.hints ?? {})) {
        const events = handled.get(entityType)
        if (events === undefined || events.has(event) || check.damaged(['entities', entityType])) continue
        const message = `entity '${entityType}' has no handler for event '${event}'`
        check.issues.add('W02', ['sources', name, 'events', event, 'hints', entityType], message, 'key')
      }
    }
  }
}
