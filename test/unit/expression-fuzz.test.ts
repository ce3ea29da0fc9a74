/** Whatever the text and whatever the values: the declared errors, and nothing else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkExpression } from '../../src/core/expression/check.ts'
import { compile } from '../../src/core/expression/compile.ts'
import { compare, equal } from '../../src/core/expression/equality.ts'
import { EvaluationError, ExpressionError } from '../../src/core/expression/errors.ts'
import { FUNCTION_NAMES } from '../../src/core/expression/functions/table.ts'
import { parseJson, stringifyJson } from '../../src/core/expression/json.ts'
import { parse } from '../../src/core/expression/parse.ts'
import { reads } from '../../src/core/expression/reads.ts'
import { HANDLER } from '../../src/core/expression/scope.ts'
import { textOf } from '../../src/core/expression/text.ts'
import { makeDuration, makeInstant } from '../../src/core/instant.ts'
import { toFloat, toInt, type Value } from '../../src/core/value.ts'
import { contextOf } from './expression-kit.ts'

const WORDS = [
  ...FUNCTION_NAMES,
  ...[
    'event',
    'entity',
    'event.x',
    'entity.y',
    'event.x.0',
    'value',
    'and',
    'or',
    'not',
    'if',
    'then',
    'else',
    'true',
    'null',
  ],
  ...[
    '(',
    ')',
    '[',
    ']',
    ',',
    '+',
    '-',
    '*',
    '/',
    '**',
    '==',
    '!=',
    '<',
    '>=',
    '!',
    '&&',
    '.',
    '::',
    '"a"',
    "'\\d'",
    '"',
    '\\',
  ],
  ...['0', '7', '1.5', '30d', '9223372036854775807', '2x', '=', '%', '\n', 'é', '😀'],
]

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fc.constantFrom(...WORDS), { maxLength: 30 }).map((parts) => parts.join(' ')),
  fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((parts) => parts.join('')),
)

const int = fc.oneof(
  fc.integer(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => toInt(n) as number | bigint),
)
const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map(toFloat)
const instant = fc
  .tuple(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), fc.integer({ min: 0, max: 999_999 }))
  .map(([s, us]) => makeInstant(s * 1000, us) as NonNullable<ReturnType<typeof makeInstant>>)
const duration = fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 999 })).map(([ms, us]) => makeDuration(ms, us))
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '2024-01-15', '2024-01-15T10:00:00Z', '(a)?', '%Y-%m-%d', 'day', '42', '-1.5e3', 'true'),
)
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    int,
    float,
    text,
    instant,
    duration,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('k', 'x', '__proto__', 'constructor'), tie('value'), { maxKeys: 3 }),
  ),
}))

/** Trees of everything the grammar has, written out. */
const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const sub = tie('expression')
  const call = (name: string): fc.Arbitrary<string> =>
    fc.array(sub, { minLength: 0, maxLength: 3 }).map((args) => `${name}(${args.join(', ')})`)
  return {
    expression: fc.oneof(
      { depthSize: 'medium', maxDepth: 6 },
      fc.constantFrom(
        'event.a',
        'event.b',
        'entity.a',
        'entity.b',
        'event.a.k',
        'now()',
        'null',
        'true',
        '2',
        '-0.5',
        '3h',
        '"day"',
      ),
      fc
        .tuple(sub, fc.constantFrom('+', '-', '*', '/', '**', '==', '!=', '<', '<=', '>', '>=', 'and', 'or'), sub)
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc.tuple(fc.constantFrom('-', 'not '), sub).map(([op, a]) => `${op}${a}`),
      fc.tuple(sub, sub, sub).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
      fc.tuple(sub, sub).map(([a, b]) => `(${a})[${b}]`),
      ...FUNCTION_NAMES.map(call),
    ),
  }
})

test('parsing any text gives a tree or an ExpressionError with a column inside the text', () => {
  fc.assert(
    fc.property(hostileText, (source) => {
      try {
        const node = parse(source)
        reads(node)
        checkExpression(node, HANDLER)
      } catch (error) {
        expect(error).toBeInstanceOf(ExpressionError)
        const { column } = error as ExpressionError
        expect(column).toBeGreaterThanOrEqual(1)
        expect(column).toBeLessThanOrEqual(source.length + 2)
      }
    }),
    { numRuns: 3000 },
  )
})

test('evaluating any expression over any values gives a value of the language or an EvaluationError', () => {
  fc.assert(
    fc.property(expression, value, value, value, value, (source, a, b, c, d) => {
      let run: ReturnType<typeof compile>
      try {
        run = compile(source, HANDLER)
      } catch (error) {
        expect(error).toBeInstanceOf(ExpressionError)
        return
      }
      const context = contextOf({ event: { a, b }, entity: { a: c, b: d } })
      try {
        const result = run(context)
        expect(result).not.toBe(undefined)
        expect(isProper(result)).toBe(true)
        expect(equal(result, run(context))).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(EvaluationError)
      }
    }),
    { numRuns: 5000 },
  )
})

/** Within the domains of spec 02 §2, in the one form each value has. */
function isProper(result: Value): boolean {
  if (typeof result === 'number') return Number.isFinite(result)
  if (typeof result === 'bigint') return toInt(result) === result
  if (Array.isArray(result)) return result.every(isProper)
  return result !== undefined
}

test('each function takes any arguments', () => {
  fc.assert(
    fc.property(fc.constantFrom(...FUNCTION_NAMES), fc.array(value, { minLength: 1, maxLength: 3 }), (name, args) => {
      const fields = Object.fromEntries(args.map((arg, i) => [`a${i}`, arg]))
      const source = `${name}(${args.map((_, i) => `event.a${i}`).join(', ')})`
      try {
        expect(isProper(compile(source, HANDLER)(contextOf({ event: fields })))).toBe(true)
      } catch (error) {
        expect(error instanceof EvaluationError || error instanceof ExpressionError).toBe(true)
      }
    }),
    { numRuns: 10_000 },
  )
})

test('equality is reflexive and symmetric, order is consistent with it', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(equal(a, a)).toBe(true)
      expect(equal(a, b)).toBe(equal(b, a))
      const sign = compare(a, b)
      if (sign === null) return
      expect(Math.sign(compare(b, a) as number)).toBe(-Math.sign(sign) + 0)
      expect(sign === 0).toBe(equal(a, b))
    }),
    { numRuns: 3000 },
  )
})

test('every value has a text and a JSON form that reads back', () => {
  fc.assert(
    fc.property(value, (v) => {
      expect(textOf(v)).toBeTypeOf('string')
      const json = stringifyJson(v)
      expect(stringifyJson(parseJson(json))).toBe(json)
    }),
    { numRuns: 2000 },
  )
})
