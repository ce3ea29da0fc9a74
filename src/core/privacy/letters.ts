/** What becomes of a stored failure when a person is erased or redacted (spec 05 §4.2 no. 14, §5.4). Pure. */
import { mentionsIn, type Recognizes, treatedRaw } from './raw-text.ts'

/** What was frozen of the person. */
export interface Concerned extends Recognizes {
  readonly entities: readonly { readonly id: string }[]
  readonly emptied: readonly number[]
  readonly treated: readonly number[]
}

/** What a failure says of whom it is about. */
export interface Letter {
  readonly entityId: string | null
  readonly sequence: number | null
  readonly eventId: string | null
  readonly raw: unknown
}

/** The record as it may stay, the same value if nothing of it changes; `GONE`: the failure goes with all it says. */
export const GONE = Symbol('gone')

export function letterJudge(subject: Concerned): (letter: Letter) => unknown {
  if (subject.treat !== null) return ({ raw }) => treatedRaw(subject, raw)
  const ids = new Set(subject.entities.map(({ id }) => id))
  const sequences = new Set([...subject.emptied, ...subject.treated])
  return ({ entityId, sequence, eventId, raw }) => {
    const named =
      (entityId !== null && ids.has(entityId)) ||
      (sequence !== null && sequences.has(sequence)) ||
      (eventId !== null && subject.mentions(eventId))
    return named || mentionsIn(subject, raw) ? GONE : raw
  }
}
