/** Round trips of values and records through the text of a ledger row (spec 03 §7, 04 §4.4). */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../src/core/expression/json.ts'
import { Instant, makeDuration } from '../../src/core/instant.ts'
import { noteOf, withNote } from '../../src/core/kinds.ts'
import { normalizeBatch } from '../../src/core/normalize.ts'
import { toFloat, toInt, type Value } from '../../src/core/value.ts'
import { mapped, normalizeAll, time } from '../support/core-world.ts'

const key = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('__proto__', 'constructor', '0', 'a.b'))
const whole = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n))
const hostNumber = fc.oneof(fc.integer(), finite, fc.constantFrom(-0, 2 ** 53, -(2 ** 53) - 2, 2 ** 62, 2 ** 63, 1e21))
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.string({ unit: 'binary', maxLength: 6 }),
  whole.map((n) => toInt(n) as Value),
  fc.oneof(finite, whole.map(Number), fc.integer()).map(toFloat),
  fc
    .tuple(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), fc.nat(999))
    .map(([ms, us]) => new Instant(ms, us)),
  // A century either way: seconds as a number keep microseconds that far and well beyond.
  fc.tuple(fc.integer({ min: -3e12, max: 3e12 }), fc.nat(999)).map(([ms, us]) => makeDuration(ms, us)),
)
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'value' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}))

test('any value comes back from its JSON and its note', () => {
  fc.assert(
    fc.property(value, (given) => {
      const note = noteOf(given)
      const read = parseJson(stringifyJson(given)) as Value
      expect(note === null ? read : withNote(read, note)).toEqual(given)
    }),
    { numRuns: 500 },
  )
})

test('a record normalizes from its stored raw as it did when it came', () => {
  const program = mapped({
    id: { from: 'id' },
    n: { from: 'n' },
    f: { from: 'n', type: 'number' },
    s: { from: 'n', type: 'string' },
    x: { from: 'x' },
    half: { compute: 'event.n / 4' },
  })
  const source = program.sources.get('app') as never
  const json = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 3 },
      hostNumber,
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(key, tie('json'), { maxKeys: 3 }),
    ),
  })).json
  const record = fc.record({
    type: fc.constant('e'),
    at: fc.constantFrom(0, '2024-01-01'),
    id: json,
    n: fc.oneof(hostNumber, fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n })),
    x: json,
  })
  fc.assert(
    fc.property(record, (given) => {
      const first = normalizeAll(program, [given])
      const [event] = first.events
      if (event === undefined) return
      const text = event.rawJson
      const again = normalizeBatch(program, source, [{ value: parseJson(text), text }], time('01-01'))
      expect(again.events).toEqual(first.events)
    }),
    { numRuns: 500 },
  )
})
