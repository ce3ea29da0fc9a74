import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeState, encodeState } from '../../src/core/checkpoint.ts'
import { Instant, makeInstant } from '../../src/core/instant.ts'
import { emptyState } from '../../src/core/interpret.ts'
import type { EntityState } from '../../src/core/snapshot.ts'
import { toFloat, toInt, type Value } from '../../src/core/value.ts'
import { event, run, thing } from '../support/core-world.ts'

const types = { s: 'string', n: 'number', i: 'integer', b: 'boolean', t: 'datetime' }
const entity = thing({
  properties: Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type }])),
  states: {
    on: {
      when: { new: { effects: ['create'] } },
      after: [{ type: 'expiration', threshold: '1d', effects: [{ set: { property: 'i', value: 1 } }] }],
    },
  },
})

const instant = fc
  .tuple(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), fc.integer({ min: 0, max: 999 }))
  .map(([ms, us]) => new Instant(ms, us))
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const state: fc.Arbitrary<EntityState> = fc.record({
  id: fc.constant('id-1'),
  type: fc.constant('thing'),
  state: fc.constant('on'),
  properties: fc.record({
    s: orNull(fc.string({ unit: 'binary' })),
    n: orNull(fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => toFloat(n === 0 ? 0 : n))),
    i: orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(toInt)),
    b: orNull(fc.boolean()),
    t: orNull(instant),
  }) as fc.Arbitrary<Record<string, Value>>,
  createdTime: instant,
  stateEnteredTime: instant,
  lastEventTime: instant,
  lastFiring: orNull(instant),
  lastSnapshot: orNull(instant),
  fired: fc.uniqueArray(fc.nat(9)),
  edges: fc.constant([]),
})

test('a state survives as text, kinds included', () => {
  fc.assert(
    fc.property(state, (given) => {
      expect(decodeState(entity, 'id-1', encodeState(given))).toEqual(given)
    }),
    { numRuns: 300 },
  )
})

test('an id without an entity survives with its horizon', () => {
  const given = { ...emptyState('thing', 'id-1'), lastEventTime: makeInstant(5, 7) }
  expect(decodeState(entity, 'id-1', encodeState(given))).toEqual(given)
})

test('edges stay out, the memory of fired rules stays in', () => {
  const { state: fired } = run(entity, [event(1, 'new', '01-01'), event(2, 'x', '01-05')])
  const edge = { type: 'r', targetId: 'x', targetType: 'thing', properties: {} }
  const decoded = decodeState(entity, 'id-1', encodeState({ ...fired, edges: [edge] }))
  expect(decoded).toEqual(fired)
  expect(decoded.fired).toEqual([0])
})
