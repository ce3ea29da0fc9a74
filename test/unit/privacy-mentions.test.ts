import { expect, test } from 'vitest'
import { frozenSubject } from '../../src/engine/privacy/subject.ts'
import { digests, erasureOf } from '../support/private-world.ts'

const known = erasureOf({
  entities: [{ id: 'entity-1', type: 'customer' }],
  digests: [digests.token('ann@example.org'), digests.token('17')],
  eventDigests: [digests.event('e_1')],
})

test.each<[unknown, boolean]>([
  ['ann@example.org', true],
  [{ deep: [{ er: ' Ann@Example.ORG ' }] }, true],
  [[1, 17], true],
  [17n, true],
  [{ event: 'e_1' }, true],
  [{ 'ann@example.org': true }, true],
  [['entity-1'], true],
  ['write to ann@example.org', false],
  [{ list: ['ann'], 0: null }, false],
  [null, false],
])('%o: %s', (value, expected) => {
  expect(frozenSubject(digests, known).mentions(value)).toBe(expected)
})

test('nobody is known: nobody is mentioned; no depth is too much', () => {
  expect(frozenSubject(digests, erasureOf({})).mentions('ann@example.org')).toBe(false)
  let deep: unknown = 'ann@example.org'
  for (let i = 0; i < 20_000; i++) deep = [deep]
  expect(frozenSubject(digests, known).mentions(deep)).toBe(true)
})
