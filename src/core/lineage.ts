/**
 * Column lineage, computed from mappings, hints and effects (spec 10 §1): source field → event field → property,
 * identity field or relationship property. Pure.
 */
import type { DefinitionsObject, EffectDef, EntityDef, ValueSource } from './definition/model.ts'
import { parse } from './expression/parse.ts'
import { reads } from './expression/reads.ts'

export type LineageKind = 'source' | 'event' | 'identity' | 'property' | 'relationship'

export interface LineageNode {
  /** `source/kiosk/contact.mail`, `event/member_joined/email`, `property/member/email`, … */
  readonly id: string
  readonly kind: LineageKind
  /** Source, event type, entity type or relationship type. */
  readonly owner: string
  readonly name: string
}
export interface LineageEdge {
  readonly from: string
  readonly to: string
  /** How the value gets there. */
  readonly via: 'copy' | 'compute' | 'hint' | 'increment'
}
export interface Lineage {
  readonly nodes: readonly LineageNode[]
  readonly edges: readonly LineageEdge[]
}

/** Lineage of a valid definition set; expressions that do not parse contribute nothing. */
export function lineageOf(definitions: DefinitionsObject): Lineage {
  const graph = new Collector()
  for (const [source, { events }] of Object.entries(definitions.sources)) {
    for (const [eventType, event] of Object.entries(events)) {
      for (const [field, mapping] of Object.entries(event.mappings)) {
        const target = graph.node('event', eventType, field)
        // A mapping with neither is a constant.
        const copied = mapping.from === undefined ? [] : [mapping.from]
        for (const path of mapping.compute === undefined ? copied : pathsRead(mapping.compute, 'event')) {
          graph.edge(graph.node('source', source, path), target, mapping.compute === undefined ? 'copy' : 'compute')
        }
      }
      for (const [entity, fields] of Object.entries(event.hints)) {
        for (const field of fields) {
          graph.edge(graph.node('event', eventType, field), graph.node('identity', entity, field), 'hint')
        }
      }
    }
  }
  for (const [type, entity] of Object.entries(definitions.entities)) entityLineage(graph, type, entity)
  return graph
}

function entityLineage(graph: Collector, type: string, entity: EntityDef): void {
  for (const [name, property] of Object.entries(entity.properties ?? {})) {
    const target = graph.node('property', type, name)
    for (const path of pathsRead(property.compute ?? '', 'entity'))
      graph.edge(propertyNode(graph, type, entity, path), target, 'compute')
  }
  for (const state of Object.values(entity.states)) {
    for (const [eventType, handler] of Object.entries(state.when ?? {}))
      effects(graph, type, entity, eventType, handler.effects)
    for (const rule of state.after ?? []) effects(graph, type, entity, null, rule.effects)
  }
  for (const [eventType, handler] of Object.entries(entity.always ?? {}))
    effects(graph, type, entity, eventType, handler.effects)
}

function effects(
  graph: Collector,
  type: string,
  entity: EntityDef,
  eventType: string | null,
  list: readonly EffectDef[],
): void {
  for (const effect of list) {
    if (effect === 'create') continue
    if ('set' in effect) {
      feed(graph, type, entity, eventType, effect.set, graph.node('property', type, effect.set.property))
    } else if ('increment' in effect && eventType !== null) {
      graph.edge(
        graph.node('event', eventType, '(occurrence)'),
        graph.node('property', type, effect.increment.property),
        'increment',
      )
    } else if ('relate' in effect) {
      const { relate } = effect
      for (const [name, value] of Object.entries(relate.properties ?? {})) {
        feed(graph, type, entity, eventType, value, graph.node('relationship', relate.type, name))
      }
      if (eventType === null) continue
      for (const fields of Object.values(relate.hints ?? {})) {
        for (const field of fields) {
          graph.edge(graph.node('event', eventType, field), graph.node('relationship', relate.type, '(target)'), 'hint')
        }
      }
    }
  }
}

function feed(
  graph: Collector,
  type: string,
  entity: EntityDef,
  eventType: string | null,
  value: ValueSource,
  target: string,
): void {
  const via = value.compute === undefined ? 'copy' : 'compute'
  const text = value.compute ?? value.from ?? ''
  for (const path of eventType === null ? [] : pathsRead(text, 'event')) {
    graph.edge(graph.node('event', eventType as string, path.split('.')[0] as string), target, via)
  }
  for (const path of pathsRead(text, 'entity')) graph.edge(propertyNode(graph, type, entity, path), target, via)
}

/** `entity.fee` is a property; `entity.state`, `entity.created_time` and the like are named as they are. */
function propertyNode(graph: Collector, type: string, entity: EntityDef, path: string): string {
  const name = path.split('.')[0] as string
  return graph.node('property', type, Object.hasOwn(entity.properties ?? {}, name) ? name : `(${name})`)
}

/** Paths below one root that an expression reads, each once. A `from` path is an expression too. */
export function pathsRead(text: string, root: 'event' | 'entity'): string[] {
  if (text === '') return []
  try {
    const found = reads(parse(text)).filter((read) => read.root === root && read.path.length > 0)
    return [...new Set(found.map(({ path }) => path.join('.')))]
  } catch {
    // `event.items.0.sku` is a path but no expression in every grammar: read it as text.
    const match = new RegExp(`^${root}\\.(.+)$`).exec(text.trim())
    return match?.[1] === undefined ? [] : [match[1]]
  }
}

class Collector implements Lineage {
  readonly #nodes = new Map<string, LineageNode>()
  readonly #edges = new Map<string, LineageEdge>()

  node(kind: LineageKind, owner: string, name: string): string {
    const id = `${kind}/${owner}/${name}`
    if (!this.#nodes.has(id)) this.#nodes.set(id, { id, kind, owner, name })
    return id
  }

  edge(from: string, to: string, via: LineageEdge['via']): void {
    this.#edges.set(`${from}\u0000${to}\u0000${via}`, { from, to, via })
  }

  get nodes(): readonly LineageNode[] {
    return [...this.#nodes.values()]
  }

  get edges(): readonly LineageEdge[] {
    return [...this.#edges.values()]
  }

  toJSON(): Lineage {
    return { nodes: this.nodes, edges: this.edges }
  }
}
