import { expect, test } from 'vitest'
import { closest, didYouMean } from '../../src/core/spelling.ts'

test.each([
  ['gaurd', ['effects', 'guard'], 'guard'],
  ['Email', ['mail', 'email'], 'email'],
  ['custmer', ['order', 'customer'], 'customer'],
  ['evnt', ['entity', 'event'], 'event'],
  ['a', ['b', 'c'], null],
  ['x', ['xy'], 'xy'],
  ['shipment', ['customer', 'order'], null],
  ['on', ['on'], null],
  ['', ['a'], null],
  ['état', ['etat'], 'etat'],
])('%s among %j is %s', (word, candidates, expected) => {
  expect(closest(word, candidates)).toBe(expected)
})

test('words of any length are dealt with', () => {
  expect(closest('x'.repeat(1_000_000), ['y'.repeat(1_000_000)])).toBeNull()
  expect(didYouMean('gaurd', ['guard'])).toBe(" (did you mean 'guard'?)")
  expect(didYouMean('gaurd', [])).toBe('')
})
