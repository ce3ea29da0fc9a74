/**
 * What processes remember of a person (spec 05 §4.2 no. 15): the pivot has written a change of the feed for each id and given
 * the slots new epochs, by which every process drops what it holds before it writes again.
 */
import type { ErasureTarget, FrozenSubject } from '../../../ports/erasure.ts'
import type { Engine } from '../../engine.ts'

export function memoryTarget(engine: Engine): ErasureTarget {
  const remembered = async (subject: FrozenSubject): Promise<number> => {
    let found = 0
    for (const version of subject.versions) {
      const cache = engine.cache(version)
      for (const { id } of subject.entities) if (cache.get(id) !== undefined) found += 1
    }
    return found
  }
  return {
    name: 'memory',
    plan: remembered,
    async erase(subjects) {
      const outcomes = []
      for (const subject of subjects) {
        const items = await remembered(subject)
        // A redacted entity stays: it is read anew.
        for (const version of subject.versions) {
          for (const { id } of subject.entities) engine.cache(version).delete(id)
        }
        outcomes.push({ action: 'superseded' as const, items })
      }
      return outcomes
    },
    // Whoever is redacted stays, and may be remembered again as it is now.
    verify: async (subject) => ({
      remaining: subject.kind === 'redact' ? 0 : await remembered(subject),
      method: 'index',
    }),
  }
}
