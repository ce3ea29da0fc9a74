/** What definitions relate, as texts that can be compared. */
import { canonicalJson } from './canonical.ts'
import type { DefinitionsObject, EffectDef } from './model.ts'

/** Each `relate` effect that names its target by fields of the event: whose, of which event, and by what rules. */
export function relationsOf({ entities }: DefinitionsObject): ReadonlySet<string> {
  const found = new Set<string>()
  const add = (name: string, eventType: string, effects: readonly EffectDef[]): void => {
    for (const effect of effects) {
      if (effect === 'create' || !('relate' in effect) || effect.relate.hints === undefined) continue
      const { target, hints } = effect.relate
      found.add(canonicalJson([name, eventType, target, hints[target] ?? [], entities[target]?.identity ?? {}]))
    }
  }
  for (const [name, { always = {}, states }] of Object.entries(entities)) {
    for (const handlers of [always, ...Object.values(states).map(({ when = {} }) => when)]) {
      for (const [eventType, { effects }] of Object.entries(handlers)) add(name, eventType, effects)
    }
  }
  return found
}
