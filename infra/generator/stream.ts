/**
 * The records of a whole period in order of arrival, one at a time. Memory grows with the people alive at once (a list of
 * small steps each), not with the output.
 */
import { delay, type Malformed, malformed, repeatAfter, repeatOf } from './faults.ts'
import { Heap } from './heap.ts'
import { lifeOf, type Step } from './life.ts'
import { makePerson, type Person } from './person.ts'
import { Random } from './random.ts'
import { type Raw, recordOf, type SourceName } from './records.ts'

export const PERIOD_START = Date.UTC(2024, 0, 1)
export const PERIOD_END = Date.UTC(2024, 4, 1)

/** Average lines per person, measured; a little low, so that there is always enough to fill `events`. */
const LINES_PER_PERSON = 12
/** People come in over this part of the period, so that the last ones still have a story. */
const ARRIVALS = 0.94

export interface Delivery {
  /** When the line reaches us, epoch milliseconds; ascending. */
  readonly at: number
  readonly source: SourceName
  readonly line: string
  /** What is wrong with it; null: nothing. `duplicate` lines repeat an earlier one. */
  readonly fault: 'duplicate' | Malformed | null
}

interface Life {
  readonly person: Person
  readonly steps: Step[]
  next: number
}

/** Exactly `events` deliveries, unless the period ends before. */
export function* deliveries(options: { events: number; seed: number }): Generator<Delivery> {
  const { events, seed } = options
  const people = Math.ceil(events / LINES_PER_PERSON) + 1
  const slot = ((PERIOD_END - PERIOD_START) * ARRIVALS) / people
  const startOf = (index: number): number =>
    Math.floor(PERIOD_START + slot * index + new Random(seed, 4 * index).int(0, Math.floor(slot)))
  const faults = new Random(seed, 0x7fffffff)
  const lives = new Heap<Life>()
  const pending = new Heap<Omit<Delivery, 'at'> & { at: number; raw: Raw }>()
  let arrived = 0
  let serial = 0
  let written = 0

  const deliver = (at: number, raw: Raw): void => {
    const line = JSON.stringify(raw.body)
    const arrival = at + delay(faults)
    pending.push(arrival, { at: arrival, source: raw.source, line, fault: null, raw })
    const again = repeatAfter(faults)
    if (again !== null) {
      const repeat = repeatOf(raw, faults)
      const text = JSON.stringify(repeat.body)
      pending.push(arrival + again, { at: arrival + again, source: raw.source, line: text, fault: 'duplicate', raw })
    }
    if (faults.chance(0.9)) {
      const bad = malformed(raw, faults)
      pending.push(arrival + 1, { at: arrival + 1, source: raw.source, line: bad.line, fault: bad.kind, raw })
    }
  }

  while (written < events) {
    const born = arrived < people ? startOf(arrived) : Number.POSITIVE_INFINITY
    const soonest = Math.min(born, lives.first, pending.first)
    if (soonest >= PERIOD_END) return
    if (soonest === born) {
      const person = makePerson(seed, arrived++)
      const steps = lifeOf(seed, person, born, PERIOD_END)
      if (steps[0] !== undefined) lives.push(steps[0].at, { person, steps, next: 0 })
    } else if (soonest === lives.first) {
      const life = lives.pop() as Life
      const step = life.steps[life.next++] as Step
      deliver(step.at, recordOf(seed, life.person, step, serial++))
      const following = life.steps[life.next]
      if (following !== undefined) lives.push(following.at, life)
    } else {
      const delivery = pending.pop()
      if (delivery === undefined) return
      written += 1
      yield { at: delivery.at, source: delivery.source, line: delivery.line, fault: delivery.fault }
    }
  }
}
