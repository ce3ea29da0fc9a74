/** Going through the handlers, time rules and effects of an entity, with their paths. */
import type {
  EffectDef,
  EntityDef,
  HandlerDef,
  IncrementDef,
  RelateDef,
  RelationshipDef,
  SetDef,
  TimeRuleDef,
  TransitionDef,
} from './model.ts'
import type { Path } from './path.ts'
import { givenIndex } from './read.ts'

/** A handler or a time rule. */
export interface Block {
  path: Path
  /** The state it belongs to; null for `always`. */
  state: string | null
  /** The event it handles; null for a time rule. */
  event: string | null
  guard: string | undefined
  rule: TimeRuleDef | null
  effects: EffectAt[]
}
export type EffectAt =
  | { kind: 'create'; path: Path }
  | { kind: 'transition'; path: Path; body: TransitionDef }
  | { kind: 'set'; path: Path; body: SetDef }
  | { kind: 'increment'; path: Path; body: IncrementDef }
  | { kind: 'relate'; path: Path; body: RelateDef }

export const entries = <T>(map: Readonly<Record<string, T>> | undefined): [string, T][] => Object.entries(map ?? {})

/** All blocks of an entity, in the order they are written: states first, then `always`. */
export function blocksOf(name: string, entity: EntityDef): Block[] {
  const root: Path = ['entities', name]
  const blocks: Block[] = []
  for (const [state, body] of entries(entity.states)) {
    const here = [...root, 'states', state]
    for (const [event, handler] of entries(body.when))
      blocks.push(handlerBlock([...here, 'when', event], state, event, handler))
    const after = body.after ?? []
    for (const [i, rule] of after.entries()) {
      const path = [...here, 'after', givenIndex(after, i)]
      blocks.push({ path, state, event: null, guard: undefined, rule, effects: effectsAt(path, rule.effects) })
    }
  }
  for (const [event, handler] of entries(entity.always)) {
    blocks.push(handlerBlock([...root, 'always', event], null, event, handler))
  }
  return blocks
}

function handlerBlock(path: Path, state: string | null, event: string, handler: HandlerDef): Block {
  return { path, state, event, guard: handler.guard, rule: null, effects: effectsAt(path, handler.effects) }
}

function effectsAt(path: Path, effects: readonly EffectDef[] | undefined): EffectAt[] {
  return (effects ?? []).map((effect, i): EffectAt => {
    const here = [...path, 'effects', givenIndex(effects!, i)]
    if (effect === 'create') return { kind: 'create', path: here }
    if ('transition' in effect) return { kind: 'transition', path: [...here, 'transition'], body: effect.transition }
    if ('set' in effect) return { kind: 'set', path: [...here, 'set'], body: effect.set }
    if ('increment' in effect) return { kind: 'increment', path: [...here, 'increment'], body: effect.increment }
    return { kind: 'relate', path: [...here, 'relate'], body: effect.relate }
  })
}

/** The event types an entity has handlers for, each with the path of the first. */
export function handledEvents(name: string, entity: EntityDef): Map<string, Path> {
  const events = new Map<string, Path>()
  for (const { event, path } of blocksOf(name, entity)) {
    if (event !== null && !events.has(event)) events.set(event, path)
  }
  return events
}

/** The relationships of an entity with their paths. */
export function relationshipsOf(name: string, entity: EntityDef): { path: Path; relationship: RelationshipDef }[] {
  const list = entity.relationships ?? []
  return list.map((relationship, i) => ({
    path: ['entities', name, 'relationships', givenIndex(list, i)],
    relationship,
  }))
}

/** The states that a block's transitions lead to. */
export function targetsOf(block: Block): string[] {
  return block.effects.flatMap((effect) => (effect.kind === 'transition' ? [effect.body.to] : []))
}
