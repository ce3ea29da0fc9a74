/** The compiled language against the interpreter that was written from the spec alone. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../src/core/expression/compile.ts'
import { EvaluationError, ExpressionError } from '../../src/core/expression/errors.ts'
import { HANDLER } from '../../src/core/expression/scope.ts'
import { Duration, Instant } from '../../src/core/instant.ts'
import { Float, kindOf, toFloat, type Value } from '../../src/core/value.ts'
import { evaluate as reference } from '../oracle/expression.ts'
import { Failure, Span, Time, type V } from '../oracle/values.ts'
import { at, contextOf, NOW } from './expression-kit.ts'

function toReference(value: Value): V {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (value instanceof Instant) return new Time(BigInt(value.ms) * 1000n + BigInt(value.us))
  if (value instanceof Duration) return new Span(BigInt(value.ms) * 1000n + BigInt(value.us))
  if (value instanceof Float) return value.value
  if (typeof value === 'number') return kindOf(value) === 'Int' ? BigInt(value) : value
  if (typeof value === 'bigint') return value
  if (Array.isArray(value)) return value.map(toReference)
  return new Map(Object.entries(value).map(([key, item]) => [key, toReference(item)]))
}

const FIELDS: Record<string, Value> = {
  i: 7,
  j: -3,
  z: 0,
  large: 9223372036854775807n,
  f: 2.5,
  whole: new Float(4),
  s: 'ab',
  e: '',
  t: at('2024-01-15T10:30:45.25Z'),
  iso: '2024-05-01T00:00:00Z',
  b: true,
  c: false,
  n: null,
  list: [1, 'ab', null, 2.5],
  object: { k: 5, deep: { x: 'y' } },
}
const ATOMS = [
  ...Object.keys(FIELDS).map((name) => `event.${name}`),
  ...[
    'event.object.k',
    'event.list.1',
    'event.s.x',
    'null',
    'true',
    '3',
    '0.5',
    '2h',
    '90s',
    '"ab"',
    "'2024-02-01'",
    'now()',
  ],
]

const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const sub = tie('expression')
  const unary = fc.constantFrom('str::trim', 'str::to_uppercase', 'len', 'days_since', 'hour_of')
  const two = fc.constantFrom('starts_with', 'ends_with', 'days_between', 'hours_between', 'coalesce')
  return {
    expression: fc.oneof(
      { depthSize: 'medium', maxDepth: 5 },
      { weight: 3, arbitrary: fc.constantFrom(...ATOMS) },
      {
        weight: 6,
        arbitrary: fc
          .tuple(
            sub,
            fc.constantFrom('+', '-', '*', '/', '**', '==', '!=', '<', '<=', '>', '>=', 'and', 'or', '&&', '||'),
            sub,
            fc.boolean(),
          )
          .map(([a, op, b, grouped]) => (grouped ? `(${a} ${op} ${b})` : `${a} ${op} ${b}`)),
      },
      fc.tuple(fc.constantFrom('-', 'not ', '!'), sub).map(([op, a]) => `${op}${a}`),
      fc.tuple(sub, sub, sub).map(([a, b, c]) => `if ${a} then ${b} else ${c}`),
      fc.tuple(sub, sub).map(([a, b]) => `(${a})[${b}]`),
      fc.tuple(unary, sub).map(([name, a]) => `${name}(${a})`),
      fc.tuple(two, sub, sub).map(([name, a, b]) => `${name}(${a}, ${b})`),
    ),
  }
})

/** The reference leaves odd corners out: results beyond these sizes are not compared. */
function comparable(value: V): boolean {
  if (value instanceof Time) return value.us >= -62_135_596_800_000_000n && value.us < 253_402_300_800_000_000n
  if (value instanceof Span) return value.us >= -(2n ** 53n) && value.us <= 2n ** 53n
  return true
}

test('what the reference can compute, the compiled form gives, too', () => {
  let compared = 0
  fc.assert(
    fc.property(expression, (text) => {
      let mine: V | 'failed'
      try {
        mine = toReference(compile(text, HANDLER)(contextOf({ event: FIELDS })))
      } catch (error) {
        // Literals of impossible types fail before they run; the reference notices only what it reaches.
        if (error instanceof ExpressionError) return
        expect(error).toBeInstanceOf(EvaluationError)
        mine = 'failed'
      }
      let theirs: V | 'failed'
      try {
        theirs = reference(text, { event: (name) => toReference(FIELDS[name] ?? null), now: toReference(NOW) as Time })
      } catch (error) {
        expect(error instanceof Failure || error instanceof RangeError).toBe(true)
        theirs = 'failed'
      }
      // The reference knows fewer operations, so its failures prove nothing.
      if (theirs === 'failed' || !comparable(theirs)) return
      expect(mine).toEqual(theirs === 0 ? toReference(toFloat(0)) : theirs)
      compared += 1
    }),
    { numRuns: Number(process.env['RUNS'] ?? 6000) },
  )
  expect(compared).toBeGreaterThan(500)
})
