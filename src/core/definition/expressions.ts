/** Every expression and value path of a definition set, with what it can see (spec 02 §1). */
import { HANDLER, MAPPING, NORMALIZE, PROPERTY, type Scope, TIME_RULE } from '../expression/scope.ts'
import type { DefinitionsObject } from './model.ts'
import type { Path } from './path.ts'
import { type Block, blocksOf, entries } from './visit.ts'

export interface ExpressionSite {
  path: Path
  text: string
  scope: Scope
  /** `from` of an effect is a path `event.x` or `entity.x`, not an expression. */
  isPath: boolean
  /** The entity type it belongs to; null in sources. */
  entity: string | null
  /** The property an effect writes, or a computed property is. */
  writes: string | null
  /** The handler or time rule around it. */
  block: Block | null
}

/** All of them, in the order they are written. */
export function expressionSites(definitions: DefinitionsObject): ExpressionSite[] {
  const sites: ExpressionSite[] = []
  for (const name of Object.keys(definitions.entities)) entitySites(definitions, name, sites)
  for (const [name, source] of entries(definitions.sources)) {
    for (const [event, { mappings }] of entries(source.events)) {
      for (const [field, { compute }] of entries(mappings)) {
        const path: Path = ['sources', name, 'events', event, 'mappings', field, 'compute']
        const site = { path, scope: MAPPING, isPath: false, entity: null, writes: null, block: null }
        if (compute !== undefined) sites.push({ ...site, text: compute })
      }
    }
  }
  return sites
}

function entitySites(definitions: DefinitionsObject, name: string, sites: ExpressionSite[]): void {
  const entity = definitions.entities[name]!
  const root: Path = ['entities', name]
  const add = (
    path: Path,
    text: string | undefined,
    scope: Scope,
    more: { block?: Block; writes?: string | undefined; isPath?: boolean } = {},
  ): void => {
    if (text === undefined) return
    const { block = null, writes = null, isPath = false } = more
    sites.push({ path, text, scope, isPath, entity: name, writes, block })
  }
  for (const [field, { normalize }] of entries(entity.identity)) {
    add([...root, 'identity', field, 'normalize'], normalize, NORMALIZE)
  }
  for (const [property, { compute }] of entries(entity.properties)) {
    add([...root, 'properties', property, 'compute'], compute, PROPERTY, { writes: property })
  }
  for (const block of blocksOf(name, entity)) {
    const scope = block.rule === null ? HANDLER : TIME_RULE
    add([...block.path, 'guard'], block.guard, scope, { block })
    for (const effect of block.effects) {
      if (effect.kind === 'create') continue
      add([...effect.path, 'condition'], effect.body.condition, scope, { block })
      if (effect.kind === 'set') {
        const { property, from, compute } = effect.body
        add([...effect.path, 'from'], from, scope, { block, writes: property, isPath: true })
        add([...effect.path, 'compute'], compute, scope, { block, writes: property })
      } else if (effect.kind === 'relate') {
        for (const [property, { from, compute }] of entries(effect.body.properties)) {
          const here = [...effect.path, 'properties', property]
          add([...here, 'from'], from, scope, { block, isPath: true })
          add([...here, 'compute'], compute, scope, { block })
        }
      }
    }
  }
}

export interface ValuePath {
  root: 'event' | 'entity'
  path: readonly string[]
}

/** The parts of a `from` of an effect (spec 01 §2.4); null if it is none. */
export function parseValuePath(text: string): ValuePath | null {
  const match = /^(event|entity)((?:\.[^\s.()[\]{}+*/<>=!&|'",]+)+)$/.exec(text)
  return match && { root: match[1] as 'event' | 'entity', path: match[2]!.slice(1).split('.') }
}
