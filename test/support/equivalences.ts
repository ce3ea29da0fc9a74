/** The six equivalences of spec 03 §12 as properties of the public API: two ways to the same history. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Delivery, World } from '../oracle/oracle.ts'
import { END_HOUR, type Outcome, planArbitrary, play, type Step } from './scenario.ts'
import { type GeneratedDefinitions, spreadOut, worldArbitrary } from './world-arbitrary.ts'

export interface Runs {
  numRuns: number
  /** With a seed the same cases every time. */
  seed?: number
}

async function worldOf(definitions: object, deliveries: readonly Delivery[], plan: readonly Step[]): Promise<World> {
  return (await play(definitions, deliveries, plan)).world
}

function check(runs: Runs, property: fc.IAsyncProperty<never>): Promise<void> {
  return fc.assert(property as fc.IAsyncProperty<unknown>, {
    ...runs,
    endOnFailure: runs.seed !== undefined,
  }) as Promise<void>
}

/** 1. Immediate processing, build, any batch size, full rebuild: the same history. */
function anyWayOfProcessing(runs: Runs): Promise<void> {
  const property = fc.asyncProperty(worldArbitrary, planArbitrary, async ({ definitions, deliveries }, plan) => {
    const once = await worldOf(definitions, deliveries, [])
    assert.deepEqual(await worldOf(definitions, deliveries, plan), once)
    const immediately: Step[] = deliveries.map(() => ({ do: 'ingest', count: 1, process: true }))
    assert.deepEqual(await worldOf(definitions, deliveries, immediately), once)
  })
  return check(runs, property as never)
}

/** 2. Any arrival order of the same events: the same history once all have arrived. */
function anyOrderOfArrival(runs: Runs): Promise<void> {
  const cases = worldArbitrary.chain(({ definitions, deliveries }) => {
    const all = spreadOut(deliveries)
    const shuffled = fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
    return fc.record({ definitions: fc.constant(definitions), all: fc.constant(all), shuffled, plan: planArbitrary })
  })
  const property = fc.asyncProperty(cases, async ({ definitions, all, shuffled, plan }) => {
    const inOrder = [...all].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1))
    const expected = await worldOf(definitions, inOrder, [])
    assert.deepEqual(await worldOf(definitions, shuffled, plan), expected)
    const oneByOne: Step[] = all.map(() => ({ do: 'ingest', count: 1, process: true }))
    assert.deepEqual(await worldOf(definitions, shuffled, oneByOne), expected)
  })
  return check(runs, property as never)
}

const timeOf = ({ record }: Delivery): string => (record as { at: string }).at

/** 3. Delivering an event twice equals once. */
function deliveredTwice(runs: Runs): Promise<void> {
  const cases = fc.record({
    world: worldArbitrary,
    again: fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { minLength: 1, maxLength: 12 }),
    plan: planArbitrary,
  })
  const property = fc.asyncProperty(cases, async ({ world: { definitions, deliveries }, again, plan }) => {
    const repeated = [...deliveries]
    for (const [what, where] of again) {
      const delivery = repeated[what % repeated.length] as Delivery
      const first = repeated.indexOf(delivery)
      repeated.splice(first + 1 + (where % (repeated.length - first)), 0, delivery)
    }
    const once = await play(definitions, deliveries, [])
    const twice = await play(definitions, repeated, plan)
    assert.deepEqual(twice.world, once.world)
    assert.equal(twice.ingested, once.ingested)
  })
  return check(runs, property as never)
}

/** 4. `tick` often or once at the end, up to the same instant: the same history. */
function anyTicks(runs: Runs): Promise<void> {
  const every = fc.integer({ min: 20, max: 250 })
  const property = fc.asyncProperty(worldArbitrary, every, async ({ definitions, deliveries }, hours) => {
    const ticks: Step[] = []
    for (let hour = 0; hour < END_HOUR; hour += hours) ticks.push({ do: 'tick', hour })
    const quiet = await worldOf(definitions, deliveries, [])
    assert.deepEqual(await worldOf(definitions, deliveries, [...ticks]), quiet)
    const half = Math.ceil(deliveries.length / 2)
    const between: Step[] = [{ do: 'ingest', count: half, process: true }, ...ticks]
    assert.deepEqual(await worldOf(definitions, deliveries, between), quiet)
    const after: Step[] = [{ do: 'ingest', count: deliveries.length, process: true }, ...ticks]
    assert.deepEqual(await worldOf(definitions, deliveries, after), quiet)
  })
  return check(runs, property as never)
}

/** 5. Restart at any point changes nothing. */
function anyRestarts(runs: Runs): Promise<void> {
  const property = fc.asyncProperty(worldArbitrary, planArbitrary, async ({ definitions, deliveries }, plan) => {
    const through = plan.filter((step) => step.do !== 'restart')
    const restarts = through.flatMap((step, i): Step[] => [
      step,
      { do: 'restart', batchSize: 1 + (i % 5), catchUp: i % 2 === 0 },
    ])
    assert.deepEqual(await worldOf(definitions, deliveries, restarts), await worldOf(definitions, deliveries, through))
  })
  return check(runs, property as never)
}

/** 6. A failing event equals its absence for that entity, except that it counts as activity. */
function failingEvents(runs: Runs): Promise<void> {
  const cases = fc.record({
    world: worldArbitrary,
    places: fc.array(fc.tuple(fc.nat(200), fc.constantFrom('a1', 'a2', 'a3'), fc.integer({ min: 0, max: 60 })), {
      minLength: 1,
      maxLength: 10,
    }),
    plan: planArbitrary,
  })
  const property = fc.asyncProperty(cases, async ({ world: { definitions, deliveries }, places, plan }) => {
    const outcomes: Outcome[] = []
    for (const kind of ['failing', 'unhandled']) {
      const mixed = [...deliveries]
      for (const [i, [place, a, step]] of places.entries()) {
        const at = new Date(Date.parse('2024-01-01T00:00:00Z') + step * 12 * 3_600_000 + 1000).toISOString()
        mixed.splice(place % (mixed.length + 1), 0, { source: 'main', record: { kind, at, id: { a }, note: `n${i}` } })
      }
      outcomes.push(await play(withFailingEvent(definitions), mixed, plan))
    }
    assert.deepEqual(outcomes[0]?.world, outcomes[1]?.world)
    assert.equal(outcomes[0]?.ingested, outcomes[1]?.ingested)
  })
  return check(runs, property as never)
}

/** An event that always fails half-way for an existing person, and one that nobody handles. */
function withFailingEvent(definitions: GeneratedDefinitions): GeneratedDefinitions {
  const copy = JSON.parse(JSON.stringify(definitions))
  const { person } = copy.entities
  person.always['failing'] = {
    effects: [
      { transition: { to: Object.keys(person.states).at(-1) } },
      { set: { property: 's', value: null } },
      { set: { property: 'n', compute: 'event.note + 1' } },
    ],
  }
  const event = {
    mappings: { a: { from: 'id.a' }, note: { from: 'note' } },
    hints: { person: ['a'] },
    event_id: ['note'],
  }
  copy.sources.main.events['failing'] = event
  copy.sources.main.events['unhandled'] = event
  return copy
}

export const EQUIVALENCE_CHECKS: Record<string, (runs: Runs) => Promise<void>> = {
  'eq.1': anyWayOfProcessing,
  'eq.2': anyOrderOfArrival,
  'eq.3': deliveredTwice,
  'eq.4': anyTicks,
  'eq.5': anyRestarts,
  'eq.6': failingEvents,
}
