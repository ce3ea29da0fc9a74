/**
 * Random but always valid definitions together with records for them, for properties that compare whole histories.
 * Small pools make collisions likely: equal timestamps, shared hints, merges, duplicates, failing expressions.
 */
import fc from 'fast-check'
import type { Delivery } from '../oracle/oracle.ts'
import { handlersArbitrary, timeRulesArbitrary } from './handlers-arbitrary.ts'

export interface GeneratedDefinitions {
  entities: Record<string, unknown>
  sources: Record<string, unknown>
}
export interface GeneratedWorld {
  definitions: GeneratedDefinitions
  deliveries: Delivery[]
}

export const PERSON_EVENTS = ['joined', 'e1', 'e2', 'knows'] as const
export const START = Date.parse('2024-01-01T00:00:00Z')
export const HOUR = 3_600_000
/** No generated event is later than this many hours after `START`. */
export const SPAN_HOURS = 900

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const present = <T extends object>(value: T): T => JSON.parse(JSON.stringify(value))

// ── entities ─────────────────────────────────────────────────────────────────────────────────────────────────────

const identityA = fc.record({ match: maybe(fc.constantFrom('exact', 'case_insensitive')) })
const identityB = fc.record({
  match: maybe(fc.constantFrom('exact', 'case_insensitive')),
  normalize: maybe(
    fc.constantFrom('str::trim(value)', "replace(value, '-', '')", 'if value == "b-1" then null else value'),
  ),
})

const properties = fc.record({
  n: fc.record({
    type: fc.constant('integer'),
    default: maybe(fc.integer({ min: 0, max: 3 })),
    min: maybe(fc.constant(-3)),
    max: maybe(fc.constant(12)),
  }),
  x: fc.record({ type: fc.constant('number'), default: maybe(fc.constantFrom(0, 1.5)), max: maybe(fc.constant(60)) }),
  s: fc.record({
    type: fc.constant('string'),
    default: maybe(fc.constant('ada')),
    allowed: maybe(fc.constant(['ada', 'bob', '3', 'e1'])),
  }),
  flag: fc.record({ type: fc.constant('boolean'), default: maybe(fc.boolean()) }),
  t: fc.record({ type: fc.constant('datetime'), default: maybe(fc.constant('2024-01-03T12:00:00Z')) }),
  c1: fc.record({
    type: fc.constant('number'),
    compute: fc.constantFrom('entity.n * 2', 'entity.x + 1', '12 / entity.n', 'coalesce(entity.n, 7)'),
  }),
  c2: fc.record({
    type: fc.constant('string'),
    compute: fc.constantFrom(
      "if entity.c1 > 6 then 'high' else 'low'",
      "coalesce(entity.s, '-') + to_string(entity.flag)",
    ),
  }),
})

function personArbitrary(states: string[], cardinality: string): fc.Arbitrary<unknown> {
  return fc
    .record({
      identity: fc.record({ a: identityA, b: identityB }),
      properties,
      create: handlersArbitrary(states).effects,
      handlers: fc.array(
        fc.tuple(fc.constantFrom(...states), fc.constantFrom(...PERSON_EVENTS), handlersArbitrary(states).handler),
        { maxLength: 6 },
      ),
      always: fc.array(fc.tuple(fc.constantFrom(...PERSON_EVENTS), handlersArbitrary(states).handler), {
        maxLength: 2,
      }),
      rules: fc.array(fc.tuple(fc.constantFrom(...states), timeRulesArbitrary(states)), { maxLength: 4 }),
      steps: fc.array(fc.constantFrom('e1', 'e2', 'rule'), { minLength: states.length, maxLength: states.length }),
      knows: fc.boolean(),
    })
    .map(({ identity, properties, create, handlers, always, rules, steps, knows }) => {
      const bodies: Record<string, { when: Record<string, { effects: unknown[] }>; after: unknown[] }> = {}
      for (const state of states) bodies[state] = { when: {}, after: [] }
      for (const [state, event, handler] of handlers) bodies[state]!.when[event] = handler
      for (const [state, rule] of rules) bodies[state]!.after.push(rule)
      // Every state is reached from the one before it.
      for (const [i, state] of states.slice(1).entries()) {
        const from = bodies[states[i] as string]!
        const step = steps[i] as string
        const go = { transition: { to: state } }
        if (step === 'rule') from.after.push({ type: 'state_duration', threshold: `${36 + 24 * i}h`, effects: [go] })
        else from.when[step] = { effects: [...(from.when[step]?.effects ?? []), go] }
      }
      bodies[states[0] as string]!.when['joined'] = { effects: ['create', ...create] }
      const relate = { relate: { type: 'knows', target: 'person', hints: { person: ['b'] } } }
      if (knows) {
        const last = bodies[states.at(-1) as string]!
        last.when['knows'] = { effects: [...(last.when['knows']?.effects ?? []), relate] }
      }
      return {
        starts: states[0],
        identity,
        properties,
        states: bodies,
        always: Object.fromEntries(always),
        relationships: [
          { type: 'knows', target: 'person', cardinality: 'many_to_many', inverse: 'known_by' },
          { type: 'known_by', target: 'person', cardinality: 'many_to_many', inverse: 'knows' },
          {
            type: 'owns',
            target: 'thing',
            cardinality:
              cardinality === 'belongs_to' ? 'has_many' : cardinality === 'has_one' ? 'belongs_to' : cardinality,
            properties: { w: { type: 'number' } },
          },
        ],
      }
    })
}

function thingArbitrary(cardinality: string): fc.Arbitrary<unknown> {
  return fc
    .record({
      hints: maybe(fc.constantFrom(['a'], ['b'], ['a', 'b'])),
      w: maybe(fc.constantFrom({ from: 'event.num' }, { value: 2 }, { compute: 'entity.times * 1.5' })),
      condition: maybe(fc.constantFrom('event.num != 3', 'entity.times > 1')),
      relink: fc.boolean(),
      rule: maybe(fc.constantFrom('inactivity', 'expiration', 'state_duration')),
    })
    .map(({ hints, w, condition, relink, rule }) => {
      const relate = {
        relate: {
          type: 'owned_by',
          target: 'person',
          hints: hints && { person: hints },
          properties: w && { w },
          condition,
        },
      }
      const increment = { increment: { property: 'times' } }
      return {
        starts: 'open',
        identity: { k: {} },
        properties: { times: { type: 'integer', default: 0 }, last: { type: 'string' } },
        states: {
          open: {
            when: {
              linked: { effects: ['create', increment, relate] },
              used: {
                guard: 'event.flg != true',
                effects: [{ set: { property: 'last', from: 'event.txt' } }, ...(relink ? [relate] : [])],
              },
            },
            after: [{ type: rule ?? 'inactivity', threshold: '5d', effects: [{ transition: { to: 'done' } }] }],
          },
          done: { when: { linked: { effects: [{ transition: { to: 'open' } }, ...(relink ? [relate] : [])] } } },
        },
        relationships: [{ type: 'owned_by', target: 'person', cardinality, properties: { w: { type: 'number' } } }],
      }
    })
}

// ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────

const mappings = fc
  .record({
    num: fc.record({
      from: fc.constant('num'),
      type: maybe(fc.constantFrom('integer', 'number', 'string')),
      default: maybe(fc.constant(2)),
    }),
    txt: fc.record({
      from: fc.constant('body.txt'),
      type: maybe(fc.constant('string')),
      default: maybe(fc.constant('3')),
    }),
    flg: fc.record({ from: fc.constant('flg'), type: maybe(fc.constant('boolean')) }),
    when: fc.record({ from: fc.constant('when'), type: fc.constant('datetime') }),
    double: fc.record({
      compute: fc.constantFrom('event.num + event.num', 'event.body.txt', 'coalesce(event.num, 1)'),
    }),
    uid: maybe(fc.constant({ from: 'uid' })),
  })
  .map((fields) => ({ a: { from: 'id.a' }, b: { from: 'b' }, k: { from: 'k', type: 'string' }, ...fields }))

const personHints = fc.constantFrom(['a'], ['b'], ['a', 'b'])

const source = fc
  .record({
    eventId: maybe(fc.constantFrom(['uid'], ['uid', 'at'], 'uid')),
    maps: fc.tuple(mappings, mappings, mappings, mappings, mappings, mappings),
    hints: fc.tuple(personHints, personHints, personHints, fc.boolean()),
  })
  .map(({ eventId, maps, hints }) => ({
    event_type: 'kind',
    timestamp: 'at',
    event_id: eventId,
    events: {
      joined: { mappings: maps[0], hints: { person: hints[0] } },
      e1: { raw_type: 'one', mappings: maps[1], hints: { person: hints[1] } },
      e2: { mappings: maps[2], hints: { person: hints[2] }, event_id: ['uid'] },
      knows: { mappings: maps[3], hints: { person: ['a'] } },
      linked: { mappings: maps[4], hints: { thing: ['k'], ...(hints[3] ? { person: ['a'] } : {}) } },
      used: { mappings: maps[5], hints: { thing: ['k'] } },
    },
  }))

export const definitionsArbitrary: fc.Arbitrary<GeneratedDefinitions> = fc
  .tuple(fc.integer({ min: 2, max: 4 }), fc.constantFrom('belongs_to', 'has_one', 'many_to_many'))
  .chain(([count, cardinality]) => {
    const states = Array.from({ length: count }, (_, i) => `s${i}`)
    return fc.record({
      entities: fc.record({ person: personArbitrary(states, cardinality), thing: thingArbitrary(cardinality) }),
      sources: fc.record({ main: source, side: source }),
    })
  })
  .map(present)

// ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────

const KINDS = [
  'joined',
  'joined',
  'joined',
  'one',
  'one',
  'one',
  'e2',
  'e2',
  'knows',
  'linked',
  'linked',
  'used',
  'e1',
] as const

const instantText = fc
  .tuple(fc.integer({ min: 0, max: SPAN_HOURS / 6 }), fc.constantFrom(0, 0, 0, 1, 2))
  .map(([step, form]) => {
    const ms = START + step * 6 * HOUR
    if (form === 1) return ms
    return form === 2 ? new Date(ms).toISOString().replace('.000Z', '.000250+00:00') : new Date(ms).toISOString()
  })

export const recordArbitrary: fc.Arbitrary<Record<string, unknown>> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: instantText,
  id: fc.record({ a: fc.constantFrom('a1', 'a2', 'A2', 'a3', 'a4', null) }),
  b: fc.constantFrom('b1', 'b2', ' b2', 'B3', 'b-1', 5, null, ''),
  k: fc.constantFrom('k1', 'k2', 'k3', 4, null),
  num: fc.constantFrom(0, 1, 2, 3, 3, 4, 5, 7, 8, 1, 2, 2.5, 4.5, '3', 'many', null),
  body: fc.record({ txt: fc.constantFrom('ada', 'bob', '3', 'Eve', null) }),
  flg: fc.constantFrom(true, false, true, false, null, true, false, 1, 'yes', 'perhaps'),
  when: fc.oneof({ weight: 18, arbitrary: instantText }, fc.constantFrom(null, 'yesterday')),
  uid: fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 0, max: 60 }) }, fc.constant(null)),
})

const malformed = fc.constantFrom<unknown>(
  null,
  7,
  'text',
  [],
  {},
  { kind: 'nope', at: 0 },
  { kind: 'joined', at: 'soon' },
  { kind: 3, at: 0 },
)

export const deliveriesArbitrary: fc.Arbitrary<Delivery[]> = fc.array(
  fc.record({
    source: fc.constantFrom('main', 'main', 'side'),
    record: fc.oneof(
      { weight: 25, arbitrary: recordArbitrary as fc.Arbitrary<unknown> },
      { weight: 1, arbitrary: malformed },
    ),
  }),
  { minLength: 5, maxLength: 60, size: 'max' },
)

export const worldArbitrary: fc.Arbitrary<GeneratedWorld> = fc.record({
  definitions: definitionsArbitrary,
  deliveries: deliveriesArbitrary,
})

/** Records whose timestamps and ids are all distinct, so that their order of arrival cannot matter. */
export function spreadOut(deliveries: readonly Delivery[]): Delivery[] {
  return deliveries
    .filter(({ record }) => typeof record === 'object' && record !== null && 'uid' in record)
    .map(({ source, record }, i) => {
      const { at } = record as { at: string | number }
      const instant = new Date(new Date(at).getTime() + i * 1000).toISOString()
      return { source, record: { ...(record as object), at: instant, uid: 1000 + i } }
    })
}
