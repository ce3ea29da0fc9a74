import { describe, expect, test } from 'vitest'
import { checkExpression } from '../../src/core/expression/check.ts'
import { compile } from '../../src/core/expression/compile.ts'
import { EvaluationError, ExpressionError } from '../../src/core/expression/errors.ts'
import { parse } from '../../src/core/expression/parse.ts'
import { HANDLER, MAPPING, NORMALIZE, PROPERTY, type Scope, TIME_RULE } from '../../src/core/expression/scope.ts'
import { contextOf, evaluate } from './expression-kit.ts'

const findings = (text: string, scope: Scope = HANDLER): string[] =>
  checkExpression(parse(text), scope).map(({ code, column, message }) => `${code} ${column} ${message}`)

describe('load checks (spec 02 §9)', () => {
  test.each([
    ['trim(event.x)', "E05 1 unknown function 'trim' (did you mean 'str::trim'?)"],
    ['str::len(event.x)', "E05 1 unknown function 'str::len' (did you mean 'len'?)"],
    ['1 + days_sinse(event.x)', "E05 5 unknown function 'days_sinse' (did you mean 'days_since'?)"],
    ['xyzzy(1)', "E05 1 unknown function 'xyzzy'"],
    ['constructor(1)', "E05 1 unknown function 'constructor'"],
    ['len()', "E05 1 function 'len' takes 1 argument, not 0"],
    ['len("a", "b")', "E05 1 function 'len' takes 1 argument, not 2"],
    ['split("a")', "E05 1 function 'split' takes 2 arguments, not 1"],
    ['round(1, 2, 3)', "E05 1 function 'round' takes 1 to 2 arguments, not 3"],
    ['min(1)', "E05 1 function 'min' takes at least 2 arguments, not 1"],
    ['coalesce()', "E05 1 function 'coalesce' takes at least 1 argument, not 0"],
    ['evnt.x', "E05 1 unknown name 'evnt'; fields are event.<field> and entity.<property> (did you mean 'event'?)"],
    ['1 == foo', "E05 6 unknown name 'foo'; fields are event.<field> and entity.<property>"],
    ['regex_match(event.x, "(")', "E05 1 'regex_match': invalid regular expression: missing closing ): `(`"],
    [
      'date_trunc(event.x, "decade")',
      "E05 1 'date_trunc': unit must be one of year, quarter, month, week, day, hour, minute, second",
    ],
    ['parse_datetime(event.x, "%Q")', "E05 1 'parse_datetime': unknown field in the format"],
    ['"a" * 2', "E05 5 Cannot apply '*' to String and Int"],
    ['event.x * "a"', "E05 9 Cannot apply '*' to anything and String"],
    ['true + event.x', "E05 6 Cannot apply '+' to Bool and anything"],
    ['("a" + "b") - 1', "E05 13 Cannot apply '-' to String and Int"],
    ['1 + (2 > 1)', "E05 3 Cannot apply '+' to Int and Bool"],
    ['(1s / 2s + 0.5) < "a"', 'E05 17 Cannot compare Float with String'],
    ['1h * 2 < 3', 'E05 8 Cannot compare Duration with Int'],
    ['-"a"', "E05 1 Cannot apply '-' to String"],
    ['not 5', "E05 1 'not' requires Bool, not Int"],
    ['event.x and "yes"', "E05 9 'and' requires Bool, not String"],
    ['if 1 then 2 else 3', "E05 1 'if' requires Bool, not Int"],
    ['event.x > true', 'E05 9 Cannot compare anything with Bool'],
    ['5[0]', 'E05 2 Cannot index Int'],
    ['"abc"["x"]', 'E05 6 Cannot index String with String'],
    ['event.x[1.5]', 'E05 8 Cannot index with Float'],
  ])('%s', (text, finding) => {
    expect(findings(text)).toEqual([finding])
    expect(() => compile(text, HANDLER)).toThrow(ExpressionError)
  })

  test.each([
    'len(5)',
    '"2024-01-01" + 1d',
    '"a" == 1',
    'null * "a"',
    '1 / 0',
    '"a" + event.x',
    '"2024-01-01" - event.x',
    'event.x - "2024-01-01"',
    '("a" + 1d) - 1d',
    '1d * event.x',
    'event.x / 1d',
    '-(1 + null)',
    'not (1 == 2)',
    '"abc"[0]',
    'event.x["k"]',
    'null[0]',
    'regex_match(event.x, event.y)',
    'regex_match("a", null)',
  ])('%s is only found wrong, if at all, when it runs', (text) => {
    expect(findings(text)).toEqual([])
    expect(compile(text, HANDLER)).toBeTypeOf('function')
  })

  test('all findings are listed in order', () => {
    expect(findings('foo(evnt.x) and 5')).toEqual([
      "E05 13 'and' requires Bool, not Int",
      "E05 1 unknown function 'foo'",
      "E05 5 unknown name 'evnt'; fields are event.<field> and entity.<property> (did you mean 'event'?)",
    ])
  })

  test.each([
    ['event', MAPPING, ['entity', 'value']],
    ['value', NORMALIZE, ['event', 'entity']],
    ['event, entity', HANDLER, ['value']],
    ['entity', PROPERTY, ['event', 'value']],
    ['entity', TIME_RULE, ['event', 'value']],
  ] as const)('where only %s is filled, the other roots are null with W08', (_filled, scope, empty) => {
    const context = contextOf({ value: 'v' })
    for (const root of empty) {
      const text = root === 'value' ? 'value' : `${root}.id`
      expect(findings(text, scope)).toEqual([`W08 1 '${root}' is always null here`])
      expect(compile(text, scope)(context)).toBe(null)
    }
    for (const root of ['event', 'entity', 'value']) {
      if (!(empty as readonly string[]).includes(root)) expect(findings(root, scope)).toEqual([])
    }
  })

  test('a root that a place does not have at all is an error', () => {
    const scope: Scope = { event: 'none', entity: 'none', value: false }
    expect(findings('event.x == entity.y', scope)).toEqual([
      "E05 1 'event' does not exist here",
      "E05 12 'entity' does not exist here",
    ])
  })

  test('uses of the clock are marked with W13', () => {
    const message = (name: string): string => `'${name}' depends on the wall clock, so rebuilds may differ`
    expect(findings('days_since(event.x) < 3 and event.y < now()')).toEqual([
      `W13 1 ${message('days_since')}`,
      `W13 39 ${message('now')}`,
    ])
  })
})

describe('errors at evaluation', () => {
  const thrownBy = (text: string, event: Record<string, string | number>): unknown => {
    try {
      return evaluate(text, { event })
    } catch (error) {
      return error
    }
  }

  test('name types, functions and the expression, but no values', () => {
    const error = thrownBy('event.secret + 1', { secret: 'hunter2' })
    expect(error).toBeInstanceOf(EvaluationError)
    expect(error).toMatchObject({
      name: 'EvaluationError',
      errorClass: 'type',
      expression: 'event.secret + 1',
      message: "Cannot apply '+' to String and Int in expression: event.secret + 1",
    })
  })

  test.each([
    ['to_int(event.s)', "'to_int': String is no whole number within the range of Int"],
    ['to_float(event.s)', "'to_float': String is no finite decimal number"],
    ['regex_match("a", event.s)', "'regex_match': invalid regular expression"],
    ['date_trunc(now(), event.s)', "'date_trunc': unit must be one of"],
    ['parse_datetime(event.s, "%F")', "'parse_datetime': String does not fit the format"],
    ['parse_datetime("1", event.s)', "'parse_datetime': unknown field in the format"],
    ['event.s < now()', 'String compared with a DateTime is no ISO 8601 date'],
    ['year_of(event.s)', "'year_of': String is no ISO 8601 date"],
    ['event.s + 1d', 'String is no ISO 8601 date'],
    ['event.n / 0', 'Division by zero'],
    ['event.s and true', "'and' requires Bool, not String"],
    ['len(event.n)', "'len' requires String or Array, not Int"],
  ])('%s', (text, message) => {
    const error = thrownBy(text, { s: 'hunter2 (%Q', n: 31337 })
    expect(error).toBeInstanceOf(EvaluationError)
    expect((error as Error).message).toContain(message)
    expect((error as Error).message).not.toMatch(/hunter2|31337/)
  })

  test('what the host cannot hold is an error of the evaluation', () => {
    const big = 'x'.repeat(2 ** 20)
    expect(thrownBy('replace(event.s, "x", event.s)', { s: big })).toMatchObject({ errorClass: 'domain' })
  })
})
