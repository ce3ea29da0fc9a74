/** Identity over the whole log at once: hints that ever occur together name one entity (04 §3.4). */
import { type Defs, effectOf } from './definitions.ts'
import { type HintMap, hintsOf, type OracleEvent } from './normalize.ts'

/** An entity's name: its type and all its hints, sorted. Ids are random, so this is what two runs share. */
export type EntityKey = string

export class Identity {
  #parent = new Map<string, string>()

  #root(hint: string): string {
    const parent = this.#parent.get(hint)
    if (parent === undefined) this.#parent.set(hint, hint)
    return parent === undefined || parent === hint ? hint : this.#root(parent)
  }

  join(type: string, hints: Record<string, string>): void {
    const roots = Object.entries(hints).map(([field, value]) => this.#root(hintText(type, field, value)))
    for (const root of roots) this.#parent.set(this.#root(root), this.#root(roots[0] as string))
  }

  keyOf(type: string, hints: Record<string, string>): EntityKey | null {
    const [field, value] = Object.entries(hints)[0] ?? []
    if (field === undefined || value === undefined) return null
    const root = this.#root(hintText(type, field, value))
    return entityKey([...this.#parent.keys()].filter((hint) => this.#root(hint) === root))
  }
}

const hintText = (type: string, field: string, value: string): string => JSON.stringify([type, field, value])

/** From hints as JSON `[type, field, value]`. */
export function entityKey(hints: string[]): EntityKey {
  return [...hints].sort().join(' ')
}

export function groupAll(defs: Defs, events: readonly OracleEvent[]): Identity {
  const identity = new Identity()
  for (const event of events) {
    for (const [type, hints] of Object.entries(event.hints)) identity.join(type, hints)
    for (const [type, hints] of relateGroups(defs, event)) identity.join(type, hints)
  }
  return identity
}

/** Hints named by `relate` effects that this event could run. */
function relateGroups(defs: Defs, event: OracleEvent): [string, Record<string, string>][] {
  const groups: [string, Record<string, string>][] = []
  for (const type of Object.keys(event.hints)) {
    const entity = defs.entities[type]
    const handlers = [entity?.always, ...Object.values(entity?.states ?? {}).map((state) => state?.when)]
    for (const effect of handlers.flatMap((byType) => byType?.[event.type]?.effects ?? [])) {
      const [kind, body] = effectOf(effect)
      if (kind !== 'relate') continue
      const target = body.target as string
      const hints = targetHints(defs, event, target, body.hints)
      if (hints) groups.push([target, hints])
    }
  }
  return groups
}

/** The hints of a `relate` target; null if there are none. */
export function targetHints(
  defs: Defs,
  event: OracleEvent,
  target: string,
  fields: Record<string, string[]> | undefined,
): Record<string, string> | null {
  const hints: HintMap = fields ? hintsOf(defs, fields, event.data, event.timestamp) : event.hints
  return hints[target] ?? null
}
