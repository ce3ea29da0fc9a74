/** How a person is recognized once nothing of it is left but keyed digests (spec 05 §4.3 no. 4). */
import type { Hints } from '../../core/event.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import type { FrozenSubject } from '../../ports/erasure.ts'
import type { Erasure } from '../../ports/privacy.ts'

/** Event ids look like this: a digest of any other text need not be made. */
const EVENT_ID = /^(?:e_|_defacto_merge:)/

/**
 * The texts under which a value is recognized: as it stands, and as sources that are careless with spelling have it. A
 * number is recognized by its digits.
 */
export function spellings(value: unknown): readonly string[] {
  if (typeof value === 'number' || typeof value === 'bigint') return [String(value)]
  if (typeof value !== 'string' || value === '') return []
  const plain = value.trim().toLowerCase()
  return plain === value || plain === '' ? [value] : [value, plain]
}

/** A hint under its name: tells it from the same value in another place, which may be another person's. */
export function hintText(entityType: string, hintType: string, value: string): string {
  return `hint\u0000${entityType}\u0000${hintType}\u0000${value}`
}

/** A subject that also knows its hints by their names. */
export interface RecognizedSubject extends FrozenSubject {
  /** Whether the hints of a row, as stored, name the person. */
  hasHints(json: string): boolean
}

export function frozenSubject(
  digests: Digests,
  erasure: Erasure,
  treat: FrozenSubject['treat'] = null,
): RecognizedSubject {
  const values = new Set(erasure.digests)
  const events = new Set(erasure.eventDigests)
  const entities = new Set(erasure.entities.map(({ id }) => id))
  const isNamed = (text: string): boolean =>
    entities.has(text) ||
    (values.size > 0 && values.has(digests.token(text))) ||
    (events.size > 0 && EVENT_ID.test(text) && events.has(digests.event(text)))
  // With a stack of its own, so that no depth is too much.
  const mentions = (value: unknown): boolean => {
    const open = [value]
    while (open.length > 0) {
      const at = open.pop()
      if (typeof at !== 'object' || at === null) {
        if (spellings(at).some(isNamed)) return true
        continue
      }
      const isList = Array.isArray(at)
      for (const [key, one] of Object.entries(at)) {
        if (!isList && spellings(key).some(isNamed)) return true
        open.push(one)
      }
    }
    return false
  }
  return {
    ...erasure,
    treat,
    mentions,
    hasHints: recognizesHints(digests, erasure),
  }
}

/** Whether the hints of a row, as stored, name the person, told by their names: others may have the same value elsewhere. */
function recognizesHints(digests: Digests, erasure: Pick<Erasure, 'digests'>): (json: string) => boolean {
  const owners = hintOwners(digests, [erasure])
  return (json) => owners(json).size > 0
}

/** Which of several persons the hints of a row, as stored, name: their places in the list. */
export function hintOwners(
  digests: Digests,
  erasures: readonly Pick<Erasure, 'digests'>[],
): (json: string) => ReadonlySet<number> {
  const owners = new Map<string, number[]>()
  for (const [index, { digests: values }] of erasures.entries()) {
    for (const value of values) owners.set(value, [...(owners.get(value) ?? []), index])
  }
  return (json) => {
    const found = new Set<number>()
    if (json === '{}' || owners.size === 0) return found
    for (const [type, own] of Object.entries(JSON.parse(json) as Hints)) {
      for (const [hintType, value] of Object.entries(own)) {
        for (const index of owners.get(digests.token(hintText(type, hintType, value))) ?? []) found.add(index)
      }
    }
    return found
  }
}
