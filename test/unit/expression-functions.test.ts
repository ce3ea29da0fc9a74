import { describe, expect, test } from 'vitest'
import { compile } from '../../src/core/expression/compile.ts'
import { FUNCTION_NAMES } from '../../src/core/expression/functions/table.ts'
import { HANDLER } from '../../src/core/expression/scope.ts'
import { EVENT, FUNCTION_CASES } from './expression-cases.ts'
import { contextOf, outcome } from './expression-kit.ts'

describe.each(Object.entries(FUNCTION_CASES))('%s', (_name, cases) => {
  test.each(cases)('%s → %s', (expression, expected) => {
    expect(outcome(expression, { event: EVENT })).toBe(expected)
  })
})

test('every function has cases', () => {
  const covered = new Set(Object.keys(FUNCTION_CASES).map((name) => name.replace(/\.(String|Array)$/, '')))
  expect(new Set(FUNCTION_NAMES)).toEqual(covered)
  expect(Object.keys(FUNCTION_CASES)).toHaveLength(38)
})

test('patterns known only at run time are forgotten after a while, and work again', () => {
  const extract = compile('regex_extract(event.t, event.p)', HANDLER)
  for (const n of [...Array(300).keys(), 0, 299]) {
    expect(extract(contextOf({ event: { t: `a${n}`, p: `a(${n})$` } }))).toBe(`${n}`)
  }
})
