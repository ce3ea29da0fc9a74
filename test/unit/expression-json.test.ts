import { describe, expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../src/core/expression/json.ts'
import { textOf } from '../../src/core/expression/text.ts'
import { Duration, Instant } from '../../src/core/instant.ts'
import { Float, kindOf, toFloat, toInt, type Value } from '../../src/core/value.ts'

describe('reading JSON (spec 02 §2)', () => {
  test.each([
    ['5', 'Int', '5'],
    ['-0', 'Int', '0'],
    ['9007199254740991', 'Int', '9007199254740991'],
    ['9007199254740993', 'Int', '9007199254740993'],
    ['-9007199254740993', 'Int', '-9007199254740993'],
    ['9223372036854775807', 'Int', '9223372036854775807'],
    ['-9223372036854775808', 'Int', '-9223372036854775808'],
    ['9223372036854775808', 'Float', '9223372036854776000'],
    ['-9223372036854775809', 'Float', '-9223372036854776000'],
    ['123456789012345678901234567890', 'Float', '123456789012345680000000000000'],
    ['9007199254740993.0', 'Float', '9007199254740992'],
    ['0.1234567890123456789', 'Float', '0.12345678901234568'],
    ['1.5', 'Float', '1.5'],
    ['1e300', 'Float', `1${'0'.repeat(300)}`],
    ['1e999', 'Null', ''],
    ['-1E+999', 'Null', ''],
    [`1${'0'.repeat(400)}`, 'Null', ''],
    ['"9007199254740993"', 'String', '9007199254740993'],
    ['null', 'Null', ''],
  ])('%s is %s', (json, kind, text) => {
    for (const [read, member] of [
      [json, (value: unknown) => value],
      [`[${json}]`, (value: unknown) => (value as unknown[])[0]],
      [`{"a": {"b":\n${json}}}`, (value: unknown) => (value as { a: { b: unknown } }).a.b],
      [`{"id":"x","long":1234567890123456789,"b":${json}}`, (value: unknown) => (value as { b: unknown }).b],
    ] as const) {
      const value = member(parseJson(read)) as Value
      expect(kindOf(value)).toBe(kind)
      expect(textOf(value)).toBe(text)
    }
  })

  test('a key __proto__ is a key like any other', () => {
    for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1},"n":9007199254740993}']) {
      const value = parseJson(text) as Record<string, unknown>
      expect(Object.hasOwn(value, '__proto__')).toBe(true)
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    }
  })

  test('what is no JSON throws a SyntaxError', () => {
    for (const text of ['', '{', '{"a":12345678901234567890', 'undefined'])
      expect(() => parseJson(text)).toThrow(SyntaxError)
  })
})

describe('writing JSON', () => {
  test.each<[string, unknown, string]>([
    ['DateTime', new Instant(1705312800123, 4), '"2024-01-15T10:00:00.123004+00:00"'],
    ['Duration', new Duration(-1500), '-1.5'],
    ['Float', new Float(5), '5'],
    ['large Int', 9007199254740993n, '9007199254740993'],
    [
      'nested',
      { a: [1n, { b: -9007199254740993n }], d: new Instant(0) },
      '{"a":[1,{"b":-9007199254740993}],"d":"1970-01-01T00:00:00+00:00"}',
    ],
    ['nothing', undefined, 'null'],
    ['infinity', Number.POSITIVE_INFINITY, 'null'],
    ['key __proto__', parseJson('{"__proto__":1}'), '{"__proto__":1}'],
  ])('%s', (_what, value, text) => {
    expect(stringifyJson(value)).toBe(text)
  })

  test('nesting beyond the host is a RangeError', () => {
    let deep: unknown = 1n
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(() => stringifyJson(deep)).toThrow(RangeError)
  })
})

test('numbers have one form per value', () => {
  expect(toInt(5n)).toBe(5)
  expect(toInt(2n ** 53n)).toBe(2n ** 53n)
  expect(toInt(2n ** 63n)).toBe(null)
  expect(toInt(-(2n ** 63n) - 1n)).toBe(null)
  expect(toFloat(5)).toEqual(new Float(5))
  expect(toFloat(2 ** 53)).toBe(2 ** 53)
  expect(toFloat(0.5)).toBe(0.5)
  expect(kindOf(undefined as unknown as Value)).toBe('Null')
})
