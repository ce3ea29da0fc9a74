import { describe, expect, test } from 'vitest'
import { ExpressionError } from '../../src/core/expression/errors.ts'
import { parse } from '../../src/core/expression/parse.ts'
import { reads } from '../../src/core/expression/reads.ts'
import { outcome } from './expression-kit.ts'

describe('grammar (spec 02 §3)', () => {
  test.each([
    ['1 + 2 * 3', 'Int 7'],
    ['(1 + 2) * 3', 'Int 9'],
    ['10 - 3 - 2', 'Int 5'],
    ['16 / 4 / 2', 'Int 2'],
    ['2 * 3 ** 2', 'Int 18'],
    ['2 ** -1.0', 'Float 0.5'],
    ['- - 2', 'Int 2'],
    ['1 + 1 > 1 == true', 'true'],
    ['2 > 1 == 3 > 2', 'true'],
    ['1 == 1 and 2 == 2 or false', 'true'],
    ['true or true and false', 'true'],
    ['false and false or true', 'true'],
    ['not false == false', 'false'],
    ['not (false == false)', 'false'],
    ['not 1 == 2', 'load error'],
    ['if true then 1 else 2 + 5', 'Int 1'],
    ['if false then 1 else 2 + 5', 'Int 7'],
    ['(if false then 1 else 2) + 5', 'Int 7'],
    ['1 + if false then 1 else 2 + 5', 'Int 8'],
    ['if true then if false then 1 else 2 else 3', 'Int 2'],
    ['1\u00a0+\n\t2\u2003', 'Int 3'],
    ['len ("abc")', 'Int 3'],
    ['coalesce(null, 1,)', 'Int 1'],
    ['"a\\"b"', 'String a"b'],
    ["'it\\'s'", "String it's"],
    ['"\\n\\t\\r\\\\"', 'String \n\t\r\\'],
    ['"\\d+\\x"', 'String \\d+\\x'],
    ['"\\\\d"', 'String \\d'],
    ['"two\nlines"', 'String two\nlines'],
    ['1.50', 'Float 1.5'],
    ['5.0', 'Float 5'],
    ['007', 'Int 7'],
    ['9223372036854775807', 'Int 9223372036854775807'],
    ['90m', 'Duration 5400s'],
    ['0s', 'Duration 0s'],
    ['nottrue', 'load error'],
    ['event.if', 'Int 1'],
    ['event.null', 'Int 2'],
    ['event.orders', 'Int 3'],
  ])('%s → %s', (expression, expected) => {
    expect(outcome(expression, { event: { if: 1, null: 2, orders: 3 } })).toBe(expected)
  })

  test.each([
    ['', 1, 'an expression'],
    ['  \n ', 1, 'an expression'],
    ['1 +', 4, 'a value, a path, a function or ('],
    ['1 2', 3, 'an operator or the end'],
    ['(1', 3, ')'],
    ['len(1', 6, ', or )'],
    ['len(', 5, 'a value, a path, a function or ('],
    ['len(,)', 5, 'a value, a path, a function or ('],
    ['len(1,,)', 7, 'a value, a path, a function or ('],
    ['a[1', 4, ']'],
    ['if true then 1', 15, 'else'],
    ['if true 1', 9, 'then'],
    ['a = 1', 3, "'=='"],
    ['a % 2', 3, 'an operand or operator'],
    ['a ! b', 3, 'an operator or the end'],
    ['a; b', 2, 'an operand or operator'],
    ['"abc', 1, '"'],
    ["x + 'abc\\'", 5, "'"],
    ['30days', 3, 'an operator or the end'],
    ['2x', 2, 'an operator or the end'],
    ['1d2h', 2, 'an operator or the end'],
    ['5_000', 2, 'an operator or the end'],
    ['1.5d', 4, 'an operator or the end'],
    ['1.', 2, 'an operand or operator'],
    ['.5', 1, 'an operand or operator'],
    ['1e5', 2, 'an operator or the end'],
    ['9223372036854775808', 1, null],
    ['99999999999999999999999d', 1, null],
    ['event .x', 7, 'an operand or operator'],
    ['event. x', 7, 'a field name'],
    ['event.', 7, 'a field name'],
    ['event.0abc', 7, 'a field name'],
    ['str:: trim(1)', 6, 'a name'],
    ['str::trim', 10, '('],
    ['event.x(1)', 8, 'an operator or the end'],
    ['[1, 2]', 1, 'a value, a path, a function or ('],
    ['and', 1, 'a value, a path, a function or ('],
    ['if.x', 3, 'an operand or operator'],
    ['a # comment', 3, 'an operand or operator'],
  ] as const)('%j fails at column %i', (expression, column, expected) => {
    let error: unknown
    try {
      parse(expression)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(ExpressionError)
    expect(error).toMatchObject({ column, expected })
  })

  test('a float literal beyond the doubles is an error', () => {
    expect(() => parse(`1${'0'.repeat(310)}.0`)).toThrow('beyond the range of Float')
  })

  test.each([
    ['parentheses', '('.repeat(100_000)],
    ['balanced parentheses', `${'('.repeat(5000)}1${')'.repeat(5000)}`],
    ['minus signs', `${'-'.repeat(100_000)}1`],
    ['not', `${'not '.repeat(100_000)}true`],
    ['powers', `${'2 ** '.repeat(100_000)}1`],
    ['sums', `${'1 + '.repeat(100_000)}1`],
    ['indexes', `event.a${'[0]'.repeat(100_000)}`],
    ['nested indexes', 'a['.repeat(100_000)],
    ['ifs', 'if true then '.repeat(100_000)],
    ['else ifs', 'if true then 1 else '.repeat(100_000)],
    ['calls', 'len('.repeat(100_000)],
  ])('too many %s are an error, not an overflow', (_what, expression) => {
    expect(() => parse(expression)).toThrow(/nested more than \d+ levels/)
  })

  test('long chains of and/or stay flat', () => {
    expect(outcome(Array(5000).fill('event.x == 1').join(' or '))).toBe('false')
    expect(outcome(Array(5000).fill('true').join(' and '))).toBe('true')
  })

  test('sums of a few hundred parts work', () => {
    expect(outcome(Array(300).fill('1').join(' + '))).toBe('Int 300')
  })
})

test('reads lists every path with its root, names in text indexes included', () => {
  const node = parse('event.a.0.b + len(entity.c[event["d e"]]) + (if value == event.x then other.y else entity)')
  expect(reads(node)).toEqual([
    { root: 'event', path: ['a', '0', 'b'] },
    { root: 'entity', path: ['c'] },
    { root: 'event', path: ['d e'] },
    { root: 'value', path: [] },
    { root: 'event', path: ['x'] },
    { root: 'entity', path: [] },
  ])
})
