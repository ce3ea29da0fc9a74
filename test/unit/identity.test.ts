import { expect, test } from 'vitest'
import { Grouping } from '../../src/core/grouping.ts'
import { type HintedEvent, hintKey, type IdentityRow, relateGroups, resolveBatch } from '../../src/core/identity.ts'
import { event, programOf } from '../support/core-world.ts'

const counter = (prefix = 'new-'): (() => string) => {
  let last = 0
  return () => `${prefix}${++last}`
}
const p = (fields: Record<string, string>) => ({ person: fields })
const one = (sequence: number, hints: HintedEvent['hints'], groups: HintedEvent['groups'] = []): HintedEvent => ({
  sequence,
  hints,
  groups,
})
const known = (ids: Record<string, string>) =>
  new Map(Object.entries(ids).map(([key, id]) => [hintKey('person', ...(key.split('=') as [string, string])), id]))

test('hints of one event name one entity; linking a new hint to a known entity keeps its id', () => {
  const result = resolveBatch([one(1, p({ mail: 'a', card: '1' }))], known({ 'mail=a': 'id-7' }), counter())
  expect(result.mappings).toEqual([{ sequence: 1, entityId: 'id-7', entityType: 'person' }])
  expect(result.inserts).toEqual([{ entityType: 'person', hintType: 'card', value: '1', entityId: 'id-7' }])
  expect(result.merges).toEqual([])
})

test('an unknown component gets one new id, events without hints none', () => {
  const events = [one(1, p({ mail: 'a' })), one(2, {}), one(3, p({ mail: 'a', card: '1' })), one(4, p({ mail: 'b' }))]
  const result = resolveBatch(events, new Map(), counter())
  expect(result.mappings.map(({ sequence, entityId }) => [sequence, entityId])).toEqual([
    [1, 'new-1'],
    [3, 'new-1'],
    [4, 'new-2'],
  ])
  expect(result.unresolved).toBe(1)
})

test('chains of merges inside a batch end at the smallest id, one merge per loser', () => {
  const ids = known({ 'mail=a': 'id-3', 'mail=b': 'id-1', 'mail=c': 'id-2' })
  const events = [
    one(1, p({ mail: 'a', card: '1' })),
    one(2, p({ mail: 'b', card: '2' })),
    one(3, p({ mail: 'c', card: '3' })),
    one(4, p({ card: '1', phone: '9' })),
    one(5, p({ card: '2', phone: '9' })),
    one(6, p({ card: '3', phone: '9' })),
  ]
  const result = resolveBatch(events, ids, counter())
  expect(new Set(result.mappings.map((mapping) => mapping.entityId))).toEqual(new Set(['id-1']))
  expect(result.merges).toEqual([
    { entityType: 'person', from: 'id-3', into: 'id-1' },
    { entityType: 'person', from: 'id-2', into: 'id-1' },
  ])
  expect(result.inserts.every((row) => row.entityId === 'id-1')).toBe(true)
})

test('the same text under another field or type is another entity', () => {
  const events = [one(1, p({ mail: '5' })), one(2, p({ phone: '5' })), one(3, { loan: { mail: '5' } })]
  expect(resolveBatch(events, new Map(), counter()).mappings.map((mapping) => mapping.entityId)).toEqual([
    'new-1',
    'new-2',
    'new-3',
  ])
})

test('relate groups reserve an id without a mapping and are not joined with the event', () => {
  const groups = [{ entityType: 'person', hints: { card: '1', mail: 'a' } }]
  const result = resolveBatch([one(1, { loan: { no: '5' }, person: { mail: 'b' } }, groups)], new Map(), counter())
  expect(result.mappings).toEqual([
    { sequence: 1, entityId: 'new-1', entityType: 'loan' },
    { sequence: 1, entityId: 'new-2', entityType: 'person' },
  ])
  expect(result.inserts.filter((row) => row.entityId === 'new-3').map((row) => row.value)).toEqual(['1', 'a'])
})

test('keys named like the members of objects are plain hints', () => {
  const hints = JSON.parse('{"person": {"__proto__": "x", "constructor": "y"}}')
  const result = resolveBatch([one(1, hints), one(2, p({ constructor: 'y' }))], new Map(), counter())
  expect(result.inserts.map((row) => row.hintType)).toEqual(['__proto__', 'constructor'])
  expect(new Set(result.mappings.map((mapping) => mapping.entityId)).size).toBe(1)
})

const shop = programOf({
  entities: {
    loan: {
      starts: 'open',
      identity: { no: {} },
      states: {
        open: {
          when: {
            lent: {
              effects: [
                'create',
                { relate: { type: 'taken_by', target: 'member', hints: { member: ['card', 'mail'] } } },
                { relate: { type: 'seen_by', target: 'member' } },
              ],
            },
          },
        },
      },
      relationships: [
        { type: 'taken_by', target: 'member', cardinality: 'belongs_to', inverse: 'took' },
        { type: 'seen_by', target: 'member', cardinality: 'belongs_to', inverse: 'saw' },
      ],
    },
    member: {
      starts: 'on',
      identity: { card: { normalize: "replace(value, '-', '')" }, mail: { match: 'case_insensitive' } },
      states: { on: { when: { lent: { effects: ['create'] } } } },
      relationships: [
        { type: 'took', target: 'loan', cardinality: 'has_many', inverse: 'taken_by' },
        { type: 'saw', target: 'loan', cardinality: 'has_many', inverse: 'seen_by' },
      ],
    },
  },
  sources: {
    app: {
      event_type: 'type',
      timestamp: 'at',
      events: {
        lent: {
          mappings: { no: { from: 'no' }, card: { from: 'card' }, mail: { from: 'mail' } },
          hints: { loan: ['no'], member: ['mail'] },
        },
      },
    },
  },
})

test('relate groups hold the canonical hints of all handlers of the event', () => {
  const lent = event(1, 'lent', '01-01', { no: '5', card: '7-1', mail: 'A@b' })
  expect(relateGroups(shop, lent, { loan: { no: '5' }, member: { mail: 'a@b' } })).toEqual([
    { entityType: 'member', hints: { card: '71', mail: 'a@b' } },
    { entityType: 'member', hints: { mail: 'a@b' } },
  ])
  expect(relateGroups(shop, lent, { member: { mail: 'a@b' } })).toEqual([])
  expect(shop.relatingEvents).toEqual(new Set(['lent']))
})

// ── resets ───────────────────────────────────────────────────────────────────────────────────────────────────────

const row = (hintType: string, value: string, entityId: string): IdentityRow => ({
  entityType: 'person',
  hintType,
  value,
  entityId,
})

function regrouped(
  events: [hints: Record<string, string>, previous?: Record<string, string>][],
  old: IdentityRow[],
): { ids: Record<string, string>; retired: unknown[] } {
  const grouping = new Grouping()
  for (const [hints, previous] of events) grouping.add(p(hints), [], previous === undefined ? undefined : p(previous))
  const components = grouping.components(old, counter())
  const ids: Record<string, string> = {}
  for (const { hintType, value, entityId } of components.rows()) ids[`${hintType}=${value}`] = entityId
  for (const { entityType, hintType, value, entityId } of components.rows()) {
    expect(components.idOf(entityType, hintType, value)).toBe(entityId)
  }
  return { ids, retired: components.retired }
}

test('an unchanged grouping keeps its ids', () => {
  const old = [row('mail', 'a', 'id-2'), row('card', '1', 'id-2'), row('mail', 'b', 'id-1')]
  expect(regrouped([[{ mail: 'a', card: '1' }], [{ mail: 'b' }]], old)).toEqual({
    ids: { 'mail=a': 'id-2', 'card=1': 'id-2', 'mail=b': 'id-1' },
    retired: [],
  })
})

test('joined components take the smallest id, the other is retired into it', () => {
  const old = [row('mail', 'a', 'id-2'), row('mail', 'b', 'id-1')]
  expect(regrouped([[{ mail: 'a', card: '1' }], [{ mail: 'b', card: '1' }]], old)).toEqual({
    ids: { 'mail=a': 'id-1', 'card=1': 'id-1', 'mail=b': 'id-1' },
    retired: [{ entityType: 'person', from: 'id-2', into: 'id-1' }],
  })
})

test('the parts of a split entity get new ids, and the old id continues nowhere', () => {
  const old = [row('mail', 'a', 'id-1'), row('mail', 'b', 'id-1')]
  expect(regrouped([[{ mail: 'a' }], [{ mail: 'b' }]], old)).toEqual({
    ids: { 'mail=a': 'new-1', 'mail=b': 'new-2' },
    retired: [],
  })
})

test('hints that no longer occur say nothing against an id', () => {
  const old = [row('mail', 'a', 'id-1'), row('phone', '9', 'id-1'), row('phone', '8', 'id-9')]
  expect(regrouped([[{ mail: 'a' }]], old)).toEqual({ ids: { 'mail=a': 'id-1' }, retired: [] })
})

test('ids follow their events when the text of hints changes', () => {
  const old = [row('mail', 'A', 'id-1'), row('mail', 'a', 'id-2'), row('mail', 'B', 'id-3'), row('mail', 'w', 'id-4')]
  const events: [Record<string, string>, Record<string, string>][] = [
    [{ mail: 'a' }, { mail: 'A' }],
    [{ mail: 'a' }, { mail: 'a' }],
    [{ mail: 'b' }, { mail: 'B' }],
    [{ mail: 'w' }, { mail: 'v' }],
    [{ mail: 'x' }, { mail: 'w' }],
  ]
  for (const order of [events, [...events].reverse()]) {
    const { ids, retired } = regrouped(order, old)
    expect(ids).toMatchObject({ 'mail=a': 'id-1', 'mail=b': 'id-3', 'mail=x': 'id-4' })
    expect(ids['mail=w']).toMatch(/^new-/)
    expect(retired).toEqual([{ entityType: 'person', from: 'id-2', into: 'id-1' }])
  }
})

test('relate groups take part in a reset like in a batch', () => {
  const grouping = new Grouping()
  grouping.add({ loan: { no: '5' } }, [{ entityType: 'person', hints: { card: '1', mail: 'a' } }])
  const components = grouping.components([row('card', '1', 'id-1')], counter())
  expect(components.idOf('person', 'mail', 'a')).toBe('id-1')
  expect(components.idOf('loan', 'no', '5')).toBe('new-1')
  expect(components.idOf('loan', 'no', '6')).toBeUndefined()
})
