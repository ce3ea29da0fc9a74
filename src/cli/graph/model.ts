/** Diagrams as data: what `graph` draws, whatever the format. */
import type { DefinitionsObject, EffectDef, EntityDef } from '../../core/definition/model.ts'
import type { Lineage } from '../../core/lineage.ts'
import { assetsOf } from '../../orchestration/assets/derive.ts'

export interface DiagramNode {
  readonly id: string
  readonly label: string
  readonly group: string
  readonly kind: string
}
export interface DiagramEdge {
  readonly from: string
  readonly to: string
  readonly label: string
}
export interface Diagram {
  readonly what: 'states' | 'lineage' | 'assets' | 'pipeline' | 'entities'
  readonly nodes: readonly DiagramNode[]
  readonly edges: readonly DiagramEdge[]
}

/** State machines: one group per entity type, edges by event type or time rule. */
export function stateDiagram(definitions: DefinitionsObject): Diagram {
  const nodes: DiagramNode[] = []
  const edges: DiagramEdge[] = []
  for (const [type, entity] of Object.entries(definitions.entities)) {
    for (const state of Object.keys(entity.states)) {
      const kind = state === entity.starts ? 'start' : isTerminal(entity, state) ? 'end' : 'state'
      nodes.push({ id: `${type}/${state}`, label: state, group: type, kind })
    }
    for (const [state, body] of Object.entries(entity.states)) {
      for (const [event, handler] of Object.entries(body.when ?? {})) {
        for (const to of transitions(handler.effects))
          edges.push({ from: `${type}/${state}`, to: `${type}/${to}`, label: label(event, handler.guard) })
      }
      for (const rule of body.after ?? []) {
        for (const to of transitions(rule.effects))
          edges.push({ from: `${type}/${state}`, to: `${type}/${to}`, label: `${rule.type} ${rule.threshold}` })
      }
      for (const [event, handler] of Object.entries(entity.always ?? {})) {
        for (const to of transitions(handler.effects)) {
          if (to !== state)
            edges.push({ from: `${type}/${state}`, to: `${type}/${to}`, label: label(event, handler.guard) })
        }
      }
    }
  }
  return { what: 'states', nodes, edges }
}

function transitions(effects: readonly EffectDef[]): string[] {
  return effects.flatMap((effect) => (effect !== 'create' && 'transition' in effect ? [effect.transition.to] : []))
}

function isTerminal(entity: EntityDef, state: string): boolean {
  const body = entity.states[state]
  const leaves = (effects: readonly EffectDef[]): boolean => transitions(effects).some((to) => to !== state)
  return (
    !Object.values(body?.when ?? {}).some(({ effects }) => leaves(effects)) &&
    !(body?.after ?? []).some(({ effects }) => leaves(effects))
  )
}

function label(event: string, guard: string | undefined): string {
  return guard === undefined ? event : `${event} [${guard}]`
}

/** Where every column comes from. */
export function lineageDiagram(lineage: Lineage): Diagram {
  return {
    what: 'lineage',
    nodes: lineage.nodes.map(({ id, kind, owner, name }) => ({ id, label: name, group: `${kind} ${owner}`, kind })),
    edges: lineage.edges.map(({ from, to, via }) => ({ from, to, label: via === 'copy' ? '' : via })),
  }
}

/** Assets (spec 10 §1): sources into the ledger, through identity into entities, their history and relationships. */
export function assetDiagram(definitions: DefinitionsObject): Diagram {
  const assets = assetsOf(definitions, [])
  return {
    what: 'assets',
    nodes: assets.map(({ name, kind }) => ({ id: name, label: name, group: GROUPS[kind] ?? 'core', kind })),
    edges: assets.flatMap(({ name, upstream }) =>
      upstream.map((from) => ({ from: from.name, to: name, label: from.label })),
    ),
  }
}

const GROUPS: Readonly<Record<string, string>> = {
  source: 'source',
  history: 'history',
  entity: 'entity',
  relationship: 'relationship',
}
