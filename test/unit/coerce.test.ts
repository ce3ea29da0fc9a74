import { describe, expect, test } from 'vitest'
import { CoercionFailure, coerce, conform, isRedacted, type ValueRule, Violation } from '../../src/core/coerce.ts'
import type { PropertyType } from '../../src/core/definition/model.ts'
import { Float, type Value } from '../../src/core/value.ts'
import { COERCIONS, CONFORMING } from './coerce-cases.ts'
import { at, show } from './expression-kit.ts'

const coerced = (value: Value, type: PropertyType): string => {
  const result = coerce(value, type)
  return result instanceof CoercionFailure ? 'fails' : show(result)
}
const conformed = (value: Value, rule: ValueRule): string => {
  const result = conform(value, rule)
  return result instanceof Violation ? 'fails' : show(result)
}

describe.each(Object.entries(COERCIONS))('%s (spec 03 §3.1)', (cell, cases) => {
  const type = cell.slice(cell.indexOf('.') + 1) as PropertyType
  test.each(cases.map(([value, expected]) => [show(value), expected, value] as const))(
    '%s → %s',
    (_text, expected, value) => {
      expect(coerced(value, type)).toBe(expected)
    },
  )
})

test('every cell of the table has cases', () => {
  expect(Object.keys(COERCIONS)).toHaveLength(45)
})

describe.each(Object.entries(CONFORMING))('conforming to %s (spec 03 §5)', (type, cases) => {
  test.each(cases.map(([value, expected]) => [show(value), expected, value] as const))(
    '%s → %s',
    (_text, expected, value) => {
      expect(conformed(value, { type: type as PropertyType })).toBe(expected)
    },
  )
})

describe('limits of properties', () => {
  test('min and max are inclusive and hold for numbers of every form', () => {
    const rule: ValueRule = { type: 'number', min: 0, max: 10.5 }
    expect(conformed(0, rule)).toBe('Float 0')
    expect(conformed(10.5, rule)).toBe('Float 10.5')
    expect(conformed(-0.1, rule)).toBe('fails')
    expect(conformed('11', rule)).toBe('fails')
    expect(conformed(9007199254740993n, { type: 'integer', max: 100 })).toBe('fails')
    expect(conformed(9007199254740993n, { type: 'integer', min: 100 })).toBe('Int 9007199254740993')
    expect(conformed('5', { type: 'string', min: 6, max: 4 })).toBe('String 5')
  })

  test('allowed compares the conformed value', () => {
    expect(conformed('b', { type: 'string', allowed: ['a', 'b'] })).toBe('String b')
    expect(conformed('c', { type: 'string', allowed: ['a', 'b'] })).toBe('fails')
    expect(conformed('2', { type: 'integer', allowed: [1, 2] })).toBe('Int 2')
    expect(conformed(2, { type: 'number', allowed: [1, 2] })).toBe('Float 2')
    expect(conformed('2024-01-15', { type: 'datetime', allowed: ['2024-01-15T00:00:00Z'] })).toMatch(/^DateTime/)
    expect(conformed('x', { type: 'string', allowed: null, min: null, max: null })).toBe('String x')
  })

  test('null meets every limit', () => {
    expect(conform(null, { type: 'integer', allowed: [1], min: 1, max: 2 })).toBe(null)
  })

  test('what redaction leaves passes in sensitive properties only', () => {
    const rule: ValueRule = { type: 'string', allowed: ['a'], sensitive: true }
    const digest = 'ab01'.repeat(16)
    for (const text of ['[REDACTED]', digest, '****', '*********7890', '*******é789']) {
      expect(isRedacted(text)).toBe(true)
      expect(conform(text, rule)).toBe(text)
      expect(conform(text, { ...rule, type: 'number', min: 5 })).toBe(null)
      expect(conform(text, { ...rule, sensitive: false })).toBeInstanceOf(Violation)
    }
    for (const text of ['', 'REDACTED', digest.slice(1), digest.toUpperCase(), '**7890', 'a****']) {
      expect(isRedacted(text)).toBe(false)
      expect(conform(text, rule)).toBeInstanceOf(Violation)
    }
  })
})

test('failures name types, not values', () => {
  const secret = 'hunter2'
  for (const type of ['number', 'integer', 'boolean', 'datetime'] as const) {
    const failure = coerce(secret, type)
    const violation = conform(secret, { type })
    expect(failure).toEqual(new CoercionFailure(`String is no valid ${type}`))
    expect(violation).toEqual(new Violation(`String is no valid ${type}`))
  }
  expect(coerce([1], 'string')).toEqual(new CoercionFailure('cannot read Array as string'))
  expect(conform(5.9, { type: 'integer' })).toEqual(new Violation('Float with a fraction is no integer'))
  expect(conform('c', { type: 'string', allowed: ['a'] })).toEqual(new Violation('value is not among the allowed ones'))
  expect(conform(7, { type: 'number', max: 5 })).toEqual(new Violation('value is above the maximum of 5'))
  expect(conform(1, { type: 'number', min: 5 })).toEqual(new Violation('value is below the minimum of 5'))
})

test('values keep one form', () => {
  expect(coerce(-0.5, 'integer')).toBe(0)
  expect(coerce(5, 'number')).toEqual(new Float(5))
  expect(coerce('9007199254740993', 'integer')).toBe(9007199254740993n)
  expect(coerce(new Float(5), 'integer')).toBe(5)
  const instant = at('2024-01-15')
  expect(coerce(instant, 'datetime')).toBe(instant)
})
