import { expect, test } from 'vitest'
import { collect, mentions } from '../../src/core/privacy/mentions.ts'
import { digests } from '../support/private-world.ts'

const known = new Set([digests.token('ann@example.org'), digests.token('17'), digests.event('e_1')])

test.each<[unknown, boolean]>([
  ['ann@example.org', true],
  [{ deep: [{ er: ' Ann@Example.ORG ' }] }, true],
  [[1, 17], true],
  [17n, true],
  [{ event: 'e_1' }, true],
  [{ 'ann@example.org': true }, false],
  ['write to ann@example.org', false],
  [null, false],
])('%o: %s', (value, expected) => {
  expect(mentions(value, known, digests)).toBe(expected)
})

test('nobody is known: nobody is mentioned; no depth is too much', () => {
  expect(mentions('ann@example.org', new Set(), digests)).toBe(false)
  let deep: unknown = 'ann@example.org'
  for (let i = 0; i < 20_000; i++) deep = [deep]
  expect(mentions(deep, known, digests)).toBe(true)
})

test('texts at paths, through lists, positions and keys with dots', () => {
  const record = {
    a: [{ b: 'x' }, { b: 2 }, { c: 'no' }],
    'a.b': 'whole',
    list: ['p', 'q'],
    n: null,
    o: { deep: ['r'] },
  }
  expect(collect(record, ['a.b']).sort()).toEqual(['2', 'whole', 'x'])
  expect(collect(record, ['list.1', 'n', 'missing', 'o'])).toEqual(['q', 'r'])
  expect(collect({ a: { b: 'x' } }, [''])).toEqual(['x'])
})
