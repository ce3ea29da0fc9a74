/** What a value is made from, by its definition: fields of the event and the entity, and raw fields behind them. Pure. */
import type { DefinitionsObject, EffectDef, ValueSource } from './definition/model.ts'
import type { LedgerEvent } from './event.ts'
import { parse } from './expression/parse.ts'
import { type Read, reads } from './expression/reads.ts'
import { pathsRead } from './lineage.ts'
import { getOwn } from './raw-path.ts'

/** What an effect makes its value from; of a transition what its condition looks at. */
export function sourceOf(effect: EffectDef): ValueSource {
  if (effect === 'create') return {}
  if ('set' in effect) return effect.set
  if ('increment' in effect) return { from: `entity.${effect.increment.property}` }
  if ('transition' in effect) return { compute: effect.transition.condition }
  return {}
}

/** What `from` and `compute` read; an empty path: all of it. A `from` is a path and no expression: its names may hold any character. */
export function readsIn({ from, compute }: ValueSource): readonly Read[] {
  if (from !== undefined) {
    const [root, ...path] = from.split('.')
    return [{ root: root === 'event' ? 'event' : 'entity', path }]
  }
  return compute === undefined ? [] : reads(parse(compute))
}

/** Paths into the event and the entity, each once, in the order they are read. */
export function readsOf(source: ValueSource): readonly Read[] {
  const found = readsIn(source)
  if (source.from !== undefined) return found
  const known = new Map(found.filter(({ path }) => path.length > 0).map((read) => [JSON.stringify(read), read]))
  return [...known.values()]
}

/** How a field of an event was made. */
export interface FieldOrigin {
  /** Path of the mapping in the definitions; null: none made it. */
  readonly mapping: string | null
  /** Paths into the raw record. */
  readonly rawFields: readonly string[]
  /** The expression over them; null: the field is taken as it is. */
  readonly compute: string | null
}

export const UNMAPPED: FieldOrigin = { mapping: null, rawFields: [], compute: null }

/** How an event's field was made from the raw record, by the source's definition in this version. */
export function mappingOf(
  { sources }: DefinitionsObject,
  event: Pick<LedgerEvent, 'source' | 'eventType'>,
  field: string,
): FieldOrigin {
  const source = getOwn(sources, event.source)
  if (source === null) return UNMAPPED
  const mapping = getOwn(getOwn(source.events, event.eventType)?.mappings ?? {}, field)
  if (mapping !== null) {
    const { from, compute = null } = mapping
    const copied = from === undefined ? [] : [from]
    return {
      mapping: `sources.${event.source}.events.${event.eventType}.mappings.${field}`,
      rawFields: compute === null ? copied : pathsRead(compute, 'event'),
      compute,
    }
  }
  // What every event has comes from the source itself.
  const own = field === 'timestamp' || field === 'event_type' ? source[field] : null
  return own === null ? UNMAPPED : { mapping: `sources.${event.source}.${field}`, rawFields: [own], compute: null }
}
