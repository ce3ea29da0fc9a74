/** Where values of properties come from: fields of events, and raw fields behind those (spec 05 §5.1). Pure. */
import type { DefinitionsObject, EntityDef, SourceEventDef, ValueSource } from '../definition/model.ts'
import { blocksOf } from '../definition/visit.ts'
import { getOwn } from '../raw-path.ts'
import { readsIn } from '../value-origin.ts'

export interface Inputs {
  /** Event types with a handler. */
  readonly handled: ReadonlySet<string>
  /** Paths into the data that flow into the property, by event type; empty path: the whole event may. */
  into(property: string): ReadonlyMap<string, ReadonlySet<string>>
}

/** What flows into the properties of an entity, through other properties too, in whatever state. */
export function inputsOf(type: string, entity: EntityDef): Inputs {
  const handled = new Set<string>()
  /** By property: paths by event type, and properties it is made from. */
  const fed = new Map<string, { events: Map<string, Set<string>>; properties: Set<string> }>()
  const of = (property: string) => {
    const known = fed.get(property) ?? { events: new Map<string, Set<string>>(), properties: new Set<string>() }
    fed.set(property, known)
    return known
  }
  const feed = (property: string, event: string | null, source: ValueSource): void => {
    const { events, properties } = of(property)
    for (const { root, path } of readsIn(source)) {
      if (root === 'event' && event !== null) {
        const paths = events.get(event) ?? new Set<string>()
        events.set(event, paths.add(path.join('.')))
      } else if (root === 'entity') {
        const names = path[0] === undefined ? Object.keys(entity.properties ?? {}) : [path[0]]
        for (const name of names) properties.add(name)
      }
    }
  }
  for (const [name, { compute }] of Object.entries(entity.properties ?? {})) {
    if (compute !== undefined) feed(name, null, { compute })
  }
  for (const { event, effects } of blocksOf(type, entity)) {
    if (event !== null) handled.add(event)
    for (const effect of effects) if (effect.kind === 'set') feed(effect.body.property, event, effect.body)
  }
  return {
    handled,
    into: (property) => {
      const found = new Map<string, Set<string>>()
      const seen = new Set<string>()
      const visit = (name: string): void => {
        if (seen.has(name)) return
        seen.add(name)
        const known = fed.get(name)
        for (const [event, paths] of known?.events ?? []) {
          const all = found.get(event) ?? new Set<string>()
          for (const path of paths) all.add(path)
          found.set(event, all)
        }
        for (const other of known?.properties ?? []) visit(other)
      }
      visit(property)
      return found
    },
  }
}

/** Paths of the raw record that a path into the data is made from; empty path: the whole record may be. */
export function rawInputs(event: SourceEventDef, path: string): readonly string[] {
  // A field's own name may hold a dot.
  const field = Object.hasOwn(event.mappings, path) ? path : (path.split('.')[0] as string)
  const mapping = getOwn(event.mappings, field)
  if (mapping === null) return []
  if (mapping.compute === undefined) {
    return mapping.from === undefined ? [] : [mapping.from + path.slice(field.length)]
  }
  const found = readsIn({ compute: mapping.compute }).filter(({ root }) => root === 'event')
  return [...new Set(found.map((read) => read.path.join('.')))]
}

/** Fields that name targets of the type by `relate` effects with hints of their own, by event type; one list per effect. */
export function relatedFields(
  { entities }: DefinitionsObject,
  target: string,
): ReadonlyMap<string, readonly (readonly string[])[]> {
  const found = new Map<string, (readonly string[])[]>()
  for (const [type, entity] of Object.entries(entities)) {
    for (const { event, effects } of blocksOf(type, entity)) {
      for (const effect of effects) {
        if (event === null || effect.kind !== 'relate' || effect.body.target !== target) continue
        const fields = getOwn(effect.body.hints ?? {}, target)
        if (fields === null) continue
        const groups = found.get(event)
        if (groups === undefined) found.set(event, [fields])
        else groups.push(fields)
      }
    }
  }
  return found
}
